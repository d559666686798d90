"""Worker threads in one process: nothing else to install.

Each thread claims the most urgent rotation (UploadedToNetSuite first) and carries it. Several such processes may share
a database: the store's leases keep them off each other's rotations.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from orchestrator.engine import Engine
from orchestrator.shortage import start
from orchestrator.stop_request import StopRequest
from persistence.store import Store
from states import preconditions
from states.errors import KeyturnError, Stale
from states.ports import Clock
from states.rotation import Rotation
from states.shortage import shortage
from states.timing import SCHEDULE_EVERY, STAY_WITH_OUTAGE

_log = logging.getLogger("keyturn.worker")

_A_MOMENT: Final = 0.05
"""Seconds added to a wait, so that what is due then is due for the store's clock too."""


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

    def __init__(
        self,
        store: Store,
        engine: Engine,
        clock: Clock,
        *,
        name: str,
        lease: float,
        poll: float,
        start_due: Callable[[], bool],
        stop: StopRequest,
    ) -> None:
        """``name`` is this process's, unique for each start; ``lease`` and ``poll`` are in seconds.

        ``start_due`` starts what is due, and returns whether more may be due; ``stop`` ends the worker once what it
        carries may be released.
        """
        self._store = store
        self._engine = engine
        self._clock = clock
        self._name = name
        self._lease = lease
        self._poll = poll
        self._start_due = start_due
        self._stop = stop
        self._hints = _Hints(stop)

    def run(self, threads: int) -> None:
        """Carry rotations until ``stop`` is set.

        Raises Exhausted where not all of the threads can start; none of them is left running then.
        """
        workers = [
            threading.Thread(target=self._carry, name=f"keyturn-worker-{number}", args=(f"{self._name}/{number}",))
            for number in range(1, threads + 1)
        ]
        started: list[threading.Thread] = []
        try:
            for worker in workers:
                start(worker)
                started.append(worker)
            while not self._stop.is_set():
                if not self._safely(self._start_due):
                    self._stop.wait(SCHEDULE_EVERY)
        finally:
            self._stop.set()
            self._hints.wake_all()
            for worker in started:
                worker.join()

    def drain(self) -> None:
        """Carry everything that is claimable now, in this thread, and return.

        It stays with rotations that this leaves in UploadedToNetSuite, while they are postponed for less than is left
        of ``STAY_WITH_OUTAGE`` and no other worker takes them: the next call may be hours away, and imports may be
        refused until then.
        """
        until = self._clock.now() + STAY_WITH_OUTAGE
        left: dict[str, Rotation] = {}
        while carried := self._claimable():
            left |= carried
            again = [
                rotation.available_at
                for rotation in left.values()
                if preconditions.is_urgent(rotation) and rotation.available_at <= until
            ]
            if not again or self._stop.wait(max((min(again) - self._clock.now()).total_seconds(), 0) + _A_MOMENT):
                return

    def wake(self, rotation_id: str, *, urgent: bool) -> None:
        """Let an idle thread look for work now; all idle threads when ``urgent``."""
        self._hints.give(rotation_id, urgent=urgent)

    def _claimable(self) -> dict[str, Rotation]:
        """Carry everything that is claimable now; return how it was left, by id."""
        carried: dict[str, Rotation] = {}
        while not self._stop.is_set() and (rotation := self._one(f"{self._name}/1")):
            carried[rotation.id] = rotation
        return carried

    def _carry(self, worker: str) -> None:
        while not self._stop.is_set():
            if not self._safely(lambda: self._one(worker)):
                self._hints.wait(self._poll)

    def _one(self, worker: str) -> Rotation | None:
        """Claim one rotation and carry it; return it as this worker last knew it, or None where there was none."""
        claim = self._store.claims.claim(worker, lease=self._lease, now=self._clock.now())
        if claim is None:
            return None
        try:
            with self._stop.carrying(claim.rotation):
                return self._engine.run(claim)
        except Stale:
            return claim.rotation

    def _safely(self, work: Callable[[], object]) -> bool:
        """Do ``work`` and return whether it found any; an error is logged, since it must not end the worker."""
        try:
            return bool(work())
        except Exception as error:  # noqa: BLE001 - the next rotation may succeed
            known = error if isinstance(error, KeyturnError) else shortage(error)
            about = {"code": known.code, "reason": known.message} if known else {}
            _log.error("worker will try again", extra={"worker": self._name, **about}, exc_info=not known)
            return False
