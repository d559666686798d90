"""Connections that are removed, added again, and renamed."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from support.factories import NOW, a_connection, a_rotation, add, an_id, begin, carry, requested

from persistence import models, rotation_mapping
from persistence.connection_rows import blank
from persistence.journal import UNKNOWN
from persistence.store import Store
from states import machine
from states.errors import AlreadyExists, HeldOff, NotFound, RotationOpen, Stale
from states.next_action import NextAction, Verb
from states.request import Request
from states.state import State
from states.table import ABANDON

ROUNDS = 8
LATER = NOW + timedelta(days=2)


def remove(store: Store, name: str = "acme") -> None:
    store.connections.remove(store.connections.get(name), LATER)


def rename(store: Store, before: str, after: str) -> None:
    """Rename a connection whose secrets are sealed for it by their first letters only."""
    sealed = store.secrets.all_of(before)
    resealed = {secret: blob.replace(before.encode(), after.encode()) for secret, (blob, _) in sealed.items()}
    store.connections.rename(store.connections.get(before), after, sealed, resealed)


def sealed_keys(store: Store) -> list[bytes | None]:
    with store._database.reading() as tx:
        return list(tx.execute(select(models.certificates.c.sealed_key)).scalars())


def abandoned(store: Store, number: int = 1, **over: object) -> None:
    """A rotation that was parked and abandoned."""
    claim = carry(store, begin(store, number=number, **over), State.FAILED)
    after = machine.abandon(claim.rotation, NOW)
    store.rotations.write(claim.rotation, after, event=ABANDON, actor="ada", detail={})


def test_a_removed_connection_is_gone(store: Store) -> None:
    """It is not found, listed or due, takes no secret, and no rotation of it can be requested."""
    begin(store, State.COMPLETED)
    store.secrets.put("acme", "token", b"sealed", version=None)
    remove(store)
    for ask in (
        lambda: store.connections.get("acme"),
        lambda: store.connections.save(a_connection()),
        lambda: store.connections.remove(a_connection(), LATER),
        lambda: store.secrets.put("acme", "token", b"sealed", version=None),
        lambda: add(store, a_rotation(id=an_id(2))),
    ):
        with pytest.raises(NotFound):
            ask()
    assert ([], []) == (list(store.connections.all()), store.deadlines.due(LATER + timedelta(days=999), 10))


def test_removing_destroys_secrets_and_keys(store: Store) -> None:
    """Neither a secret of the connection nor a key of its certificates is left; another connection keeps its own."""
    begin(store, State.COMPLETED)
    store.secrets.put("acme", "token", b"sealed", version=None)
    store.connections.add(a_connection(name="bolt"), {"token": b"kept"})
    begin(store, State.COMPLETED, number=2, connection="bolt")
    remove(store)
    assert store.secrets.get("acme", "token") is None
    assert (b"kept", 1) == store.secrets.get("bolt", "token")
    assert [None, b"sealed"] == sorted(sealed_keys(store), key=bool)


def test_removing_keeps_rotations_and_journals(store: Store) -> None:
    """They are read as before, by the connection's name too, and the journal's chain is whole."""
    done = begin(store, State.COMPLETED).rotation
    journal, checked = store.journal.of(done.id), store.journal.verify()
    remove(store)
    assert done.id == store.rotations.get("acme").id == store.rotations.get(done.id).id
    assert (journal, checked) == (store.journal.of(done.id), store.journal.verify())
    assert [done.id] == [each.id for each in store.rotations.page().items]
    store.connections.check_known("acme")


@pytest.mark.parametrize("state", [State.REQUESTED, State.UPLOADED_TO_NETSUITE, State.FAILED])
def test_an_open_rotation_keeps_its_connection(store: Store, state: State) -> None:
    """Under way or parked, the rotation is named, and the connection is neither removed nor renamed."""
    carry(store, begin(store), state)
    before = store.connections.get("acme")
    for refused in (lambda: remove(store), lambda: rename(store, "acme", "bolt")):
        with pytest.raises(RotationOpen, match=an_id(1)):
            refused()
    assert [before] == [store.connections.get(each.name) for each in store.connections.all()]


def test_a_lost_request_keeps_its_connection(store: Store) -> None:
    """While a lost request may take effect, its connection stays: another one for the account would not wait for it.
    Renamed, it waits under its new name.
    """
    claim = begin(store)
    lost = claim.rotation.with_doubt(NOW, NOW)
    assert lost.doubt.in_flight_until
    claim = store.rotations.advance(claim, lost, event=UNKNOWN, detail={}, lease=60)
    claim = carry(store, claim, State.FAILED)
    closed = machine.abandon(claim.rotation, LATER)
    store.rotations.write(claim.rotation, closed, event=ABANDON, actor="ada", detail={})
    with pytest.raises(HeldOff, match=an_id(1)):
        store.connections.remove(store.connections.get("acme"), NOW)
    rename(store, "acme", "bolt")
    assert lost.doubt.in_flight_until == add(store, a_rotation(id=an_id(2), connection="bolt")).available_at


def test_an_account_of_a_removed_connection_is_free(store: Store) -> None:
    """Another connection can have the account and the place in OpenAir."""
    before = store.connections.get("acme")
    remove(store)
    store.connections.add(replace(before, name="bolt"))
    assert ["bolt"] == [each.name for each in store.connections.all()]


def test_a_name_is_used_again(store: Store) -> None:
    """Added again, a connection has no certificate, the version counts on, and its journal continues the chain."""
    begin(store, State.COMPLETED)
    before = store.connections.get("acme")
    remove(store)
    after = store.connections.add(replace(before, due_at=NOW), {"token": b"new"})
    assert replace(before, version=before.version + 2, current=None, due_at=NOW) == after
    assert after == store.connections.get("acme")
    with pytest.raises(Stale):
        store.connections.save(before)
    begin(store, State.COMPLETED, number=2)
    chain = [store.journal.of(an_id(number)) for number in (1, 2)]
    assert chain[0][-1].hash == chain[1][0].previous_hash
    assert len(chain[0]) + len(chain[1]) == store.journal.verify()
    with pytest.raises(AlreadyExists, match="There is a connection acme already"):
        store.connections.add(a_connection())


def test_a_renamed_connection_is_the_same(store: Store) -> None:
    """Settings, certificate, due moment, secrets with their versions, rotations and journals go with it."""
    done = begin(store, State.COMPLETED).rotation
    store.secrets.put("acme", "token", b"for acme", version=None)
    store.secrets.put("acme", "token", b"for acme", version=None)
    before, journal = store.connections.get("acme"), store.journal.of(done.id)
    rename(store, "acme", "bolt")
    assert replace(before, name="bolt", version=before.version + 1) == store.connections.get("bolt")
    assert ({}, {"token": (b"for bolt", 2)}) == (store.secrets.all_of("acme"), store.secrets.all_of("bolt"))
    assert replace(done, connection="bolt") == replace(
        store.rotations.get("bolt"), proofs=done.proofs, circumstances=done.circumstances
    )
    assert (journal, len(journal)) == (store.journal.of(done.id), store.journal.verify())
    for gone in (store.connections.get, store.rotations.get, store.connections.check_known):
        with pytest.raises(NotFound):
            gone("acme")
    begin(store, State.COMPLETED, number=2, connection="bolt")
    assert journal[-1].hash == store.journal.of(an_id(2))[0].previous_hash


def test_a_connection_is_renamed_back(store: Store) -> None:
    """A name that it left is free, for itself and for others; the name's version counts on."""
    begin(store, State.COMPLETED)
    rename(store, "acme", "bolt")
    rename(store, "bolt", "acme")
    again = store.connections.get("acme")
    rename(store, "acme", "corp")
    other = store.connections.add(
        a_connection(
            name="acme", netsuite=a_connection(name="other").netsuite, openair=a_connection(name="other").openair
        )
    )
    assert (2, 4) == (again.version, other.version)


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_name_is_taken(store: Store, *, is_removed: bool) -> None:
    """A name that another connection has, or had and kept its rotations under, is refused; nothing changes."""
    store.connections.add(a_connection(name="bolt"))
    abandoned(store, connection="bolt")
    if is_removed:
        remove(store, "bolt")
    before = list(store.connections.all())
    with pytest.raises(AlreadyExists, match=r"There (was|is) a connection bolt"):
        rename(store, "acme", "bolt")
    with pytest.raises(AlreadyExists):
        rename(store, "acme", "acme")
    assert before == list(store.connections.all())


def edited(store: Store) -> None:
    store.connections.save(store.connections.get("acme"))


def refreshed(store: Store) -> None:
    store.secrets.put("acme", "token", b"newer", version=None)


@pytest.mark.parametrize("change", [edited, refreshed])
def test_a_change_in_between_is_not_lost(store: Store, change: Callable[[Store], None]) -> None:
    """A connection that was changed since it was read is not renamed, nor with an old secret; nor is it removed where
    its settings were changed.
    """
    store.secrets.put("acme", "token", b"old", version=None)
    before, sealed = store.connections.get("acme"), store.secrets.all_of("acme")
    change(store)
    with pytest.raises(Stale, match="this change was not stored"):
        store.connections.rename(before, "bolt", sealed, {"token": b"resealed"})
    if change is edited:
        with pytest.raises(Stale, match="this change was not stored"):
            store.connections.remove(before, LATER)
    assert ["acme"] == [each.name for each in store.connections.all()]


@pytest.mark.parametrize("leave", [remove, lambda store, name: rename(store, name, f"{name}-new")])
def test_a_connection_does_not_leave_under_a_request(store: Store, leave: Callable[[Store, str], None]) -> None:
    """Raced again and again: either the rotation is requested and the connection stays, or it leaves and there is no
    rotation. None is left without its connection.
    """
    for number in range(1, ROUNDS + 1):
        name = f"c{number}"
        store.connections.add(a_connection(name=name))
        rotation = a_rotation(id=an_id(number), connection=name)
        request, together = requested(store, rotation), threading.Barrier(2)

        def ask(request: Request = request, together: threading.Barrier = together) -> bool:
            together.wait()
            with suppress(NotFound):
                store.rotations.request(request)
                return True
            return False

        def go(name: str = name, together: threading.Barrier = together) -> bool:
            together.wait()
            with suppress(RotationOpen, Stale):
                leave(store, name)
                return True
            return False

        with ThreadPoolExecutor(2) as pool:
            asked, left = pool.submit(ask), pool.submit(go)
            assert asked.result() is not left.result()
        names = [each.name for each in store.connections.all()]
        assert (name in names) is asked.result()
    assert store.journal.verify() == store.rotations.count()


def test_of_two_who_rename_a_connection_one_is_refused(store: Store) -> None:
    """The connection has the one name or the other, and its secrets once."""
    store.secrets.put("acme", "token", b"for acme", version=None)
    before, sealed = store.connections.get("acme"), store.secrets.all_of("acme")
    together = threading.Barrier(2)

    def go(name: str) -> bool:
        together.wait()
        with suppress(NotFound, Stale):
            store.connections.rename(before, name, sealed, {"token": f"for {name}".encode()})
            return True
        return False

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(go, ("bolt", "corp")))
    assert [False, True] == sorted(done)
    (named,) = [each.name for each in store.connections.all()]
    assert {"token": (f"for {named}".encode(), 1)} == store.secrets.all_of(named)
    assert ("bolt" == named) is done[0]


def test_stored_next_actions_name_the_connection_as_it_is_named(store: Store) -> None:
    """A next action that was stored with the old name has the new one; an illegible one is left as it is."""
    abandoned(store)
    abandoned(store, 2)
    action = NextAction(Verb.EDIT_CONNECTION, {"connection": "acme", "secret": "token"}, then=NextAction(Verb.RESUME))
    with store._database.writing() as tx:
        for number, stored in ((1, rotation_mapping._of_action(action)), (2, "illegible")):
            tx.execute(
                update(models.rotations)
                .where(models.rotations.c.id == an_id(number))
                .values(failure_next_action=stored)
            )
    rename(store, "acme", "bolt")
    failure = store.rotations.get(an_id(1)).failure
    assert failure
    assert action.renamed("acme", "bolt") == failure.next_action
    assert store.rotations.get(an_id(2)).circumstances.broken


def test_a_blank_row_has_every_column() -> None:
    """What is left of a connection sets each column except the name and the newest rotation: none is forgotten."""
    stored = models.Connections(name="acme", version=1, openair={"kind": "xml"})
    assert {each.key for each in models.connections.c} - {"name", "latest_rotation"} == set(blank(stored))
