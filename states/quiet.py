"""Quiet times: days on which no automatic rotation begins, such as those of a month's close."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from states.errors import InvalidInput

LONGEST: Final = 60
"""The most days in a row that can be quiet. More would hold every rotation back until its certificate's last week."""
_DAY: Final = timedelta(days=1)
_TRIED: Final = 800
"""Days on which a quiet time is tried for its length: a year, and what may begin at its end."""
_ENDS: Final = (
    re.compile(r"(-?\d{1,2})"),
    re.compile(r"(\d{2})-(\d{2})"),
    re.compile(r"(2\d{3})-(\d{2})-(\d{2})"),
)
"""A day of each month, of each year, and of one year."""
_MONTHS: Final = range(1, 13)
_DAYS: Final = range(1, 32)
_FORM: Final = "Give days such as -2..3, 12-20..01-05 or 2026-12-20..2027-01-05."


@dataclass(frozen=True, slots=True)
class _Period:
    """From one day to another, both included. Each is day, month and day, or year, month and day."""

    first: tuple[int, ...]
    last: tuple[int, ...]

    def contains(self, day: date) -> bool:
        shown = (day.year, day.month, day.day)[-len(self.first) :]
        first, last = _in_month(self.first, day), _in_month(self.last, day)
        return first <= shown <= last if first <= last else shown >= first or shown <= last


@dataclass(frozen=True, slots=True)
class QuietTimes:
    """Periods of whole days in one time zone; none by default."""

    periods: tuple[_Period, ...] = ()
    zone: tzinfo = UTC

    @classmethod
    def parse(cls, text: str, zone: tzinfo = UTC) -> "QuietTimes":
        """Read periods that commas separate.

        ``-2..3`` is from each month's last day but one to the third of the next, ``12-20..01-05`` of each year,
        ``2026-12-20..2027-01-05`` once. Raises InvalidInput for anything else, and for more than LONGEST days in a row.
        """
        quiet = cls(tuple(_period(part.strip()) for part in text.split(",") if part.strip()), zone)
        years = {2027, *(period.first[0] for period in quiet.periods if len(period.first) == len(_ENDS))}
        for begin in (date(year, 1, 1) for year in years):
            days = 0
            for number in range(_TRIED):
                days = days + 1 if quiet.is_quiet(begin + number * _DAY) else 0
                if days > LONGEST:
                    raise InvalidInput(f"More than {LONGEST} days in a row would be quiet.")
        return quiet

    def is_quiet(self, day: date) -> bool:
        """Whether no automatic rotation begins on this day."""
        return any(period.contains(day) for period in self.periods)

    def until(self, now: datetime) -> datetime | None:
        """Return the end (UTC) of the quiet time in which ``now`` (UTC) is; None outside one."""
        day = now.astimezone(self.zone).date()
        if not self.is_quiet(day):
            return None
        while self.is_quiet(day):
            day += _DAY
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)


def _period(text: str) -> _Period:
    first, separator, last = (part.strip() for part in text.partition(".."))
    for form in _ENDS:
        ends = [form.fullmatch(first), form.fullmatch(last)]
        if separator and all(ends):
            begins, ends_with = (tuple(int(part) for part in end.groups()) for end in ends if end)
            if _is_day(begins) and _is_day(ends_with) and not (len(begins) == len(_ENDS) and begins > ends_with):
                return _Period(begins, ends_with)
    raise InvalidInput(f"{text!r} is no period of days. {_FORM}")


def _is_day(end: tuple[int, ...]) -> bool:
    *_, day = end
    if len(end) == 1:
        return abs(day) in _DAYS
    return day in _DAYS and end[-2] in _MONTHS


def _in_month(end: tuple[int, ...], of: date) -> tuple[int, ...]:
    """Return ``end`` with a day that is counted from the month's end as that day of the month of ``of``."""
    *before, day = end
    return end if day > 0 else (*before, monthrange(of.year, of.month)[1] + 1 + day)
