"""Worker threads in one process: nothing else to install.

Each thread claims the most urgent rotation (UploadedToNetSuite first) and carries it. Several such processes may share
a database: the store's leases keep them off each other's rotations.
"""

import threading
from collections.abc import Callable

from orchestrator.dispatch.claim_runner import ClaimRunner
from orchestrator.shortage import start
from orchestrator.stop_request import StopRequest
from states.timing import SCHEDULE_EVERY


class _Hints:
    """Wakes idle threads. A hint that no thread waits for is kept, so that none is lost between a look and a wait."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self._changed = threading.Condition()
        self._rotations: set[str] = set()

    def give(self, rotation_id: str, *, urgent: bool) -> None:
        """Wake one idle thread, or all of them when ``urgent``."""
        with self._changed:
            self._rotations.add(rotation_id)
            if urgent:
                self._changed.notify_all()
            else:
                self._changed.notify()

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, when there is a hint, which is used up, or when this process is asked to stop."""
        with self._changed:
            # Looked at under the lock: `wake_all` after setting ``stop`` cannot come between the look and the wait.
            if not (self._rotations or self._stop.is_set()):
                self._changed.wait(seconds)
            if self._rotations:
                self._rotations.pop()

    def wake_all(self) -> None:
        """Let every waiting thread return."""
        with self._changed:
            self._changed.notify_all()


class Embedded:
    """The dispatcher (dispatcher.Dispatcher) of one process: worker threads, and the caller's for the schedule."""

    def __init__(self, runner: ClaimRunner, *, poll: float, start_due: Callable[[], bool], stop: StopRequest) -> None:
        """``poll`` is in seconds. ``start_due`` starts what is due, and returns whether more may be due.

        ``stop`` ends the worker once what it carries may be released.
        """
        self._runner = runner
        self._poll = poll
        self._start_due = start_due
        self._stop = stop
        self._hints = _Hints(stop)

    def run(self, threads: int) -> None:
        """Carry rotations until ``stop`` is set.

        Raises Exhausted where not all of the threads can start; none of them is left running then.
        """
        workers = [
            threading.Thread(target=self._carry, name=f"keyturn-worker-{number}", args=(self._runner.worker(number),))
            for number in range(1, threads + 1)
        ]
        started: list[threading.Thread] = []
        try:
            for worker in workers:
                start(worker)
                started.append(worker)
            while not self._stop.is_set():
                if not self._runner.safely(self._start_due):
                    self._stop.wait(SCHEDULE_EVERY)
        finally:
            self._stop.set()
            self._hints.wake_all()
            for worker in started:
                worker.join()

    def drain(self) -> None:
        """Carry everything that is claimable now, in this thread, and return, as ``ClaimRunner.drain`` does."""
        self._runner.drain()

    def wake(self, rotation_id: str, *, urgent: bool) -> None:
        """Let an idle thread look for work now; all idle threads when ``urgent``."""
        self._hints.give(rotation_id, urgent=urgent)

    def _carry(self, worker: str) -> None:
        while not self._stop.is_set():
            if not self._runner.safely(lambda: self._runner.run(worker)):
                self._hints.wait(self._poll)
