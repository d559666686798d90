"""One attempt at a step of a claimed rotation: what it checks and commits while the step is under way."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.events import Listener, OutcomeUnknown, Sending
from persistence.journal import UNKNOWN
from persistence.store import Claim, Store
from states.errors import KeyturnError, Stale
from states.ports import Clock, Write
from states.rotation import Rotation


class StepAttempt:
    """The current step, try by try (states.ports.Attempt)."""

    def __init__(self, store: Store, claim: Claim, clock: Clock, *, lease: float, listener: Listener) -> None:
        """``lease``, in seconds, is renewed by each commit; ``listener`` receives an event for each."""
        self.claim = claim
        """The rotation as this worker last wrote it."""
        self.began: datetime
        """When the current try began (UTC)."""
        self.publish = listener
        """Receives the events of this attempt."""
        self._store = store
        self._clock = clock
        self._lease = lease
        self._at_start = claim.rotation
        self._observations: list[str] = []
        self._warnings: list[str] = []

    def begin(self) -> Rotation:
        """Begin another try; return the rotation, with the doubt that earlier tries left."""
        self.began = self._clock.now()
        self._at_start = self.claim.rotation
        self._observations = []
        return self._at_start

    @property
    def given(self) -> Rotation:
        """The rotation as the current try received it, with what this try has left in flight.

        A proof settles the doubt of this very try, so that doubt does not begin the skew: the proof says when it was
        asked for. A lost request may still take effect, however, and the connection's next rotation waits for it.
        """
        until = self.claim.rotation.doubt.in_flight_until
        if until == self._at_start.doubt.in_flight_until:
            return self._at_start
        return replace(self._at_start, doubt=replace(self._at_start.doubt, in_flight_until=until))

    def ensure_held(self) -> None:
        """Raise Stale once another worker has the rotation.

        The database is asked: the thread that renews the lease may be late, and this process may have been suspended.
        """
        self._store.claims.ensure_held(self.claim)
        self.publish(Sending(self.claim.rotation, self._clock.now()))

    def record_unknown(self, write: Write, error: KeyturnError) -> None:
        """Commit that ``write`` was sent and its outcome is unknown. Raises Stale where it cannot be stored.

        A write that the other system has ended before it changed anything is in doubt, too, but not in flight.
        """
        now, doubt = self._clock.now(), self.claim.rotation.doubt
        doubt = doubt.answered(self.began) if error.is_ended else doubt.raised(self.began, now)
        after = replace(self.claim.rotation, doubt=doubt, updated_at=now)
        assert after.proofs.candidate
        until = None if error.is_ended else doubt.in_flight_until
        detail = {
            "write": write.value,
            "fingerprint": after.proofs.candidate.fingerprint,
            "began": self.began.isoformat(),
            **({"until": until.isoformat()} if until else {}),
            "code": error.code,
            "message": error.message,
        }
        try:
            self.claim = self._store.rotations.advance(
                self.claim, after, event=UNKNOWN, detail=detail, lease=self._lease
            )
        except KeyturnError as unstored:
            # The lease must run out now: a worker that takes over an expired lease knows that there is a doubt. Were
            # it released, the next worker would send again without looking twice.
            raise Stale(f"A lost answer could not be stored; the rotation is let go. {unstored.message}") from unstored
        self.publish(OutcomeUnknown(self.claim.rotation, write, error.code))

    def observe(self, sentence: str) -> None:
        """Note what a look showed."""
        self._observations.append(sentence)

    def warn(self, warning: str) -> None:
        """Note what another system could not do, such as remove the file of a private key."""
        self._warnings.append(warning)

    @property
    def evidence(self) -> Mapping[str, object]:
        """What the journal keeps: what the looks of this try showed, where there was a doubt to settle; what another
        system could not do in any try of the step.
        """
        in_doubt = self.claim.rotation.doubt.since is not None
        looks = {"looks": self._observations} if in_doubt and self._observations else {}
        return {**looks, **warned(self._warnings)}


def warned(warnings: Sequence[str]) -> Mapping[str, object]:
    """What the journal keeps of warnings, each once; nothing where there are none."""
    return {"warnings": list(dict.fromkeys(warnings))} if warnings else {}
