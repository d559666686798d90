# ruff: noqa: S608 - what is put into the SQL is the test's own
"""Why the columns do not matter that the check of the journal does not see."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from support.factories import NOW, a_connection, an_id, begin, carry

from persistence.store import Store
from states.errors import NotFound, Stale
from states.state import State


def tamper(store: Store, statement: str) -> None:
    """Change the database behind the store's back."""
    with store._database.writing() as tx:
        tx.execute(text(statement))


@pytest.mark.parametrize(
    "change",
    [
        "version = version + 1",
        "fence = fence + 1",
        "worker = 'another'",
        "lease_until = '2000-01-01 00:00:00.000000'",
        "available_at = '2000-01-01 00:00:00.000000'",
    ],
)
def test_who_works_when_does_not_decide_what(store: Store, change: str) -> None:
    """After any change of the schedule, of two workers one at most writes, and the rotation that is carried on is as
    Keyturn stored it.
    """
    claim = begin(store, State.UPLOADED_TO_NETSUITE)
    tamper(store, f"UPDATE rotations SET {change}")
    tamper(store, "UPDATE rotations SET lease_until = '2000-01-01 00:00:00.000000'")
    other = store.claims.claim("w2", lease=60, now=NOW)
    assert other
    assert not other.rotation.circumstances.broken
    assert (claim.rotation.proofs, claim.rotation.state) == (other.rotation.proofs, other.rotation.state)
    with pytest.raises(Stale):
        carry(store, claim, State.SAVED_TO_OPENAIR)
    assert State.COMPLETED is carry(store, other, State.COMPLETED).rotation.state
    assert store.journal.verify()


def test_a_due_moment_decides_no_more_than_when(store: Store) -> None:
    """A connection that was made due by a change of the database begins the rotation that a person could have begun."""
    connection = store.connections.get("acme")
    tamper(store, "UPDATE connections SET due_at = '2000-01-01 00:00:00.000000'")
    assert ["acme"] == store.deadlines.due(NOW, 9)
    assert replace(connection, due_at=None) == replace(store.connections.authentic("acme"), due_at=None)


@pytest.mark.parametrize(
    "change",
    ["version = 41", """openair = '{"kind": "export"}'""", "latest_rotation = NULL", f"latest_rotation = '{an_id(9)}'"],
)
def test_the_row_of_a_removed_connection_is_not_used(store: Store, change: str) -> None:
    """The connection is gone all the same, and one that is added under its name is as it was given."""
    store.connections.add(a_connection(name="bolt"))
    begin(store, State.COMPLETED, number=9)
    begin(store, State.COMPLETED, connection="bolt")
    store.connections.remove(store.connections.get("bolt"), NOW + timedelta(days=1))
    tamper(store, f"UPDATE connections SET {change} WHERE name = 'bolt'")
    with pytest.raises(NotFound):
        store.connections.authentic("bolt")
    added = store.connections.add(a_connection(name="bolt"))
    assert added == replace(a_connection(name="bolt"), version=added.version) == store.connections.authentic("bolt")
    begin(store, State.COMPLETED, number=2, connection="bolt")
    assert 15 == store.journal.verify()
