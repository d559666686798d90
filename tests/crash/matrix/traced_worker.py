"""A worker that runs under strace, to be killed at its point."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from crash.matrix.tracing import SYSCALLS, Call, Point, calls, is_held
from support.polling import until

WAIT_LIMIT = 300.0
"""Seconds; nothing here takes a quarter of that on a machine at rest."""


class TracedWorker:
    """``TracedWorker(…)`` starts the worker, in ``folder``. strace's log is kept in ``log``."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path, point: Point | None
    ) -> None:
        self._log = log
        # -D: the worker is this process's own child, and strace goes when it goes. Both hold the pipe.
        with log.with_suffix(".err").open("wb") as said:
            self._process = subprocess.Popen(
                [*strace(log, point), *command],
                env=environment,
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )

    def end(self) -> list[Call]:
        """Let it live until it is done, or held at its point; return its calls."""
        try:
            until(lambda: self._process.poll() is not None or is_held(self._log), limit=WAIT_LIMIT)
        finally:
            self._process.kill()
            if is_held(self._log):  # strace would sit out the delay before it lets its dead go
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate(timeout=WAIT_LIMIT)
        return calls(self._log)


def strace(log: Path, point: Point | None = None) -> list[str]:
    """How strace is called for a command, which follows, and its threads."""
    orders = ["-e", point.injection] if point else []
    trace = f"trace={','.join(SYSCALLS)}"
    return ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-yy", "-s", "8192", "-o", str(log), "-e", trace, *orders]
