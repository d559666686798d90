"""Lists across rotations: filtered, sorted and counted; and the journal of all of them."""

from datetime import timedelta
from itertools import islice

import pytest
from integration.fixture_types import Rotate
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.lists import Sort
from persistence.journal import REQUEST
from simulator import Fault, Simulator
from states.errors import NotFound
from states.state import State


def test_what_a_list_holds(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """A list holds what is open, parked, in a state, or requested since then; where it is cut, it counts the rest."""
    done = rotate()
    simulator.faults.add(Fault("netsuite.restlet", "302", times=None))
    parked = rotate()
    lists = app.lists
    assert [parked.id, done.id] == [each.id for each in lists.rotations().items]
    assert [done.id, parked.id] == [each.id for each in lists.rotations(sort=Sort.OLDEST).items]
    assert [parked.id] == [each.id for each in lists.rotations(is_open=True).items]
    assert [parked.id] == [each.id for each in lists.rotations(is_parked=True, connection=NAME).items]
    assert [done.id] == [each.id for each in lists.rotations(states=[State.COMPLETED], sort=Sort.SKEW).items]
    assert [] == list(lists.rotations(since=app.clock.now() + timedelta(hours=1)).items)
    for sort in Sort:
        cut = lists.rotations(limit=1, sort=sort)
        assert (1, 2) == (len(list(cut.items)), cut.count())
    assert 2 == lists.rotations(limit=2).count()
    assert 2 == len(list(lists.rotations(limit=10**20).items))
    with pytest.raises(NotFound):
        lists.rotations(connection="unknown")


def test_the_journal_of_all_rotations(app: Keyturn, rotate: Rotate) -> None:
    """The journal has every entry since then in order, with its connection; followed, it yields each entry once."""
    before = app.clock.now()
    done = rotate()
    entries = app.lists.journal(since=before)
    expected = [(NAME, entry) for entry in app.rotations.journal(done.id)]
    assert expected == entries == app.lists.journal(since=before, connection=NAME, rotation=NAME)
    assert expected == list(islice(app.feed.follow(since=before), len(expected)))
    assert [] == app.lists.journal(since=app.clock.now() + timedelta(seconds=1))
    assert REQUEST == entries[0][1].event
