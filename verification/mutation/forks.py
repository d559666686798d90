"""Runs work in a separate process that leaves nothing behind: no change, no file, no child process."""

import ctypes
import io
import os
import pickle
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

LONGEST_RUN: Final = 600.0
"""Seconds after which the parent ends a run that the time limit of a test has not stopped."""

_PR_SET_PDEATHSIG: Final = 1


def forked(work: Callable[[], Any], longest: float | None = LONGEST_RUN) -> Any:
    """Return the result of ``work`` from a separate process, or how the process ended. Raises what ``work`` raises."""
    reading, writing = os.pipe()
    folder = tempfile.mkdtemp(prefix="keyturn-mutant-")
    pid = os.fork()
    if pid == 0:
        _child(work, writing, folder)
    os.close(writing)
    try:
        result = pickle.loads(_read(reading, longest) or pickle.dumps("crashed"))  # noqa: S301 - our child wrote it
    except TimeoutError:
        return "timed out"
    finally:
        os.close(reading)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        shutil.rmtree(folder, ignore_errors=True)
    if isinstance(result, Exception):
        raise result
    return result


def die_with_parent() -> None:
    """End this process when the parent is killed (on Linux; elsewhere it ends later, by its time limit)."""
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _child(work: Callable[[], Any], writing: int, folder: str) -> None:
    """Do the work without output, and exit."""
    try:
        os.setsid()
        die_with_parent()
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - raised by the parent
            result = error
        with io.FileIO(writing, "w", closefd=False) as pipe:
            pipe.write(pickle.dumps(result))
    finally:
        os._exit(0)


def _read(pipe: int, longest: float | None) -> bytes:
    deadline = longest and time.monotonic() + longest
    parts = b""
    while select.select([pipe], [], [], deadline and max(0, deadline - time.monotonic()))[0]:
        part = os.read(pipe, 1 << 16)
        if not part:
            return parts
        parts += part
    raise TimeoutError
