"""What a transaction sees that waited for another one's lock, on PostgreSQL.

Each statement sees what was committed when it began. One that waited reads only the row again for which it waited.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection, event
from support import postgresql as postgres
from support.factories import NOW, a_connection, a_rotation, an_id, begin, carry, next_move, requested
from support.polling import until
from support.stores import KEK, open_store

from persistence.kek import KeyEncryptionKey
from persistence.store import Claim, Store
from persistence.vault import Vault
from states.errors import RotationOpen, Stale
from states.next_action import Verb
from states.rotation import Cause
from states.state import State

pytestmark = pytest.mark.postgresql
T = TypeVar("T")
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def store(postgresql: Path, migrated_postgresql: str) -> Iterator[Store]:
    """A store on PostgreSQL with the connection ``acme`` in it."""
    with (
        postgres.temporary_database(postgresql, migrated_postgresql) as url,
        closing(open_store(url)) as opened,
    ):
        opened.connections.add(a_connection())
        yield opened


def while_another_waits(store: Store, first: Callable[[], object], second: Callable[[], T]) -> "Future[T]":
    """Do ``first``; just before it commits, begin ``second`` in another thread, and let it wait for a lock."""
    engine, pool = store._database._engine, ThreadPoolExecutor(1)
    begun: list[Future[T]] = []

    def pause(_connection: Connection) -> None:
        if begun:
            return
        begun.append(pool.submit(second))
        until(lambda: _waiting(store) or begun[0].done())

    event.listen(engine, "commit", pause)
    first()
    event.remove(engine, "commit", pause)
    pool.shutdown()
    return begun[0]


def _waiting(store: Store) -> bool:
    with store._database.glancing() as tx:
        return bool(tx.exec_driver_sql(_WAITING).scalar_one())


def test_of_two_requests_the_second_is_refused(store: Store) -> None:
    """It waits for the connection, and then sees the first one's rotation: none was removed, no journal is broken."""
    begin(store, State.COMPLETED)
    first, second = (requested(store, a_rotation(id=an_id(number))) for number in (2, 3))
    waited = while_another_waits(store, lambda: store.rotations.request(first), lambda: store.rotations.request(second))
    with pytest.raises(RotationOpen, match=an_id(2)):
        waited.result()


def test_a_request_that_waits_for_the_last_move_follows_the_new_certificate(store: Store) -> None:
    """It expects the certificate that the move made current, with its key, and it is no initial set-up."""
    begin(store, State.COMPLETED)
    claim = begin(store, State.SAVED_TO_OPENAIR, number=2)
    asked = requested(store, a_rotation(id=an_id(3), cause=Cause.MANUAL))
    waited = while_another_waits(
        store, lambda: carry(store, claim, State.COMPLETED), lambda: store.rotations.request(asked)
    ).result()
    candidate = claim.rotation.proofs.candidate
    assert candidate
    assert (candidate.certificate, Cause.MANUAL) == (waited.previous, waited.cause)
    assert waited == store.rotations.get(waited.id)
    assert store.journal.verify()


def test_a_connection_that_another_machine_rotated_is_not_due(store: Store) -> None:
    """A schedule's request that waits for the move that completes a rotation does not begin another one."""
    claim = begin(store, State.SAVED_TO_OPENAIR)
    asked = replace(requested(store, a_rotation(id=an_id(2))), due_by=NOW)
    later = NOW + timedelta(days=300)
    waited = while_another_waits(
        store, lambda: _complete(store, claim, due_at=later), lambda: store.rotations.request(asked)
    )
    with pytest.raises(Stale, match="not due any more"):
        waited.result()
    assert replace(asked, due_by=later).id == store.rotations.request(replace(asked, due_by=later)).id


def test_a_restore_that_waits_is_refused_after_another_ones(store: Store) -> None:
    """Of two persons who hold a parked rotation, the second waits, and is Stale: nothing was removed."""
    parked = carry(store, begin(store), State.FAILED).rotation

    def hold() -> object:
        return store.claims.hold("ada", parked, lease=60)

    with pytest.raises(Stale, match=parked.id):
        while_another_waits(store, hold, hold).result()


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("shared", ["account", "place"])
def test_a_connection_that_made_way_meanwhile_is_asked_for_again(store: Store, shared: str, *, is_new: bool) -> None:
    """The connection that had the account or the place is removed after the database refused another one for it, and
    before the look for who has it: that is no bug but a conflict, and the same request again is stored.
    """
    acme, bolt = store.connections.get("acme"), a_connection(name="bolt")
    wanted = replace(bolt, netsuite=acme.netsuite) if shared == "account" else replace(bolt, openair=acme.openair)
    if not is_new:
        store.connections.add(bolt)
    write = store.connections.add if is_new else store.connections.save
    with (
        meanwhile(store, "rollback_savepoint", lambda other: other.connections.remove(acme, NOW)),
        pytest.raises(Stale, match=r"bolt was not stored.*changed or removed in the meantime") as caught,
    ):
        write(wanted)
    assert Verb.REPEAT is caught.value.next_action.verb
    assert (wanted.netsuite, wanted.openair) == ((stored := write(wanted)).netsuite, stored.openair)


def test_a_name_that_was_given_and_taken_back_meanwhile(store: Store) -> None:
    """Another process adds a connection of the same name after the look for it, and removes it after the database
    refused the second one: no connection has it any more.
    """
    wanted = a_connection(name="bolt")
    with (
        meanwhile(store, "savepoint", lambda other: other.connections.add(wanted)),
        meanwhile(store, "rollback_savepoint", lambda other: other.connections.remove(wanted, NOW)),
        pytest.raises(Stale, match="bolt was not stored"),
    ):
        store.connections.add(wanted)
    assert wanted.netsuite == store.connections.add(wanted).netsuite


def test_a_data_key_that_waits_for_a_rewrap_is_not_added(store: Store) -> None:
    """`vault rekey` at the moment of `vault rewrap`: its new key waits, and is refused, because only the former
    key-encryption key would open it. The other way round the rewrap is refused, and all stays with that key.
    """
    other, vault = KeyEncryptionKey(b"o" * 32), store.vault
    vault.unlock()
    with pytest.raises(Stale, match="no data key was added"):
        while_another_waits(store, lambda: Vault(store.secrets, lambda: KEK).rewrap(other), vault.renew).result()
    assert [(1, other.id)] == [(key.id, key.kek_id) for key in store.secrets.data_keys()]
    late = Vault(store.secrets, lambda: other)
    with pytest.raises(Stale, match="they were not wrapped"):
        while_another_waits(store, late.renew, lambda: Vault(store.secrets, lambda: other).rewrap(KEK)).result()
    assert [(1, other.id), (2, other.id)] == [(key.id, key.kek_id) for key in store.secrets.data_keys()]


@contextmanager
def meanwhile(store: Store, moment: str, do: Callable[[Store], object]) -> Iterator[None]:
    """At the first ``moment`` (an event of SQLAlchemy's) of a transaction of ``store``, another process does ``do``."""
    engine, other = store._database._engine, open_store(store._database._url.render_as_string(hide_password=False))
    done: list[object] = []

    def once(*_: object) -> None:
        if not done:
            done.append(None)
            do(other)

    event.listen(engine, moment, once)
    yield
    event.remove(engine, moment, once)
    other.close()
    assert done


def _complete(store: Store, claim: Claim, *, due_at: datetime) -> Claim:
    after = next_move(claim.rotation)
    return store.rotations.advance(claim, after, event="verify", detail={}, due_at=due_at)
