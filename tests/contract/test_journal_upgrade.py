# ruff: noqa: S608 - what is put into the SQL is the test's own
"""The journal of a database from before its hashes were keyed: authenticated once, by the migration."""

import hashlib
import json
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from support.factories import a_connection, an_id, begin
from support.migrated import set_back
from support.stores import open_store

from persistence.journal import ORIGIN, Entry
from persistence.store import Store
from states.errors import JournalBroken
from states.state import State


@pytest.fixture
def old(url: str) -> Iterator[Store]:
    """A store of the migration before, with two rotations of one connection, whose hashes have no key."""
    store = open_store(url)
    store.migrate()
    store.connections.add(a_connection())
    begin(store, State.COMPLETED, number=1)
    begin(store, State.KEY_GENERATED, number=2)
    previous = ORIGIN
    for number in (1, 2):
        for entry in store.journal.of(an_id(number)):
            hashed = without_key(entry, previous)
            change(
                store,
                f"UPDATE journal SET previous_hash = '{previous}', hash = '{hashed}' "
                f"WHERE rotation_id = '{entry.rotation_id}' AND seq = {entry.seq}",
            )
            previous = hashed
        change(store, f"UPDATE rotations SET journal_hash = '{previous}' WHERE id = '{an_id(number)}'")
    with pytest.raises(JournalBroken, match="entry 1"):
        store.journal.verify()
    set_back(store, "0009")
    yield store
    store.close()


def without_key(entry: Entry, previous: str) -> str:
    """The hash that Keyturn gave an entry before."""
    covered = [
        *(previous, entry.rotation_id, entry.seq, entry.at.isoformat(timespec="microseconds"), entry.actor),
        *(entry.event, entry.source, entry.target, entry.attempt, dict(entry.detail)),
    ]
    return hashlib.sha256(json.dumps(covered, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def change(store: Store, statement: str) -> None:
    with store._database.writing() as tx:
        tx.execute(text(statement))


def test_the_migration_authenticates_what_it_finds(old: Store) -> None:
    """Every entry gets the hash that it would have today, and the journal goes on."""
    old.migrate()
    assert 7 == old.journal.verify()
    chain = [*old.journal.of(an_id(1)), *old.journal.of(an_id(2))]
    assert [ORIGIN, *(entry.hash for entry in chain[:-1])] == [entry.previous_hash for entry in chain]
    claim = old.claims.claim("w2", lease=60, now=chain[0].at, rotation_id=an_id(2))
    assert claim is None, "the first worker still holds it"
    assert 1 == old.checkpoints.verify([old.checkpoints.make()])


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE journal SET actor = 'eve' WHERE seq = 3",
        "DELETE FROM journal WHERE seq = 5",
        f"UPDATE rotations SET journal_hash = '{ORIGIN}'",
    ],
)
def test_what_was_changed_before_is_not_authenticated(old: Store, edit: str) -> None:
    """A journal that does not fit without a key is not given one: the database stays as it is."""
    change(old, edit)
    with pytest.raises(JournalBroken):
        old.migrate()
    assert "0009" == old.versions()[1]


def test_a_later_migration_authenticates_nothing(old: Store) -> None:
    """An entry without a key that appears afterwards stays a forgery, however often the database is migrated."""
    old.migrate()
    last = old.journal.of(an_id(2))[-1]
    hashed = without_key(last, last.previous_hash)
    change(old, f"UPDATE journal SET hash = '{hashed}' WHERE rotation_id = '{an_id(2)}' AND seq = 2")
    change(old, f"UPDATE rotations SET journal_hash = '{hashed}' WHERE id = '{an_id(2)}'")
    old.migrate()
    with pytest.raises(JournalBroken, match=f"entry 2 of rotation {an_id(2)}"):
        old.journal.verify()
