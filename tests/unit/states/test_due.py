"""A certificate's due date: drawn once between 14 and 7 days before expiry, and compared to the microsecond."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pairs import NOW, a_pair

from states.due import Need, draw_due_at, need, postponed_until, retry_at
from states.timing import ROTATE_EARLIEST, ROTATE_LATEST

CERTIFICATE = a_pair(not_after=NOW + timedelta(days=100)).certificate
EXPIRY = CERTIFICATE.not_after
TICK = timedelta(microseconds=1)
DUE_AT = EXPIRY - timedelta(days=10)


def test_the_window_is_one_to_two_weeks() -> None:
    """The window is from 14 to 7 days before expiry, as in the vendor's own rotation."""
    assert (timedelta(days=14), timedelta(days=7)) == (ROTATE_EARLIEST, ROTATE_LATEST)


@given(fraction=st.floats(min_value=0, max_value=1, exclude_max=True))
def test_the_moment_lies_in_the_window(fraction: float) -> None:
    """Every drawn due date is at most 14 and at least 7 days before expiry."""
    assert EXPIRY - ROTATE_EARLIEST <= draw_due_at(CERTIFICATE, fraction) <= EXPIRY - ROTATE_LATEST


@pytest.mark.parametrize(("fraction", "days"), [(0.0, 14.0), (0.25, 12.25), (0.5, 10.5), (0.75, 8.75)])
def test_the_moment_is_spread_evenly(fraction: float, days: float) -> None:
    """Equal steps of the random fraction give equal steps of the due date."""
    assert EXPIRY - timedelta(days=days) == draw_due_at(CERTIFICATE, fraction)


def test_a_certificate_of_the_first_days_of_all_has_a_due_date() -> None:
    """OpenAir may hold a certificate that expired in the year 1: no window before it fits a clock."""
    first = replace(CERTIFICATE, not_after=datetime(1, 1, 2, tzinfo=UTC))
    assert first.not_after == draw_due_at(first, 0.5)


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_a_greater_fraction_is_a_later_moment(one: float, other: float) -> None:
    """A greater random fraction gives no earlier due date."""
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
    """A certificate is due from its due date, overdue in its last seven days, and expired after its last moment."""
    assert expected is need(CERTIFICATE, DUE_AT, now)


@pytest.mark.parametrize(
    ("now", "expected"), [(EXPIRY - ROTATE_EARLIEST - TICK, Need.NOT_DUE), (EXPIRY - ROTATE_EARLIEST, Need.DUE)]
)
def test_where_nothing_was_drawn_the_windows_beginning_counts(now: datetime, expected: Need) -> None:
    """Without a drawn due date, the certificate is due from the beginning of the window."""
    assert expected is need(CERTIFICATE, None, now)


@pytest.mark.parametrize("due_at", [None, DUE_AT])
def test_without_a_certificate_the_set_up_is_due(due_at: datetime | None) -> None:
    """Without a certificate the set-up is due at once."""
    assert Need.MISSING is need(None, due_at, NOW)


@given(fraction=st.floats(0, 1, exclude_max=True), days=st.floats(-30, 200))
def test_a_drawn_moment_never_hides_expiry(fraction: float, days: float) -> None:
    """The need never decreases with time, and in its last seven days a certificate is overdue."""
    due_at = draw_due_at(CERTIFICATE, fraction)
    order = [Need.NOT_DUE, Need.DUE, Need.OVERDUE, Need.EXPIRED]
    now = EXPIRY - timedelta(days=days)
    before, after = (order.index(need(CERTIFICATE, due_at, at)) for at in (now, now + timedelta(days=1)))
    assert before <= after
    assert (days < 7) <= (before >= order.index(Need.OVERDUE))


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(days=10), timedelta(days=1)),
        (timedelta(days=7, hours=1), timedelta(hours=1)),
        (timedelta(days=7), timedelta(days=1)),
        (timedelta(days=3), timedelta(days=1)),
        (timedelta(hours=2), timedelta(hours=2)),
    ],
    ids=["in the window", "at its end", "past it", "overdue", "about to expire"],
)
def test_the_next_try_after_a_restore(left: timedelta, expected: timedelta) -> None:
    """A day later; not past the end of the window, and then not past the expiry."""
    certificate = a_pair(not_before=NOW - timedelta(days=300), not_after=NOW + left).certificate
    assert NOW + expected == retry_at(certificate, NOW)


def test_a_due_rotation_waits_for_the_end_of_a_quiet_time() -> None:
    """In a quiet time that ends before the certificate's last week, the rotation begins at its end."""
    now, ends = EXPIRY - timedelta(days=10), EXPIRY - timedelta(days=9)
    assert ends == postponed_until(CERTIFICATE, ends, now)


def test_expiry_goes_before_quiet() -> None:
    """A rotation waits until 7 days before expiry at most, and then begins, however long it is quiet."""
    latest, ends = EXPIRY - ROTATE_LATEST, EXPIRY
    assert [latest, latest, None, None] == [
        postponed_until(CERTIFICATE, ends, now)
        for now in (EXPIRY - timedelta(days=10), latest - TICK, latest, EXPIRY + TICK)
    ]


def test_the_initial_set_up_does_not_wait() -> None:
    """Without a certificate there are no imports that a rotation could interrupt."""
    assert postponed_until(None, NOW + timedelta(days=3), NOW) is None


def test_outside_a_quiet_time_a_rotation_begins_now() -> None:
    """Nothing postpones a rotation that is due when it is not quiet."""
    assert postponed_until(CERTIFICATE, None, DUE_AT) is None
