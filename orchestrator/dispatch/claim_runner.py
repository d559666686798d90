"""Claims rotations and runs them, one at a time for each caller: what every dispatcher does with a free thread."""

import logging
from collections.abc import Callable
from typing import Final

from orchestrator.engine import Engine
from orchestrator.stop_request import StopRequest
from persistence.store import Store
from states import preconditions
from states.errors import KeyturnError, Stale
from states.ports import Clock
from states.rotation import Rotation
from states.shortage import shortage
from states.timing import STAY_WITH_OUTAGE

_log = logging.getLogger("keyturn.worker")

_A_MOMENT: Final = 0.05
"""Seconds added to a wait, so that what is due then is due for the store's clock too."""


class ClaimRunner:
    """Claims and runs rotations for this process; safe to share between threads."""

    def __init__(
        self, store: Store, engine: Engine, clock: Clock, *, name: str, lease: float, stop: StopRequest
    ) -> None:
        """``name`` is this process's, unique for each start; ``lease`` is in seconds; ``stop`` ends ``drain``."""
        self._store = store
        self._engine = engine
        self._clock = clock
        self.name = name
        self._lease = lease
        self._stop = stop

    def worker(self, number: int) -> str:
        """Return the name under which the thread with this number claims."""
        return f"{self.name}/{number}"

    def run(self, worker: str, rotation_id: str | None = None) -> Rotation | None:
        """Claim the rotation with this id, or the one that is next, and run it.

        Return it as this worker last knew it, or None where nothing could be claimed. Raises what the engine raises,
        except Stale.
        """
        claim = self._store.claims.claim(worker, lease=self._lease, now=self._clock.now(), rotation_id=rotation_id)
        if claim is None:
            return None
        try:
            with self._stop.carrying(claim.rotation):
                return self._engine.run(claim)
        except Stale:
            return claim.rotation

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

    def _claimable(self) -> dict[str, Rotation]:
        """Carry everything that is claimable now; return how it was left, by id."""
        carried: dict[str, Rotation] = {}
        while not self._stop.is_set() and (rotation := self.run(self.worker(1))):
            carried[rotation.id] = rotation
        return carried

    def safely(self, work: Callable[[], object]) -> bool | None:
        """Do ``work`` and return whether it found any; None after an error, which is logged and must end no worker."""
        try:
            return bool(work())
        except Exception as error:  # noqa: BLE001 - the next rotation may succeed
            known = error if isinstance(error, KeyturnError) else shortage(error)
            about = {"code": known.code, "reason": known.message} if known else {}
            _log.error("worker will try again", extra={"worker": self.name, **about}, exc_info=not known)
            return None
