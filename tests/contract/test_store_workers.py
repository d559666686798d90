"""Workers: who is present, and that the leases of a dead one end at once, and of no other."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from support.factories import NOW, a_connection, a_rotation, add, an_id, begin
from support.stores import open_store

from persistence import presence as locks
from persistence.journal import TAKEN_OVER
from persistence.store import Presence, Role, Store, Worker
from states.errors import TryLater
from states.state import State
from states.timing import WORKERS_KEPT

WORKER = Worker(name="box:1:aa", role=Role.WORKER, host="box", version="1.0", threads=2)


@pytest.fixture
def other(url: str, store: Store) -> Iterator[Store]:
    """The store of another process."""
    del store
    opened = open_store(url)
    yield opened
    opened.close()


def die(presence: Presence) -> None:
    """What the system does when a process is killed: its files and connections are closed, and nothing else."""
    lock = presence._lock
    if isinstance(lock, locks._FileLock):
        os.close(lock._descriptor)
    else:
        assert isinstance(lock, locks._SessionLock)
        lock._session.close()


def found_dead(store: Store, own: str = "me") -> dict[str, list[str]]:
    """What a look finds; a server needs some milliseconds to notice that a connection closed."""
    for _ in range(200):
        if found := store.workers.end_dead(own):
            return found
        threading.Event().wait(0.01)
    return {}


def claim_all(store: Store, *workers: str) -> list[str]:
    """A rotation for each worker, held by it for a minute."""
    ids = []
    for number, worker in enumerate(workers, 1):
        store.connections.add(a_connection(name=f"c{number}"))
        ids.append(add(store, a_rotation(id=an_id(number), connection=f"c{number}")).id)
        assert store.claims.claim(worker, lease=60, now=NOW, rotation_id=ids[-1])
    return ids


def test_a_dead_workers_leases_end(store: Store, other: Store) -> None:
    """What it and its threads held is claimable at once, in doubt; the leases of all others go on."""
    presence = other.workers.register(WORKER)
    alone, first, *_ = claim_all(other, "box:1:aa", "box:1:aa/1", "box:1:aab", "box:1:a", "another/1")
    die(presence)
    assert {"box:1:aa": [alone, first]} == {name: sorted(ids) for name, ids in found_dead(store).items()}
    for rotation_id in (alone, first):
        taken = store.claims.claim("me", lease=60, now=NOW + timedelta(minutes=1), rotation_id=rotation_id)
        assert taken
        assert NOW == taken.rotation.doubt.since
        assert TAKEN_OVER == store.journal.of(rotation_id)[-1].event
    assert store.claims.claim("me", lease=60, now=NOW + timedelta(minutes=1)) is None


def test_a_worker_that_lives_keeps_its_leases(store: Store, other: Store) -> None:
    """Neither another process nor a second look takes anything from it."""
    presence = other.workers.register(WORKER)
    claim_all(other, "box:1:aa/1")
    assert ({}, {}) == (store.workers.end_dead("me"), other.workers.end_dead("box:1:aa"))
    assert store.claims.claim("me", lease=60, now=NOW) is None
    presence.end()


def test_a_dead_worker_is_found_once(store: Store, other: Store) -> None:
    """Of several that look, one ends the leases; afterwards no one looks at that worker again."""
    die(other.workers.register(WORKER))
    assert {"box:1:aa": []} == found_dead(store)
    assert {} == other.workers.end_dead("me")


def test_lookers_do_not_race(store: Store, url: str) -> None:
    """Four that look at the same moment find each dead worker once between them, and no worker that just starts."""
    dead = [store.workers.register(replace(WORKER, name=f"dead:{number}")) for number in range(5)]
    stores = [open_store(url) for _ in range(4)]
    found: list[str] = []
    together = threading.Barrier(4)

    def look(own: Store, number: int) -> None:
        together.wait()
        living = own.workers.register(replace(WORKER, name=f"living:{number}"))
        for _ in range(20):
            found.extend(own.workers.end_dead(f"living:{number}"))
            living.beat()
        living.end()

    threads = [threading.Thread(target=look, args=(own, number)) for number, own in enumerate(stores)]
    for presence in dead:
        die(presence)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.extend(found_dead(store))
    for own in stores:
        own.close()
    assert [f"dead:{number}" for number in range(5)] == sorted(found)


def test_a_clean_end_leaves_nothing_to_find(store: Store, other: Store, url: str) -> None:
    """A worker that ended is remembered as such, has no lock, and on SQLite no file."""
    other.workers.register(WORKER).end()
    [known] = store.workers.all()
    assert {} == store.workers.end_dead("me")
    assert (False, True) == (known.is_present, known.ended_at is not None)
    if url.startswith("sqlite"):
        assert [] == list(store._database.folder.glob("worker-*"))


def test_workers_are_listed(store: Store, other: Store) -> None:
    """With what each is and when it was seen, by the database's clock; the newest first."""
    first = other.workers.register(WORKER)
    second = other.workers.register(replace(WORKER, name="cron", role=Role.RUN_DUE, threads=1))
    before = store.now()
    first.beat()
    found = store.workers.all()
    assert [("cron", Role.RUN_DUE, 1), ("box:1:aa", Role.WORKER, 2)] == [
        (each.name, each.role, each.threads) for each in found
    ]
    assert ("box", "1.0", None, True) == (found[1].host, found[1].version, found[1].ended_at, found[1].is_present)
    assert found[1].seen_at
    assert found[1].started_at
    assert found[1].started_at <= before <= found[1].seen_at
    first.end()
    second.end()


def test_a_worker_that_was_silent_for_long_is_forgotten(store: Store, other: Store) -> None:
    """The next one that starts removes it; should it live, its next beat brings it back."""
    silent = other.workers.register(WORKER)
    long_ago = store.now() - WORKERS_KEPT - timedelta(minutes=1)
    with store._database.writing() as tx:
        tx.execute(text("UPDATE workers SET seen_at = :at"), {"at": _stored(tx, long_ago)})
    store.workers.register(replace(WORKER, name="next")).end()
    assert ["next"] == [each.name for each in store.workers.all()]
    silent.beat()
    assert {"next", "box:1:aa"} == {each.name for each in store.workers.all()}
    silent.end()


def _stored(tx: Connection, at: object) -> object:
    return str(at)[:26] if tx.dialect.name == "sqlite" else at


def test_a_lost_lock_is_taken_again(store: Store, other: Store) -> None:
    """A worker whose lock was lost while it lived has another one after its next beat, also if it was found dead."""
    presence = other.workers.register(WORKER)
    key = presence._lock.key if presence._lock else None
    lock = presence._lock
    if isinstance(lock, locks._FileLock):
        lock._file.unlink()
    else:
        assert isinstance(lock, locks._SessionLock)
        lock._session.close()
        assert {"box:1:aa": []} == found_dead(store)
    presence.beat()
    assert presence._lock
    assert key != presence._lock.key
    claim_all(other, "box:1:aa/1")
    assert {} == store.workers.end_dead("me")
    die(presence)
    assert {"box:1:aa": [an_id(1)]} == found_dead(store)


def test_without_locks_the_lease_decides(store: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that can have no lock is known, never found dead, and its leases bound its death."""
    monkeypatch.setattr(locks._FileLock, "take", lambda *_: None)
    monkeypatch.setattr(locks._SessionLock, "take", lambda *_: None)
    presence = other.workers.register(WORKER)
    claim_all(other, "box:1:aa/1")
    assert not presence.is_trusted
    assert {} == store.workers.end_dead("me")
    presence.beat()
    assert [False] == [each.is_present for each in store.workers.all()]
    assert store.claims.claim("me", lease=60, now=NOW) is None


@pytest.mark.postgresql
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_pool_of_sessions_is_not_trusted(store: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a lock outlives the connection that took it, as behind pgbouncer, the worker goes without one."""
    shared = store._database.open_session()

    @contextmanager
    def outliving() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(shared, "close", lambda: None)
            patch.setattr(other._of_workers, "open_session", lambda: shared)
            yield

    with outliving():
        assert not other.workers.register(WORKER).is_trusted
    shared.close()
    direct = other.workers.register(replace(WORKER, name="direct"))
    assert direct.is_trusted
    direct.end()


def test_a_database_that_is_away_raises(url: str, store: Store) -> None:
    """Registering raises TryLater; ending never raises."""
    presence = store.workers.register(WORKER)
    away = open_store(url + "-away" if url.startswith("sqlite") else url.replace("/keyturn_", "/nowhere_"))
    with pytest.raises(TryLater):
        away.workers.register(replace(WORKER, name="b"))
    presence._database = away._database
    presence.end()


def test_a_parked_rotation_has_no_lease_to_end(store: Store, other: Store) -> None:
    """A rotation that was given back before its worker died is not in doubt."""
    presence = other.workers.register(WORKER)
    claim = begin(other, State.KEY_GENERATED)
    other.claims.release(claim)
    die(presence)
    assert {"box:1:aa": []} == found_dead(store)
    taken = store.claims.claim("me", lease=60, now=NOW)
    assert taken
    assert taken.rotation.doubt.since is None
