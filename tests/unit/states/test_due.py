"""When a certificate is due: drawn once between 14 and 7 days before expiry, and judged to the microsecond."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pairs import NOW, a_pair

from states.due import Need, draw_due_at, need
from states.timing import ROTATE_EARLIEST, ROTATE_LATEST

CERTIFICATE = a_pair(not_after=NOW + timedelta(days=100)).certificate
EXPIRY = CERTIFICATE.not_after
TICK = timedelta(microseconds=1)
DUE_AT = EXPIRY - timedelta(days=10)


def test_the_window_is_one_to_two_weeks() -> None:
    """As the vendor's own rotation does it."""
    assert (timedelta(days=14), timedelta(days=7)) == (ROTATE_EARLIEST, ROTATE_LATEST)


@given(fraction=st.floats(min_value=0, max_value=1, exclude_max=True))
def test_the_moment_lies_in_the_window(fraction: float) -> None:
    """Whatever is drawn: never more than 14 days before expiry, never less than 7."""
    assert EXPIRY - ROTATE_EARLIEST <= draw_due_at(CERTIFICATE, fraction) <= EXPIRY - ROTATE_LATEST


@pytest.mark.parametrize(("fraction", "days"), [(0.0, 14.0), (0.25, 12.25), (0.5, 10.5), (0.75, 8.75)])
def test_the_moment_is_spread_evenly(fraction: float, days: float) -> None:
    """Many connections do not all rotate at once."""
    assert EXPIRY - timedelta(days=days) == draw_due_at(CERTIFICATE, fraction)


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_a_greater_fraction_is_a_later_moment(one: float, other: float) -> None:
    """The draw keeps the order of the fractions."""
    earlier, later = sorted([one, other])
    assert draw_due_at(CERTIFICATE, earlier) <= draw_due_at(CERTIFICATE, later)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW, Need.NOT_DUE),
        (DUE_AT - TICK, Need.NOT_DUE),
        (DUE_AT, Need.DUE),
        (EXPIRY - ROTATE_LATEST, Need.DUE),
        (EXPIRY - ROTATE_LATEST + TICK, Need.OVERDUE),
        (EXPIRY, Need.OVERDUE),
        (EXPIRY + TICK, Need.EXPIRED),
    ],
)
def test_each_need_begins_at_its_microsecond(now: datetime, expected: Need) -> None:
    """Due from the drawn moment on, overdue with less than seven days left, expired after the last valid moment."""
    assert expected is need(CERTIFICATE, DUE_AT, now)


@pytest.mark.parametrize(
    ("now", "expected"), [(EXPIRY - ROTATE_EARLIEST - TICK, Need.NOT_DUE), (EXPIRY - ROTATE_EARLIEST, Need.DUE)]
)
def test_where_nothing_was_drawn_the_windows_beginning_counts(now: datetime, expected: Need) -> None:
    """A connection that is rotated by hand is still told when it is time."""
    assert expected is need(CERTIFICATE, None, now)


@pytest.mark.parametrize("due_at", [None, DUE_AT])
def test_without_a_certificate_the_set_up_is_due(due_at: datetime | None) -> None:
    """There is nothing that could expire: the initial set-up is due now."""
    assert Need.MISSING is need(None, due_at, NOW)


@given(fraction=st.floats(0, 1, exclude_max=True), days=st.floats(-30, 200))
def test_a_drawn_moment_never_hides_expiry(fraction: float, days: float) -> None:
    """Time only makes the need greater, and a certificate that the window is over for is never called not due."""
    due_at = draw_due_at(CERTIFICATE, fraction)
    order = [Need.NOT_DUE, Need.DUE, Need.OVERDUE, Need.EXPIRED]
    now = EXPIRY - timedelta(days=days)
    before, after = (order.index(need(CERTIFICATE, due_at, at)) for at in (now, now + timedelta(days=1)))
    assert before <= after
    assert (days < 7) <= (before >= order.index(Need.OVERDUE))
