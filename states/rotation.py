"""A rotation, its proofs and its doubt. All values are frozen: a move makes a new rotation."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from states.approval import ApprovalRequest
from states.certificate import Certificate, Challenge
from states.connection import Policy
from states.errors import KeyturnError, NotConfirmed
from states.next_action import NextAction
from states.state import State
from states.timing import HOLD_OFF


class PrivateKey:
    """A private key in the clear (PKCS#8 PEM), kept only while it is used. Its repr shows nothing."""

    __slots__ = ("_pem",)

    def __init__(self, pem: bytes) -> None:
        self._pem = pem

    def reveal(self) -> bytes:
        """The PEM. Only the NetSuite adapter and the vault need it."""
        return self._pem

    def __repr__(self) -> str:
        return "PrivateKey(…)"

    def __reduce__(self) -> str:
        raise TypeError("A private key is never pickled.")


class Cause(StrEnum):
    """Why a rotation began."""

    MANUAL = "manual"
    SCHEDULED = "scheduled"
    INITIAL = "initial"
    """A person began it, where the connection has no certificate yet."""
    SCHEDULED_INITIAL = "scheduled-initial"
    """The schedule began it there."""

    @property
    def is_scheduled(self) -> bool:
        """Whether the schedule began it, and no person."""
        return self in (Cause.SCHEDULED, Cause.SCHEDULED_INITIAL)

    @property
    def at_set_up(self) -> "Cause":
        """The cause where the connection has no certificate yet."""
        return Cause.SCHEDULED_INITIAL if self.is_scheduled else Cause.INITIAL


class Ending(StrEnum):
    """How a Failed rotation was closed."""

    ABANDONED = "abandoned"
    """Given up: NetSuite was asked, and does not hold its certificate; or it had none yet."""
    RESTORED = "restored"
    """The certificate before it was put back: both sides hold that one."""
    ADOPTED = "adopted"
    """A foreign certificate was accepted: both sides hold that one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The certificate a rotation made, and its private key as the vault sealed it."""

    certificate: Certificate
    sealed_key: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """The certificate's fingerprint."""
        return self.certificate.fingerprint

    @property
    def evidence(self) -> dict[str, object]:
        """What the journal keeps of it: nothing secret."""
        return {"fingerprint": self.fingerprint, "not_after": self.certificate.not_after.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """NetSuite's signature over our challenge, verified. It is the only thing that opens the way to OpenAir.

    Constructing one verifies it: a Confirmation that exists is true. Raises NotConfirmed otherwise.
    """

    rotation_id: str
    certificate: Certificate
    challenge: Challenge
    signature: str
    asked_at: datetime
    """When NetSuite was asked (UTC). From then on it may have signed with the new key."""
    is_firsthand: bool = field(default=False, compare=False)
    """Whether NetSuite gave the signature to this process. One that was read from the store is proved again before
    OpenAir is written: its time is only what the store says."""

    def __post_init__(self) -> None:
        if not self.certificate.verifies(self.signature, self.challenge.text):
            raise NotConfirmed

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the certificate that was proved."""
        return self.certificate.fingerprint

    @property
    def evidence(self) -> dict[str, object]:
        """What the journal keeps of it: enough to verify the signature again, nothing secret."""
        return {
            "fingerprint": self.fingerprint,
            "challenge": self.challenge.nonce,
            "signature": self.signature,
            "asked_at": self.asked_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof that a certificate was read back: which, and when (UTC)."""

    fingerprint: str
    at: datetime

    @property
    def evidence(self) -> dict[str, object]:
        """What the journal keeps of it."""
        return {"fingerprint": self.fingerprint}


@dataclass(frozen=True, slots=True)
class Absence:
    """The proof that NetSuite does not hold a certificate: which, when it was asked first (UTC), and what it showed."""

    fingerprint: str
    asked_at: datetime
    looks: tuple[str, ...]

    @property
    def evidence(self) -> dict[str, object]:
        """What the journal keeps of it."""
        return {"fingerprint": self.fingerprint, "asked_at": self.asked_at.isoformat(), "looks": list(self.looks)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a rotation is parked, and what a person should do."""

    failed_from: State
    code: str
    message: str
    next_action: NextAction
    at: datetime

    @classmethod
    def of(cls, error: KeyturnError, failed_from: State, at: datetime) -> "Failure":
        """Make the record of ``error``: what would be repeated is resumed."""
        next_action = error.next_action.resuming()
        return cls(failed_from=failed_from, code=error.code, message=error.message, next_action=next_action, at=at)


Proof = Candidate | Confirmation | Receipt
"""What one step brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What a rotation has proved so far. The table says which step brings which proof."""

    candidate: Candidate | None = None
    confirmation: Confirmation | None = None
    saved: Receipt | None = None
    verified: Receipt | None = None

    def having(self, name: str, proof: Proof) -> "Proofs":
        """These proofs, and ``proof`` under its ``name``. The machine has checked that it is of the right kind."""
        gathered: dict[str, Any] = {name: proof}
        return replace(self, **gathered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Which of the rotation's writes may have been sent without a seen answer."""

    since: datetime | None = None
    """The earliest moment at which such a write may have been sent (UTC); None when nothing is in doubt."""
    in_flight_until: datetime | None = None
    """Until when a write whose answer was lost may still take effect (UTC). It outlasts the doubt: a second request may
    have settled the doubt while the first one is still on its way. The connection's next rotation begins no earlier."""

    def raised(self, since: datetime, now: datetime) -> "Doubt":
        """The doubt after another write, sent no earlier than ``since``, was found unanswered ``now``.

        The earliest doubt counts, because its write may be the one that took effect; so does the latest end, because
        any of the writes may.
        """
        until = now + HOLD_OFF
        return Doubt(since=self.since or since, in_flight_until=max(until, self.in_flight_until or until))

    def answered(self, since: datetime) -> "Doubt":
        """The doubt after a write, sent no earlier than ``since``, was answered as ended before it changed anything.

        It is not in flight; an earlier write may be. The doubt remains, because only reading back ends it.
        """
        return Doubt(since=self.since or since, in_flight_until=self.in_flight_until)

    def settled(self) -> "Doubt":
        """The doubt after both systems were read back. What is in flight stays in flight."""
        return Doubt(in_flight_until=self.in_flight_until) if self.since else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowances:
    """What a person allowed on resuming, for one step."""

    create_record: bool = False
    """Create the missing certificate record in NetSuite."""
    overwrite: bool = False
    """Replace a foreign certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the store and the connection said about a rotation when it was read. None of it is the rotation's own."""

    previous_key_kept: bool = False
    """Whether the previous certificate's private key is kept, sealed."""
    by_hand: bool = False
    """Whether a person saves the certificate in OpenAir, which Keyturn cannot read."""
    broken: str = ""
    """What shows that the stored rotation was changed outside Keyturn, or empty. The engine does not run a broken
    rotation."""
    approval: ApprovalRequest | None = None
    """The request that waits for a second person's approval, where the installation asks for one."""


NO_PROOFS: Final = Proofs()
NO_DOUBT: Final = Doubt()
NOTHING_ALLOWED: Final = Allowances()
NO_CIRCUMSTANCES: Final = Circumstances()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """One attempt to give a connection a new certificate. Its id is the idempotency key."""

    id: str
    connection: str
    cause: Cause
    actor: str
    """Who asked: a person, a schedule."""
    reason: str = ""
    policy: Policy = field(default_factory=Policy)
    previous: Certificate | None = None
    """The certificate that NetSuite is expected to hold when this rotation begins, or None at initial set-up."""

    state: State = State.REQUESTED
    version: int = 0
    """Counts the writes of this rotation: each write names the version it read."""
    attempt: int = 1
    """Counts the resumes by a person, from 1."""
    tries: int = 0
    """Counts how often the current step was postponed; 0 after every move."""

    created_at: datetime
    updated_at: datetime
    available_at: datetime
    """No worker claims the rotation before this moment (UTC)."""

    proofs: Proofs = NO_PROOFS
    skew_from: datetime | None = None
    """The earliest moment at which NetSuite may have held the new key (UTC): skew is never understated."""
    doubt: Doubt = NO_DOUBT
    allowed: Allowances = NOTHING_ALLOWED
    waiting_for: str = ""
    """Why the step was postponed last, or empty."""
    awaits_person: bool = False
    """Whether the rotation waits for a person."""
    begun_at: datetime | None = None
    """When a person said last that they are signed in to OpenAir and ready to save the certificate (UTC); None where
    Keyturn saves it."""

    failure: Failure | None = None
    restoring_since: datetime | None = None
    """Since when the previous certificate is being put back (UTC): from then on it may have been sent to NetSuite."""
    closed_at: datetime | None = None
    """When the rotation ended for good (UTC): no open rotation is left behind then."""
    ending: Ending | None = None
    """How a Failed rotation was closed; None for any other."""

    circumstances: Circumstances = field(default=NO_CIRCUMSTANCES, compare=False)
    """Looked up with the rotation, and no part of it: two readings of one rotation are equal."""

    @property
    def position(self) -> State:
        """How far the rotation got: its state, or the state it failed from."""
        return self.failure.failed_from if self.failure else self.state

    @property
    def is_open(self) -> bool:
        """Whether it still holds its connection: under way or parked."""
        return self.closed_at is None

    def with_doubt(self, since: datetime, now: datetime) -> "Rotation":
        """The rotation with doubt raised ``now`` about a write that may have been sent from ``since`` on."""
        return replace(self, doubt=self.doubt.raised(since, now))

    def skew(self, now: datetime) -> timedelta | None:
        """How long OpenAir lagged behind NetSuite, up to ``now`` where it still does; None before the upload.

        It ends when OpenAir has the new certificate, or when both sides agree on another one.
        """
        if self.skew_from is None:
            return None
        saved = self.proofs.saved
        return (saved.at if saved else self.closed_at or now) - self.skew_from
