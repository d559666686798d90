"""An outage: since when imports are refused, because of which rotation, and why.

This is the only place that decides whether there is one. Lists, errors, health, status, log and JSON show its value.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from states.connection import Connection
from states.durations import in_words
from states.errors import CannotSign, CertificateRecordMissing, Drift, ForeignRotation
from states.rotation import Rotation
from states.summary import ConnectionSummary, RotationSummary
from states.table import ACTIVE, NEXT, OUTAGE

_APART: Final = frozenset(kind.code for kind in (Drift, ForeignRotation, CertificateRecordMissing, CannotSign))
"""What the last check of a rotation found, where it found that the two sides do not agree."""
_LAST: Final = ACTIVE[-1]
_UPLOADING: Final = next(edge.source for edge in NEXT.values() if edge.begins_skew)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Imports are refused, or may be."""

    connection: str
    rotation: str | None
    """The id of the open rotation that leaves the two sides apart; None where the certificate expired."""
    since: datetime
    """The earliest moment at which imports may have been refused (UTC)."""
    is_certain: bool
    """Whether the last answers show it. They do not while an answer is lost, or a person may have saved already."""
    reason: str
    """Why, as a sentence."""

    def sentence(self, now: datetime) -> str:
        """Return what comes first in every message: ``Imports are refused since 20:15 UTC (12 min)``.

        Without a full stop, because a reason may follow. Another day than that of ``now`` (UTC) is named.
        """
        day = "" if self.since.date() == now.date() else f"{self.since:%Y-%m-%d} "
        are = "are" if self.is_certain else "may be"
        return f"Imports {are} refused since {day}{self.since:%H:%M} UTC ({in_words(now - self.since)})"


def outage_of(rotation: Rotation | RotationSummary) -> Outage | None:
    """Return the outage that ``rotation`` leaves imports in, or None."""
    shown = RotationSummary.of(rotation) if isinstance(rotation, Rotation) else rotation
    if not shown.is_open:
        return None
    found = _found(shown)
    if found is None:
        return None
    since, is_certain, reason = found
    return Outage(connection=shown.connection, rotation=shown.id, since=since, is_certain=is_certain, reason=reason)


def outage_on(
    connection: Connection | ConnectionSummary, rotation: Rotation | RotationSummary | None, now: datetime
) -> Outage | None:
    """Return the outage of ``connection`` ``now`` (UTC), by its open ``rotation`` and current certificate, or None."""
    outage = outage_of(rotation) if rotation else None
    current = connection.current
    if outage or current is None or now <= current.not_after:
        return outage
    return Outage(
        connection=connection.name,
        rotation=None,
        since=current.not_after,
        is_certain=True,
        reason="The certificate expired.",
    )


def _found(shown: RotationSummary) -> tuple[datetime, bool, str] | None:
    """Since when, whether that is certain, and why; None without an outage."""
    failure, position = shown.failure, shown.position
    since = shown.skew_from or shown.doubt_since
    if shown.restoring_since:
        return since or shown.restoring_since, False, "Putting the previous certificate back was not finished."
    if position is OUTAGE and since:
        reason = "NetSuite has the new key, OpenAir not yet the new certificate."
        return since, not (shown.doubt_since or shown.by_hand), reason
    if position is _UPLOADING and since:
        return since, False, "An upload's answer was lost: NetSuite may have the new key."
    if failure and position is _LAST and failure.code in _APART:
        return failure.at, True, "The last check found that the two sides do not agree."
    return None
