"""Alerts: what is reported to people, when again, and when it is over.

An alert lasts while something needs a person. It is reported when it begins, when it becomes another kind of trouble,
now and then while it lasts, and when it is over. What only happens, and needs no one, is reported once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Final

from states.concern import Concern, concern_of
from states.next_action import NextAction, by_hand
from states.outage import outage_of
from states.rotation import Ending, Rotation
from states.timing import OUTAGE_REPORTED_AFTER, ROTATE_LATEST


class Severity(IntEnum):
    """How soon a person should look. The names are stable codes."""

    WARNING = 1
    """Within days."""
    ERROR = 2
    """Today."""
    CRITICAL = 3
    """Now: imports are refused, or may be."""


class Kind(StrEnum):
    """What an alert is about; each harm is one. The names are stable codes."""

    OUTAGE = "OUTAGE"
    TAMPERED = "TAMPERED"
    PARKED = "PARKED"
    AWAITING_PERSON = "AWAITING_PERSON"
    OVERDUE = "OVERDUE"
    EXPIRING = "EXPIRING"
    """The certificate in use ends, and nothing renews it in time: reported once for each step of days."""
    CREDENTIAL_EXPIRING = "CREDENTIAL_EXPIRING"
    """One of Keyturn's own credentials ends, or has ended: reported once for each step of days."""
    NO_WORKER = "NO_WORKER"
    LEFT_ALONE = "LEFT_ALONE"
    DUE = "DUE"
    SILENT_WORKER = "SILENT_WORKER"
    OTHER_VERSION = "OTHER_VERSION"
    RESTORED = "RESTORED"
    """OpenAir refused a certificate, and Keyturn put the previous one back by itself."""
    TEST = "TEST"
    """A person tries whether alerts arrive."""


class Phase(StrEnum):
    """What a message says about its alert. The names are stable codes."""

    BEGAN = "began"
    CHANGED = "changed"
    """It is of another kind now, has another cause, or reached the next step of days."""
    LASTS = "lasts"
    """A reminder."""
    ENDED = "ended"
    """The all-clear."""
    HAPPENED = "happened"
    """Reported once: nothing lasts."""


SEVERITY: Final[Mapping[Kind, Severity]] = {
    Kind.OUTAGE: Severity.CRITICAL,
    Kind.TAMPERED: Severity.CRITICAL,
    Kind.PARKED: Severity.ERROR,
    Kind.AWAITING_PERSON: Severity.WARNING,
    Kind.OVERDUE: Severity.ERROR,
    Kind.EXPIRING: Severity.WARNING,
    Kind.CREDENTIAL_EXPIRING: Severity.WARNING,
    Kind.NO_WORKER: Severity.ERROR,
    Kind.LEFT_ALONE: Severity.ERROR,
    Kind.DUE: Severity.WARNING,
    Kind.SILENT_WORKER: Severity.WARNING,
    Kind.OTHER_VERSION: Severity.WARNING,
    Kind.RESTORED: Severity.ERROR,
    Kind.TEST: Severity.CRITICAL,
}
_BY_STEPS: Final = frozenset({Kind.EXPIRING, Kind.CREDENTIAL_EXPIRING})
REMIND_EVERY: Final[Mapping[Severity, timedelta]] = {
    Severity.CRITICAL: timedelta(hours=1),
    Severity.ERROR: timedelta(days=1),
    Severity.WARNING: timedelta(days=1),
}
"""How often an alert is reported again while it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What an alert says."""

    kind: Kind
    connection: str | None
    """None where it is about the whole installation."""
    rotation: str | None
    code: str | None
    """The error that parked the rotation, or None."""
    message: str
    """Sentences for a person; nothing secret."""
    since: datetime
    """UTC."""
    next_action: NextAction
    days: int | None = None
    """The last step of days before expiry that is reached, 0 where a credential has ended; None where nothing ends."""

    @property
    def severity(self) -> Severity:
        """How soon a person should look."""
        if self.kind in _BY_STEPS and self.days is not None and self.days <= ROTATE_LATEST.days:
            return Severity.ERROR
        return SEVERITY[self.kind]

    def to_data(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        return {
            "kind": self.kind.value,
            "connection": self.connection,
            "rotation": self.rotation,
            "code": self.code,
            "message": self.message,
            "since": self.since.isoformat(),
            "next_action": self.next_action.to_data(),
            "days": self.days,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Finding":
        """Read what ``to_data`` returned. Raises ValueError, KeyError or TypeError for anything else."""
        return cls(
            **{
                **data,
                "kind": Kind(data["kind"]),
                "since": datetime.fromisoformat(data["since"]),
                "next_action": NextAction.from_data(data["next_action"]),
            }
        )

    def differs(self, other: "Finding") -> bool:
        """Whether it is to be reported again because it is not as the ``other`` that was reported before."""
        return (self.kind, self.code, self.days) != (other.kind, other.code, other.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert that lasts."""

    id: str
    subject: str
    """What it is about: of each subject, one alert lasts at a time."""
    finding: Finding
    began_at: datetime
    """UTC."""
    reported: int
    """How many messages there were about it."""
    reported_at: datetime
    """When the last of them was written (UTC)."""
    was_silenced: bool = False
    """Whether a silence kept the last of them from being sent."""

    def phase(self, found: Finding | None, now: datetime, *, is_silenced: bool = False) -> Phase | None:
        """What is to be reported ``now`` (UTC), when ``found`` is so; None where nothing is.

        ``is_silenced`` says that a silence covers ``found``. When it is over, what lasts is reported at once.
        """
        if found is None:
            return Phase.ENDED
        if found.differs(self.finding):
            return Phase.CHANGED
        if is_silenced:
            return None
        if self.was_silenced:
            return Phase.LASTS
        if found.kind in _BY_STEPS and found.days:
            return None  # the next step of days reminds; of what has ended there is none
        return Phase.LASTS if now - self.reported_at >= REMIND_EVERY[found.severity] else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One telling of an alert."""

    alert: str
    """The alert's id."""
    seq: int
    """Counts the messages about it, from 1."""
    phase: Phase
    finding: Finding
    at: datetime
    """When it was written (UTC)."""

    @property
    def id(self) -> str:
        """What receivers tell a repetition by."""
        return f"{self.alert}.{self.seq}"

    @property
    def severity(self) -> Severity:
        """How soon a person should look."""
        return self.finding.severity


def of_concern(concern: Concern, code: str | None = None) -> Finding:
    """What an alert says about what needs a person; ``code`` is of the error that parked the rotation."""
    return Finding(
        kind=Kind[concern.harm.name],
        connection=concern.connection,
        rotation=concern.rotation,
        code=code,
        message=concern.message,
        since=concern.since,
        next_action=concern.next_action,
    )


def of_rotation(rotation: Rotation, now: datetime) -> Finding | None:
    """What is to be reported of ``rotation`` while it is as it is ``now`` (UTC), or None.

    Each rotation is an outage for a moment. One is reported where it lasts, or where Keyturn cannot end it.
    """
    outage, needs_person = outage_of(rotation), rotation.failure and rotation.awaits_person
    if outage and not needs_person and now - outage.since < OUTAGE_REPORTED_AFTER:
        return None
    concern = concern_of(rotation, now)
    if concern is None:
        return None
    return of_concern(concern, rotation.failure.code if rotation.failure else None)


def restored_itself(before: Rotation, after: Rotation, now: datetime) -> Finding | None:
    """What is reported once where Keyturn itself has restored the previous certificate, which closed the rotation."""
    failure = before.failure
    if failure is None or before.awaits_person or after.ending is not Ending.RESTORED:
        return None
    return Finding(
        kind=Kind.RESTORED,
        connection=after.connection,
        rotation=after.id,
        code=failure.code,
        message=f"Keyturn put the previous certificate back by itself, and imports are accepted again. "
        f"Rotation {after.id} had failed: {failure.message}",
        since=now,
        next_action=failure.next_action.outside_rotation(),
    )


def ended(finding: Finding, now: datetime) -> Finding:
    """What the all-clear says about ``finding``, which is over ``now`` (UTC)."""
    return replace(
        finding,
        message=f"This is over since {now:%Y-%m-%d %H:%M} UTC: {finding.message}",
        next_action=by_hand("Nothing is left to do.", None),
    )
