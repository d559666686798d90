"""Counters next to the place up to which they count: of several processes, each entry is counted by one."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from support.factories import NOW, begin

from persistence.journal_feed import Place
from persistence.monitoring import Counted
from persistence.store import Store
from states.errors import InvalidInput
from states.state import State


def test_nothing_is_counted_at_first(store: Store) -> None:
    """Before the first count the place is the journal's beginning, and no pass is known."""
    assert (Counted(Place(0), {}), None) == (store.monitoring.counted(), store.monitoring.last_pass())


def test_one_process_counts_a_stretch(store: Store) -> None:
    """Of two processes that counted on from one place, the second stores nothing."""
    begin(store, State.COMPLETED)
    before = store.monitoring.counted()
    places = [each.place for each in store.journal.after(before.place, 9)]
    mine, other = Counted(places[1], {"a": 2.0}), Counted(places[2], {"a": 3.0})
    assert store.monitoring.count(before, mine)
    assert not store.monitoring.count(before, other)
    assert mine == store.monitoring.counted()
    assert store.monitoring.count(mine, other)
    assert other == store.monitoring.counted()


def test_a_pass_leaves_the_counts_as_they_are(store: Store) -> None:
    """The last pass over the schedule is known to the microsecond; the counts stay, and the other way round."""
    counted = Counted(Place(7), {"a": 2.5})
    at = NOW + timedelta(microseconds=1)
    store.monitoring.note_pass(at)
    assert store.monitoring.count(store.monitoring.counted(), counted)
    assert (counted, at) == (store.monitoring.counted(), store.monitoring.last_pass())
    store.monitoring.note_pass(at + timedelta(minutes=1))
    assert (counted, at + timedelta(minutes=1)) == (store.monitoring.counted(), store.monitoring.last_pass())


def test_a_lost_row_is_made_again(store: Store) -> None:
    """Where the row was removed, counting begins again."""
    assert store.monitoring.count(store.monitoring.counted(), Counted(Place(7), {"a": 2.0}))
    with store._database.writing() as tx:
        tx.execute(text("DELETE FROM monitoring"))
    again = store.monitoring.counted()
    assert Counted(Place(0), {}) == again
    assert store.monitoring.count(again, Counted(Place(1), {"a": 1.0}))
    assert Counted(Place(1), {"a": 1.0}) == store.monitoring.counted()


def test_a_place_that_is_none_is_refused(store: Store) -> None:
    """A row that was changed outside Keyturn to what is no place is an error, not a count."""
    store.monitoring.note_pass(NOW)
    with store._database.writing() as tx:
        tx.execute(text("UPDATE monitoring SET place = 'elsewhere'"))
    with pytest.raises(InvalidInput, match="no place"):
        store.monitoring.counted()
