"""The text form of times and durations."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from orchestrator.views import formatting
from orchestrator.views.values import iso
from states.errors import InvalidInput

MOMENT = datetime(2026, 11, 23, 13, 0, 0, 5_000, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14d", timedelta(days=14)),
        ("36h", timedelta(hours=36)),
        ("90m", timedelta(minutes=90)),
        ("30s", timedelta(seconds=30)),
        (" 2w ", timedelta(weeks=2)),
    ],
)
def test_spans_are_read(text: str, expected: timedelta) -> None:
    """A duration is a number and a unit."""
    assert expected == formatting.to_span(text)


@pytest.mark.parametrize("text", ["", "14", "d", "-1d", "1.5d", "14 days", "9" * 30 + "d"])
def test_other_texts_are_no_span(text: str) -> None:
    """Any other text is refused."""
    with pytest.raises(InvalidInput):
        formatting.to_span(text)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(seconds=0.314), "0.31 s"),
        (timedelta(seconds=-1), "0.00 s"),
        (timedelta(seconds=12.4), "12 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 d"),
        (None, formatting.NOTHING),
    ],
)
def test_spans_are_shown_in_one_unit(length: timedelta | None, expected: str) -> None:
    """A duration is shown in the unit that fits its size; a negative one is shown as zero."""
    assert expected == formatting.span(length)


def test_moments_are_utc() -> None:
    """A moment in any time zone is shown in UTC."""
    assert (
        "2026-11-23 12:00:00 UTC",
        "2026-11-23 12:00:00.005",
        "12:00:00.005",
        "2026-11-23",
        "2026-11-23T12:00:00.005Z",
    ) == (
        formatting.moment(MOMENT),
        formatting.instant(MOMENT),
        formatting.clock(MOMENT),
        formatting.day(MOMENT),
        iso(MOMENT),
    )
    assert "12:00:00.000" == formatting.clock(datetime(2026, 1, 1, 12, tzinfo=UTC))
