"""SIGINT, SIGTERM and SIGHUP ask this process to stop; a second one, or the end of the bounded time, ends it at once.

Ending at once is safe, too: another worker takes over, and reads both systems before it acts.
"""

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from orchestrator import terminal
from orchestrator.shortage import start
from orchestrator.stop_request import StopRequest

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_END: Final = b"\0"
"""No signal has this number."""
_LOOK: Final = 100
"""Milliseconds between two looks at whether the time is over."""


@contextmanager
def stoppable(stop: StopRequest, report: Callable[[str], None], leave: Callable[[], int]) -> Iterator[None]:
    """Set ``stop`` when this process is asked to stop; ``report`` receives a sentence that says so.

    Where the process must end at once, ``leave`` says what is left undone, and returns the exit code. Use it in the
    main thread. The former handlers are restored at the end.
    """
    # The system may hand a signal to any thread, and Python runs handlers in the main one, which waits for others and
    # may not wake. What the wakeup descriptor is written, in whichever thread, a thread of its own reads at once.
    # That thread also ends the process, because every other one may wait for a database that does not answer.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    listener = threading.Thread(
        target=_listen, args=(reading, stop, report, leave), name="keyturn-signals", daemon=True
    )
    start(listener)
    heeded = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]  # nohup stays nohup
    handlers = {each: signal.signal(each, lambda *_: None) for each in heeded}
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for each, handler in handlers.items():
            signal.signal(each, handler)
        os.write(writing, _END)
        listener.join()
        os.close(reading)
        os.close(writing)


def _listen(reading: int, stop: StopRequest, report: Callable[[str], None], leave: Callable[[], int]) -> None:
    waiting = select.poll()
    waiting.register(reading, select.POLLIN)
    while not stop.is_over():
        if not waiting.poll(_LOOK if stop.is_set() else None):
            continue
        heard = os.read(reading, 1)
        if heard == _END:
            return
        if heard[0] not in _SIGNALS:
            continue
        if stop.is_set():
            break
        stop.set()
        report(f"{_intention(stop)} Press Ctrl-C again to exit now.")
    _exit_now(leave())


def _intention(stop: StopRequest) -> str:
    if stop.is_urgent():
        return "Finishing: a rotation between both systems is carried through the save first."
    return "Finishing the current step."


def _exit_now(exit_code: int) -> None:
    terminal.show_cursor()
    os._exit(exit_code)
