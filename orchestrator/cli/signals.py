"""SIGINT, SIGTERM and SIGHUP let the current step finish; a second one exits now.

Exiting now is safe, too: the rotation's lease runs out, and the next worker reads both systems before it acts.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from orchestrator.cli.exit_codes import Exit
from orchestrator.shortage import start

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR: Final = b"\x1b[?25h"
_END: Final = b"\0"
"""No signal has this number."""


@contextmanager
def stoppable(report: Callable[[str], None]) -> Iterator[threading.Event]:
    """An event that is set when this process is asked to stop; ``report`` receives a sentence that says so.

    Use it in the main thread. The former handlers are restored at the end.
    """
    # The system may hand a signal to any thread, and Python runs handlers in the main one, which waits for others and
    # may not wake. What the wakeup descriptor is written, in whichever thread, a thread of its own reads at once.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    stop = threading.Event()
    listener = threading.Thread(target=_listen, args=(reading, stop, report), name="keyturn-signals", daemon=True)
    start(listener)
    heeded = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]  # nohup stays nohup
    handlers = {each: signal.signal(each, lambda *_: None) for each in heeded}
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(before)
        for each, handler in handlers.items():
            signal.signal(each, handler)
        os.write(writing, _END)
        listener.join()
        os.close(reading)
        os.close(writing)


def _listen(reading: int, stop: threading.Event, report: Callable[[str], None]) -> None:
    while (heard := os.read(reading, 1)) != _END:
        if heard[0] not in _SIGNALS:
            continue
        if stop.is_set():
            _exit_now()
        stop.set()
        report("Finishing the current step. Press Ctrl-C again to exit now.")


def _exit_now() -> None:
    if sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR)  # a live display hides it
    os._exit(Exit.INTERRUPTED)
