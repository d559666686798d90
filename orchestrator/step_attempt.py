"""A worker's turn at one step of a claimed rotation: what it checks and commits while the step is under way."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from orchestrator.events import Listener, OutcomeUnknown
from persistence.journal import UNKNOWN
from persistence.store import Claim, Store
from states.errors import KeyturnError, Stale
from states.ports import Clock, Write
from states.rotation import Rotation


class StepAttempt:
    """The step in hand, try by try (states.ports.StepAttempt)."""

    def __init__(self, store: Store, claim: Claim, clock: Clock, *, lease: float, listener: Listener) -> None:
        """``lease``, in seconds, is renewed by each commit; ``listener`` receives an event for each."""
        self.claim = claim
        """The rotation as this worker last wrote it."""
        self.began: datetime
        """When the try in hand began (UTC)."""
        self._store = store
        self._clock = clock
        self._lease = lease
        self.publish = listener
        """Receives the events of this attempt."""
        self._looks: list[str] = []

    def begin(self) -> Rotation:
        """Begin another try; return the rotation, with whatever doubt the tries before left."""
        self.began = self._clock.now()
        self._looks = []
        return self.claim.rotation

    def check(self) -> None:
        """Raise Stale once this worker lost the rotation: the database is asked, since the heart may be late."""
        self._store.claims.ensure_held(self.claim)

    def lost(self, write: Write, error: KeyturnError) -> None:
        """Commit that ``write`` was sent and nobody knows what came of it. Raises Stale where it cannot be stored."""
        now = self._clock.now()
        after = replace(self.claim.rotation.with_doubt(self.began, now), updated_at=now)
        assert after.proofs.candidate
        assert after.doubt.in_flight_until
        detail = {
            "write": write.value,
            "fingerprint": after.proofs.candidate.fingerprint,
            "began": self.began.isoformat(),
            "until": after.doubt.in_flight_until.isoformat(),
            "code": error.code,
            "message": error.message,
        }
        try:
            self.claim = self._store.rotations.advance(
                self.claim, after, event=UNKNOWN, detail=detail, lease=self._lease
            )
        except KeyturnError as unstored:
            # Nobody gives the lease back now, and whoever finds it run out knows that there is a doubt.
            raise Stale(f"A lost answer could not be stored; the rotation is let go. {unstored.message}") from unstored
        self.publish(OutcomeUnknown(self.claim.rotation, write, error.code))

    def saw(self, what: str) -> None:
        """Note what a look showed."""
        self._looks.append(what)

    @property
    def evidence(self) -> Mapping[str, object]:
        """What this try's looks showed, where there was a doubt to settle: for the journal."""
        return {"looks": self._looks} if self.claim.rotation.doubt.since and self._looks else {}
