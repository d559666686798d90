"""Silences: what people are not notified of for a while, at whose word, and why.

A silence holds messages back. What it silences stays visible, and what still lasts when it ends is reported then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from states.alert import SEVERITY, Alert, Kind, Severity
from states.errors import InvalidInput

LONGEST: Final = timedelta(days=90)
"""How long a silence lasts at most: one that is forgotten ends by itself."""
LONGEST_REASON: Final = 500
"""Characters."""
_OF_INSTALLATION: Final = frozenset({Kind.NO_WORKER, Kind.SILENT_WORKER, Kind.OTHER_VERSION})
"""Kinds that are about no connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A silence: of a connection, of a kind of alert, or of one kind for one connection."""

    id: str
    connection: str | None
    """None for all connections, and what is about none."""
    kind: Kind | None
    """None for all kinds but critical ones."""
    reason: str
    created_at: datetime
    """UTC."""
    created_by: str
    until: datetime
    """UTC."""
    ended_at: datetime | None = None
    """When a person ended it before its time (UTC)."""
    ended_by: str | None = None

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise InvalidInput(problem)

    def is_active(self, now: datetime) -> bool:
        """Whether it silences anything ``now`` (UTC)."""
        return self.ended_at is None and now < self.until

    def covers(self, kind: Kind, connection: str | None) -> bool:
        """Whether it silences an alert of this kind about this connection.

        A critical alert is silenced by its own connection and kind alone: a wide silence must not hide the worst.
        """
        if SEVERITY[kind] is Severity.CRITICAL:
            return (self.kind, self.connection) == (kind, connection)
        return self.kind in (None, kind) and self.connection in (None, connection)

    def covers_alert(self, alert: Alert) -> bool:
        """Whether it silences ``alert``."""
        return self.covers(alert.finding.kind, alert.finding.connection)


def covering(silences: Iterable[Silence], kind: Kind, connection: str | None) -> Silence | None:
    """Return the one of ``silences`` that silences such an alert, or None; of several the one that lasts longest."""
    found = [each for each in silences if each.covers(kind, connection)]
    return max(found, key=lambda each: (each.until, each.id), default=None)


def _problem(silence: Silence) -> str | None:
    """What is wrong with ``silence``, or None."""
    if not timedelta() < silence.until - silence.created_at <= LONGEST:
        return f"A silence ends in the future, and after {LONGEST.days} days at most."
    if not silence.reason.strip() or len(silence.reason) > LONGEST_REASON:
        return f"A silence has a reason of 1 to {LONGEST_REASON} characters."
    return _scope_problem(silence.kind, silence.connection)


def _scope_problem(kind: Kind | None, connection: str | None) -> str | None:
    if connection is None and kind is None:
        return "A silence names a connection, a kind of alert, or both."
    if kind is Kind.TEST:
        return "A test is always sent."
    if kind in _OF_INSTALLATION and connection is not None:
        return f"{kind} is about no connection. Name none."
    if kind is not None and SEVERITY[kind] is Severity.CRITICAL and connection is None:
        return f"{kind} is silenced for one connection at a time. Name it."
    return None
