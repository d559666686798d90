"""Hints: rows of Procrastinate's queue that name a rotation, given after a commit; the sweep for what none names."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support import postgresql as postgres
from support.factories import a_connection, a_rotation, add, an_id
from support.stores import open_store

from persistence.hints import URGENT
from persistence.store import Store
from states.errors import KeyturnError
from states.rotation import Rotation

pytestmark = pytest.mark.postgresql

LEASE = 60.0


@pytest.fixture
def url(postgresql: Path, migrated_postgresql: str) -> Iterator[str]:
    with postgres.temporary_database(postgresql, migrated_postgresql) as made:
        yield made


def ask(store: Store, statement: str, *, path: str = "public") -> list[Any]:
    with store._database.writing() as tx:
        tx.execute(text(f"SET LOCAL search_path = {path}"))
        result = tx.execute(text(statement))
        return list(result) if result.returns_rows else []


@pytest.fixture
def listener(store: Store) -> int:
    """A worker of the queue, by the number that Procrastinate has for it."""
    ask(store, "INSERT INTO public_queue.procrastinate_workers DEFAULT VALUES")
    return int(ask(store, "SELECT id FROM public_queue.procrastinate_workers")[0][0])


def waiting(store: Store) -> list[tuple[str, int]]:
    """The hints that wait, in the order in which workers receive them: the rotation's id, and the priority."""
    found = ask(
        store,
        "SELECT args->>'rotation_id', priority FROM public_queue.procrastinate_jobs WHERE status = 'todo'"
        " ORDER BY priority DESC, id",
    )
    return [tuple(row) for row in found]


def receive(store: Store, listener: int) -> str:
    """Take the next hint, as Procrastinate does; return the rotation's id."""
    fetch = f"SELECT args->>'rotation_id' FROM procrastinate_fetch_job_v2('{{keyturn}}', {listener})"  # noqa: S608
    return str(ask(store, fetch, path="public_queue")[0][0])


def request(store: Store, number: int) -> Rotation:
    name = f"connection-{number}"
    store.connections.add(a_connection(name=name))
    return add(store, a_rotation(id=an_id(number), connection=name))


def test_urgent_hints_come_first(store: Store, listener: int) -> None:
    """Of the hints that wait, workers receive those of an outage first, and the others in their order."""
    for number in range(3):
        store.hints.give(an_id(number), urgent=number == 2)
    assert [an_id(2), an_id(0), an_id(1)] == [receive(store, listener) for _ in range(3)]


@pytest.mark.usefixtures("listener")
def test_a_hint_that_waits_is_not_given_again(store: Store) -> None:
    """One is enough; but a rotation that became urgent does not wait behind the calm ones."""
    for urgent in (False, False, True, True):
        store.hints.give(an_id(1), urgent=urgent)
    assert [(an_id(1), URGENT), (an_id(1), 0)] == waiting(store)


def test_a_hint_that_was_received_can_be_given_again(store: Store, listener: int) -> None:
    """The worker that received it may have died."""
    store.hints.give(an_id(1), urgent=False)
    receive(store, listener)
    store.hints.give(an_id(1), urgent=False)
    assert [(an_id(1), 0)] == waiting(store)


def test_without_a_worker_of_the_queue_no_hint_is_given(store: Store) -> None:
    """They would pile up for ever."""
    store.hints.give(request(store, 1).id, urgent=True)
    store.hints.sweep(request(store, 2).available_at)
    assert [] == waiting(store)


@pytest.mark.usefixtures("listener")
def test_a_worker_that_went_silent_counts_as_none(store: Store) -> None:
    """A worker that died a minute ago receives no hint."""
    ask(store, "UPDATE public_queue.procrastinate_workers SET last_heartbeat = now() - interval '61 seconds'")
    store.hints.give(an_id(1), urgent=True)
    assert [] == waiting(store)


@pytest.mark.usefixtures("listener")
def test_a_sweep_finds_what_can_be_claimed(store: Store) -> None:
    """A rotation that is claimable and has no hint; not one that is held, postponed, or hinted already."""
    claimable, held, hinted = (request(store, number) for number in range(3))
    now = claimable.available_at
    store.claims.claim("w", lease=LEASE, now=now, rotation_id=held.id)
    store.hints.give(hinted.id, urgent=False)
    store.hints.sweep(now - timedelta(seconds=1))
    assert [(hinted.id, 0)] == waiting(store)
    store.hints.sweep(now)
    store.hints.sweep(now)
    assert [(hinted.id, 0), (claimable.id, 0)] == waiting(store)


@pytest.mark.usefixtures("listener")
def test_a_sweep_sees_what_is_urgent(store: Store) -> None:
    """What a dead worker left between both sides comes before everything else."""
    calm, uploaded = (request(store, number) for number in range(2))
    for rule in ("candidate", "confirmation"):
        ask(store, f"ALTER TABLE rotations DROP CONSTRAINT ck_rotations_{rule}_proved")
    ask(store, f"UPDATE rotations SET state = 'UploadedToNetSuite' WHERE id = '{uploaded.id}'")  # noqa: S608
    store.hints.sweep(calm.available_at)
    assert [(uploaded.id, URGENT), (calm.id, 0)] == waiting(store)


@pytest.mark.usefixtures("listener")
def test_a_sweep_is_bounded(store: Store) -> None:
    """Of many claimable rotations it hints at those that are next; the queue stays short."""
    now = max(request(store, number).available_at for number in range(101))
    store.hints.sweep(now)
    store.hints.sweep(now)
    assert 100 == len(waiting(store))


@pytest.mark.usefixtures("listener")
def test_a_hint_is_no_change_of_the_store(store: Store, url: str) -> None:
    """A process that only gave a hint has changed nothing that a person or a watcher could see."""
    other = open_store(url)
    other.hints.give(an_id(1), urgent=False)
    assert ([(an_id(1), 0)], False) == (waiting(store), other.has_written)
    other.close()


def test_a_queue_that_is_missing(store: Store) -> None:
    """A hint cannot be given then, which says so as an error of Keyturn's; every other move works as before."""
    ask(store, "DROP SCHEMA public_queue CASCADE")
    with pytest.raises(KeyturnError):
        store.hints.give(an_id(1), urgent=False)
    rotation = request(store, 1)
    assert store.claims.claim("w", lease=LEASE, now=rotation.available_at)
