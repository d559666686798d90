"""What a watcher sees of a database: whether anything was committed."""

import time
from dataclasses import replace

import pytest
from sqlalchemy import text
from support.factories import NOW, a_connection, a_rotation, an_id, begin, carry, requested

from orchestrator.announcer import Announcer
from persistence.store import Store
from states.errors import Stale, TryLater
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


def test_a_commit_is_announced(store: Store) -> None:
    """A watcher that waits is woken soon after another process has committed, and not before anything is."""
    watcher = store.changes()
    watcher.wait(0.0)
    before = watcher.look()
    with Announcer(store):
        store.connections.add(a_connection(name="beta"))
        began = time.monotonic()
        watcher.wait(20.0 if "postgresql" in store.name else 0.0)
        assert time.monotonic() - began < 10
        assert watcher.look() != before
    watcher.close()


@pytest.mark.postgresql
def test_announcements_survive_a_lost_session(store: Store) -> None:
    """After its session was lost, a watcher says so once, and listens again; the announcer announces again."""
    if "postgresql" not in store.name:
        pytest.skip("SQLite has no sessions to lose")
    watcher, announcements = store.changes(), store.announcements()
    watcher.wait(0.0)
    announcements.announce()
    watcher.wait(20.0)
    with store._database.writing() as tx:
        tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid()"
            )
        )
    with pytest.raises(TryLater):
        watcher.wait(20.0)
    with pytest.raises(TryLater):
        announcements.announce()
    watcher.wait(0.0)
    before = watcher.look()
    announcements.announce()
    watcher.wait(20.0)
    assert before != watcher.look()
    watcher.close()
    announcements.close()


@pytest.mark.postgresql
def test_a_late_commit_changes_the_number(store: Store) -> None:
    """A transaction that commits after a younger one is seen, though no newer transaction has begun since."""
    if "postgresql" not in store.name:
        pytest.skip("SQLite has one writer at a time")
    changes = store.changes()
    with store._database.writing() as older:
        older.execute(text("SELECT pg_current_xact_id()"))
        store.connections.add(a_connection(name="beta"))
        before = changes.look()
    assert before != changes.look()
    changes.close()


def test_what_is_committed_last_is_announced(store: Store) -> None:
    """At its end, the announcer announces what was committed since its last announcement."""
    watcher = store.changes()
    watcher.wait(0.0)
    with Announcer(store):
        for number in range(3):
            store.connections.add(a_connection(name=f"beta{number}"))
            watcher.wait(20.0 if number == 0 and "postgresql" in store.name else 0.0)
    began = time.monotonic()
    watcher.wait(20.0 if "postgresql" in store.name else 0.0)
    assert time.monotonic() - began < 10
    watcher.close()
