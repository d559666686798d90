"""A forecast is counted by week, from Monday to Monday."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.factories import NOW
from unit.forecast.fleet import DAY, HOUR, connection, term

from orchestrator.forecast.connection_course import Term, play
from orchestrator.forecast.weeks import Week, Weeks
from states.connection import Connection

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def counted(over: Term, *connections: Connection) -> list[Week]:
    """The weeks in which something happens."""
    weeks = Weeks(over)
    for each in connections:
        for played in play(each, None, over):
            weeks.add(played)
    return [week for week in weeks.counted() if week.is_eventful]


@pytest.mark.parametrize(("days", "number"), [(1, 1), (6, 1), (7, 2), (365, 53), (3650, 522)])
def test_a_term_has_every_week_that_it_meets(days: int, number: int) -> None:
    """The first one begins on the Monday before."""
    weeks = Weeks(term(days)).counted()
    assert [MONDAY + place * WEEK for place in range(number)] == [week.begins for week in weeks]
    sunday = NOW + 6 * DAY
    (last,) = Weeks(replace(term(), begins=sunday, ends=MONDAY + WEEK)).counted()
    assert MONDAY == last.begins


def test_rotations_are_counted_where_they_begin_and_end() -> None:
    """One that begins half a minute before Monday is completed in the next week, with its margin."""
    due_in = MONDAY + WEEK - NOW - timedelta(seconds=30)
    begins, ends = counted(term(30), connection(20 * DAY, due_in))
    assert (1, 0, 1, None) == (begins.begun, begins.completed, begins.most_at_once, begins.margin)
    assert (0, 1, 1) == (ends.begun, ends.completed, ends.most_at_once)
    assert ends.margin
    assert 13 * DAY < ends.margin < 14 * DAY


def test_the_most_at_once() -> None:
    """Rotations that overlap by a moment count together; one that ends when another begins does not."""
    seconds = [0, 30, 60, 90, 200]
    fleet = [connection(20 * DAY, timedelta(seconds=at), name=f"c{at}") for at in seconds]
    (week,) = counted(term(6), *fleet)
    assert (5, 5, 2) == (week.begun, week.completed, week.most_at_once)


def test_the_least_margin() -> None:
    """Of the certificates that are replaced in a week, the one nearest to its expiry counts."""
    (week,) = counted(term(6), *(connection(days * DAY, HOUR, name=f"c{days}") for days in (20, 9, 30)))
    assert week.margin
    assert 8 * DAY < week.margin < 9 * DAY


def test_what_goes_wrong() -> None:
    """Postponed rotations, those that are left, and expiries have columns of their own."""
    over = term(60, down=(NOW, 3 * DAY))
    first, *_, last = counted(over, connection(20 * DAY, timedelta()), connection(-DAY, name="late", bundles={}))
    assert (1, 1, 1, 1) == (first.begun, first.postponed, first.left, first.expired)
    assert (0, 1) == (last.begun, last.expired)


def test_what_comes_after_the_term_is_not_counted() -> None:
    """A rotation that is under way at the end is begun, and not completed."""
    (week,) = counted(term(1), connection(20 * DAY, DAY - timedelta(seconds=10)))
    assert (1, 0, 1) == (week.begun, week.completed, week.most_at_once)
