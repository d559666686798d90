"""How times, spans and commands read: the same for every face."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from states.connection import Connection
from states.durations import in_words
from states.errors import InvalidInput

_SPAN: Final = re.compile(r"(\d+)\s*([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

NOTHING: Final = "–"  # noqa: RUF001 - an en dash, for an empty cell


def to_span(text: str) -> timedelta:
    """``14d``, ``36h``, ``90m``, ``30s`` or ``2w`` as a span. Raises InvalidInput."""
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise InvalidInput(f"{text!r} is not a span of time such as 14d, 36h or 90m.")
    try:
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise InvalidInput(f"{text!r} is longer than any certificate's life.") from None


def to_moment(text: str, now: datetime) -> datetime:
    """A moment (UTC): so long before ``now``, as ``2d``, or a day or time in ISO 8601. Raises InvalidInput."""
    if _SPAN.fullmatch(text.strip()):
        try:
            return now - to_span(text)
        except OverflowError:
            raise InvalidInput(f"{text!r} is longer ago than any rotation.") from None
    return _to_time(text)


def to_end(text: str, now: datetime) -> datetime:
    """A moment (UTC): so long after ``now``, as ``2d``, or a day or time in ISO 8601. Raises InvalidInput."""
    if _SPAN.fullmatch(text.strip()):
        try:
            return now + to_span(text)
        except OverflowError:
            raise InvalidInput(f"{text!r} is too long.") from None
    return _to_time(text)


def _to_time(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text.strip())
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{text!r} is neither a span of time such as 2d nor a time such as 2026-11-23T20:15."
        ) from None


def span(length: timedelta | None) -> str:
    """A span in the one unit that tells most: ``0.31 s``, ``12 s``, ``3 min``, ``5 h``, ``12 d``."""
    return NOTHING if length is None else in_words(length)


def moment(at: datetime | None) -> str:
    """``2026-11-23 20:15:03 UTC``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else NOTHING


def instant(at: datetime) -> str:
    """``2026-11-23 20:15:03.123``, in UTC, where what comes next is a fraction of a second later."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", timespec="milliseconds")


def clock(at: datetime) -> str:
    """``20:15:03.123`` (UTC), where the date goes without saying."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[11:23]


def day(at: datetime | None) -> str:
    """``2026-11-23`` (UTC)."""
    return f"{at.astimezone(UTC):%Y-%m-%d}" if at else NOTHING


def upcoming(connection: Connection, now: datetime) -> str:
    """When the connection's next rotation begins; a moment that is over is due ``now`` (UTC)."""
    if not connection.is_automatic:
        return "by hand only"
    return "due now" if connection.due_at and connection.due_at <= now else moment(connection.due_at)


def count(number: int, thing: str) -> str:
    """``1 rotation``, ``2 rotations``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
