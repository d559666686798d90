"""Connections that go elsewhere: what an open rotation holds in place."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from support.factories import NOW, a_connection, a_rotation, add, an_id, begin, carry

from persistence.store import Store
from states.connection import Connection, Policy
from states.errors import RotationOpen, Stale
from states.state import State

URL = "https://elsewhere.example"
ROUNDS = 8


def moved(connection: Connection) -> Connection:
    """The connection, for another account and another company."""
    openair = replace(connection.openair, company="Bolt", url=URL)
    return replace(connection, netsuite=replace(connection.netsuite, account="7654321"), openair=openair)


@pytest.mark.parametrize("state", [State.REQUESTED, State.KEY_GENERATED])
def test_what_was_not_sent_holds_nothing(store: Store, state: State) -> None:
    """Released by its worker, a rotation whose certificate was never sent lets the connection move."""
    store.claims.release(begin(store, state))
    assert "7654321" == store.connections.save(moved(store.connections.get("acme"))).netsuite.account


@pytest.mark.parametrize("state", [State.REQUESTED, State.KEY_GENERATED, State.UPLOADED_TO_NETSUITE])
def test_a_worker_holds_the_connection_in_place(store: Store, state: State) -> None:
    """The worker that holds the rotation may be sending: the connection and its secrets stay, and the code says why."""
    begin(store, state)
    before = store.connections.get("acme")
    with pytest.raises(RotationOpen, match=an_id(1)):
        store.connections.save(moved(before), {"token": b"sealed"})
    assert (before, None) == (store.connections.get("acme"), store.secrets.get("acme", "token"))


@pytest.mark.parametrize("state", [State.UPLOADED_TO_NETSUITE, State.SAVED_TO_OPENAIR])
def test_what_was_sent_holds_the_connection_in_place(store: Store, state: State) -> None:
    """Also when no worker holds it, and parked; until it has ended, all but a move can be changed."""
    claim = begin(store, state)
    carry(store, claim, State.FAILED)
    before = store.connections.get("acme")
    with pytest.raises(RotationOpen, match="NetSuite may hold its certificate"):
        store.connections.save(moved(before))
    changed = store.connections.save(replace(before, policy=Policy(days=90)), {"token": b"sealed"})
    assert (90, (b"sealed", 1)) == (changed.policy.days, store.secrets.get("acme", "token"))


def test_what_has_ended_holds_nothing(store: Store) -> None:
    """Completed, the rotation lets the connection go; the certificate stays what Keyturn knows last."""
    begin(store, State.COMPLETED)
    before = store.connections.get("acme")
    assert before.current == store.connections.save(moved(before)).current


def test_a_connection_does_not_move_under_a_claim(store: Store) -> None:
    """Raced again and again: a worker that claims the rotation finds the connection where it stays, or has moved to
    before. It never works in a place that the connection has left.
    """
    for number in range(1, ROUNDS + 1):
        name = f"c{number}"
        store.connections.add(a_connection(name=name))
        add(store, a_rotation(id=an_id(number), connection=name))
        assert_not_moved_under_a_worker(store, name, lambda number=number: claim(store, number))


def test_a_connection_does_not_move_under_a_request(store: Store) -> None:
    """Nor does one under a worker that begins a rotation and claims it at once."""
    for number in range(1, ROUNDS + 1):
        name = f"c{number}"
        store.connections.add(a_connection(name=name))
        assert_not_moved_under_a_worker(store, name, lambda number=number, name=name: begin_at(store, number, name))


def claim(store: Store, number: int) -> None:
    """Claim the rotation; one that is just looked at is passed over, and found a moment later."""
    while not store.claims.claim("w1", lease=60, now=NOW, rotation_id=an_id(number)):
        pass


def begin_at(store: Store, number: int, name: str) -> None:
    """Begin a rotation, claimed."""
    begin(store, number=number, connection=name)


def assert_not_moved_under_a_worker(store: Store, name: str, take: Callable[[], None]) -> None:
    """Race a worker that takes a rotation against an administrator who moves its connection."""
    together = threading.Barrier(2)
    before = store.connections.get(name)
    to = replace(before, openair=replace(before.openair, url=f"https://elsewhere.example/{name}"))

    def work() -> str:
        together.wait()
        take()
        return store.connections.get(name).openair.url

    def move() -> None:
        together.wait()
        with suppress(RotationOpen, Stale):
            store.connections.save(to)

    with ThreadPoolExecutor(2) as pool:
        worked, moving = pool.submit(work), pool.submit(move)
        moving.result()
        assert store.connections.get(name).openair.url == worked.result()
