"""What a watcher sees of a database: whether anything was committed."""

from dataclasses import replace

import pytest
from support.factories import NOW, a_connection, a_rotation, an_id, begin, carry, requested

from persistence.store import Store
from states.errors import Stale
from states.state import State


def test_a_commit_changes_the_number(store: Store) -> None:
    """The number changes when this process or another one commits, and not when anyone only reads."""
    changes = store.changes()
    first = changes.look()
    store.rotations.all_open()
    assert first == changes.look()
    store.connections.add(a_connection(name="beta"))
    second = changes.look()
    assert first != second == changes.look()
    changes.close()
    changes.close()
    assert changes.look() == changes.look()
    changes.close()


def test_a_request_follows_what_its_person_saw(store: Store) -> None:
    """Where the connection was rotated since its person looked, a request is refused and nothing is stored."""
    wanted = replace(requested(store, a_rotation()), follows="")
    first = carry(store, begin(store), State.COMPLETED).rotation
    with pytest.raises(Stale):
        store.rotations.request(replace(wanted, id=an_id(2)))
    assert [first.id] == [each.id for each in store.rotations.newest()]
    second = store.rotations.request(replace(wanted, id=an_id(2), follows=first.id))
    assert (an_id(2), NOW) == (second.id, second.created_at)
