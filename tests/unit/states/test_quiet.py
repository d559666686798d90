"""Quiet times: which days they are, when they end, and what is refused as one."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states.errors import InvalidInput
from states.quiet import LONGEST, QuietTimes

QUIET = {
    "28..3": [(2027, 1, 28), (2027, 1, 31), (2027, 2, 1), (2027, 2, 3), (2027, 2, 28)],
    "-2..3": [(2027, 1, 30), (2027, 2, 27), (2028, 2, 28), (2027, 4, 29), (2027, 5, 3)],
    "-1..-1": [(2027, 2, 28), (2028, 2, 29), (2027, 12, 31)],
    "5..-20": [(2027, 2, 5), (2027, 2, 9), (2027, 1, 12)],
    "12-20..01-05": [(2026, 12, 20), (2027, 12, 31), (2027, 1, 1), (2028, 1, 5)],
    "03-01..03-01": [(2027, 3, 1)],
    "2026-12-20..2027-01-05": [(2026, 12, 20), (2027, 1, 5)],
    " 1 .. 2 , 10..11 ": [(2027, 6, 1), (2027, 6, 2), (2027, 6, 10), (2027, 6, 11)],
}
LOUD = {
    "28..3": [(2027, 1, 27), (2027, 2, 4)],
    "-2..3": [(2027, 1, 29), (2027, 2, 26), (2028, 2, 27), (2027, 5, 4)],
    "-1..-1": [(2028, 2, 28), (2027, 3, 1)],
    "5..-20": [(2027, 2, 4), (2027, 2, 10), (2027, 1, 13)],
    "12-20..01-05": [(2026, 12, 19), (2027, 1, 6), (2027, 6, 1)],
    "03-01..03-01": [(2027, 2, 28), (2027, 3, 2)],
    "2026-12-20..2027-01-05": [(2026, 12, 19), (2027, 1, 6), (2027, 12, 20)],
    " 1 .. 2 , 10..11 ": [(2027, 6, 3), (2027, 6, 9), (2027, 6, 12)],
    "": [(2027, 1, 1)],
}


@pytest.mark.parametrize(("text", "days"), QUIET.items())
def test_a_period_includes_both_of_its_ends(text: str, days: list[tuple[int, int, int]]) -> None:
    """The days from the first to the last are quiet, also over the end of a month or a year."""
    assert [True] * len(days) == [QuietTimes.parse(text).is_quiet(date(*day)) for day in days]


@pytest.mark.parametrize(("text", "days"), LOUD.items())
def test_other_days_are_not_quiet(text: str, days: list[tuple[int, int, int]]) -> None:
    """The days just before and after a period are not quiet."""
    assert [False] * len(days) == [QuietTimes.parse(text).is_quiet(date(*day)) for day in days]


@pytest.mark.parametrize(
    "text",
    [
        *("month end", "1", "1..", "..3", "1-2", "0..3", "32..3", "-32..3", "13-01..02-01", "01-00..02-01", "1..01-05"),
        *("2027-01-05..2026-12-20", "1999-01-01..1999-01-02", "1..2;3..4", "1..2..3", "1..2027-01-05", "--1..3"),
    ],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    """Each error names the text and the forms that there are."""
    with pytest.raises(InvalidInput, match=r"no period of days\. Give days such as -2\.\.3"):
        QuietTimes.parse(text)


@pytest.mark.parametrize(
    "text",
    ["1..31", "1..15, 16..-1", "01-01..12-31", "11-15..01-20", "2026-12-01..2027-02-15", "2030-12-15..2031-02-20"],
)
def test_a_quiet_time_of_months_is_refused(text: str) -> None:
    """More than 60 days in a row are refused: every rotation would wait for its certificate's last week."""
    with pytest.raises(InvalidInput, match="60 days in a row"):
        QuietTimes.parse(text)


def test_a_quiet_time_ends_at_midnight_of_its_time_zone() -> None:
    """It begins and ends at midnight there, which is another moment in UTC, in winter and in summer."""
    quiet = QuietTimes.parse("-2..3", ZoneInfo("Europe/Berlin"))
    begins, ends = datetime(2027, 3, 29, 22, tzinfo=UTC), datetime(2027, 4, 3, 22, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert [None, ends, ends, None] == [quiet.until(at) for at in (begins - second, begins, ends - second, ends)]
    assert datetime(2027, 2, 3, 23, tzinfo=UTC) == quiet.until(datetime(2027, 2, 1, tzinfo=UTC))


def test_periods_that_meet_end_together() -> None:
    """Where one period begins on the day after another, the quiet time goes on."""
    quiet = QuietTimes.parse("1..3, 4..6")
    assert datetime(2027, 5, 7, tzinfo=UTC) == quiet.until(datetime(2027, 5, 1, 12, tzinfo=UTC))


@given(
    text=st.sampled_from(list(QUIET)),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - naive bounds
)
def test_the_end_is_the_first_moment_that_is_not_quiet(text: str, now: datetime) -> None:
    """Whenever it is quiet, the end lies ahead, within the longest quiet time, and is not quiet itself."""
    quiet = QuietTimes.parse(text)
    until = quiet.until(now)
    assert quiet.is_quiet(now.date()) == (until is not None)
    if until:
        assert now < until <= now + timedelta(days=LONGEST)
        assert quiet.until(until) is None
