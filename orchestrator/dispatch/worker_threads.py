"""Worker threads that take their work from a queue in this process."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue

from orchestrator.shortage import start

Work = Callable[[str], object]
"""What a thread does, under the name that it claims with."""


class WorkerThreads:
    """Worker threads, and the work that waits for one of them."""

    def __init__(self, names: Sequence[str]) -> None:
        """``names`` are those under which the threads claim, one for each thread."""
        self._waiting: SimpleQueue[tuple[Future[object], Work] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"keyturn-worker-{number}", args=(name,))
            for number, name in enumerate(names, 1)
        ]

    def start(self) -> None:
        """Start every thread. Raises Exhausted where not all of them can; none is left running then."""
        started = 0
        try:
            for thread in self._threads:
                start(thread)
                started += 1
        except BaseException:
            self._threads = self._threads[:started]
            self.end()
            raise

    def submit(self, work: Work) -> "Future[object]":
        """Let the next idle thread do ``work``."""
        future: Future[object] = Future()
        self._waiting.put((future, work))
        return future

    def end(self) -> None:
        """Wait until each thread has finished what it does."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self, name: str) -> None:
        while taken := self._waiting.get():
            future, work = taken
            if future.set_running_or_notify_cancel():
                future.set_result(work(name))
