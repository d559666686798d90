"""Worker threads in one process: nothing else to install.

Each thread claims the most urgent rotation (UploadedToNetSuite first) and carries it along. Several such processes may
share a database; the store's leases keep them off each other's rotations.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from orchestrator.engine import Engine
from orchestrator.shortage import shortage, start
from persistence.store import Store
from states.errors import KeyturnError, Stale
from states.ports import Clock
from states.rotation import Rotation
from states.state import State
from states.timing import SCHEDULE_EVERY, STAY_WITH_OUTAGE

_log = logging.getLogger("keyturn.worker")

_A_MOMENT: Final = 0.05
"""Seconds by which to be late rather than early."""


class Embedded:
    """A worker: ``threads`` threads that carry rotations along, and one that starts those that are due."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        clock: Clock,
        *,
        name: str,
        lease: float,
        poll: float,
        start_due: Callable[[], object],
        stop: threading.Event,
    ) -> None:
        """``lease`` and ``poll`` are in seconds; ``stop`` ends the worker once the current steps are finished."""
        self._store = store
        self._engine = engine
        self._clock = clock
        self._name = name
        self._lease = lease
        self._poll = poll
        self._start_due = start_due
        self._stop = stop

    def run(self, threads: int) -> None:
        """Work until ``stop`` is set. Raises Exhausted where not all of the threads can start; none is left then."""
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
                self._safely(self._start_due)
                self._stop.wait(SCHEDULE_EVERY)
        finally:
            self._stop.set()
            for worker in started:
                worker.join()

    def drain(self) -> None:
        """Carry everything that is claimable now, in this thread, and return.

        What that leaves between both sides is stayed with, as long as it is put off for less than is left of
        ``STAY_WITH_OUTAGE`` and nobody else takes it: the next call may be hours away, and imports may fail until then.
        """
        until = self._clock.now() + STAY_WITH_OUTAGE
        left: dict[str, Rotation] = {}
        while carried := self._claimable():
            left |= carried
            again = [
                rotation.available_at
                for rotation in left.values()
                if rotation.state is State.UPLOADED_TO_NETSUITE and rotation.available_at <= until
            ]
            if not again or self._stop.wait(max((min(again) - self._clock.now()).total_seconds(), 0) + _A_MOMENT):
                return

    def _claimable(self) -> dict[str, Rotation]:
        """Carry everything that is claimable now; return how it was left, by id."""
        carried: dict[str, Rotation] = {}
        while not self._stop.is_set() and (rotation := self._one(f"{self._name}/1")):
            carried[rotation.id] = rotation
        return carried

    def _carry(self, worker: str) -> None:
        while not self._stop.is_set():
            if not self._safely(lambda: self._one(worker)):
                self._stop.wait(self._poll)

    def _one(self, worker: str) -> Rotation | None:
        """Claim one rotation and carry it; return it as this worker knows it, or None where there was none."""
        claim = self._store.claims.claim(worker, lease=self._lease, now=self._clock.now())
        if claim is None:
            return None
        try:
            return self._engine.run(claim)
        except Stale:
            return claim.rotation

    def _safely(self, work: Callable[[], object]) -> bool:
        """Do ``work``; a database that is away must not end the worker."""
        try:
            return bool(work())
        except Exception as error:  # noqa: BLE001 - whatever it was, the next rotation may fare better
            known = error if isinstance(error, KeyturnError) else shortage(error)
            told = {"code": known.code, "reason": known.message} if known else {}
            _log.error("worker will try again", extra={"worker": self._name, **told}, exc_info=not known)
            return False
