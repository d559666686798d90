"""Alerts are written in the transaction of the move that causes them, and reported in order, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from support.factories import NOW, an_id, begin, carry

from persistence.store import Store
from states import machine
from states.alert import Kind, Phase, of_rotation
from states.errors import Stale
from states.state import State
from states.table import ABANDON, FAIL

LATER = NOW + timedelta(days=2)


def reported(store: Store) -> list[tuple[str, Kind, Phase]]:
    """Every message in the order in which it became true."""
    return [
        (each.message.id, each.message.finding.kind, each.message.phase) for each in reversed(store.alerts.newest(99))
    ]


def test_a_rotation_that_goes_well_tells_nothing(store: Store) -> None:
    """Each rotation is an outage for a moment; no one is notified."""
    begin(store, State.COMPLETED)
    assert ([], [], False) == (reported(store), store.alerts.lasting(), store.alerts.has_unsent())


def test_parking_and_closing_are_reported_with_the_move(store: Store) -> None:
    """The alert begins in the transaction that parks, and ends in the one that closes, under one id."""
    parked = carry(store, begin(store), State.FAILED).rotation
    (lasting,) = store.alerts.lasting()
    assert (f"rotation {parked.id}", Kind.PARKED, NOW) == (lasting.subject, lasting.finding.kind, lasting.reported_at)
    assert parked.failure
    assert parked.failure.code == lasting.finding.code
    store.rotations.write(parked, machine.abandon(parked, NOW), event=ABANDON, actor="ada", detail={})
    alert = f"{parked.id}-2"
    assert [(f"{alert}.1", Kind.PARKED, Phase.BEGAN), (f"{alert}.2", Kind.PARKED, Phase.ENDED)] == reported(store)
    assert [] == store.alerts.lasting()


def test_a_move_that_is_not_stored_tells_nothing(store: Store) -> None:
    """A worker that lost its claim parks nothing, and tells nothing."""
    claim = begin(store)
    carry(store, claim, State.KEY_GENERATED)
    with pytest.raises(Stale):
        carry(store, claim, State.FAILED)
    assert [] == reported(store)


def test_a_reminder_comes_while_it_lasts(store: Store) -> None:
    """Looking again at once tells nothing; a day later, once more; and all of it is numbered."""
    parked = carry(store, begin(store), State.FAILED).rotation
    found = of_rotation(parked, NOW)
    assert found
    assert store.alerts.settle_rotation(parked.id, "x", NOW) is None
    reminder = store.alerts.settle_rotation(parked.id, "x", NOW + timedelta(days=1))
    assert reminder
    assert (f"{parked.id}-2.2", Phase.LASTS) == (reminder.id, reminder.phase)
    assert store.alerts.settle_rotation(parked.id, "x", NOW + timedelta(days=1)) is None
    changed = store.alerts.settle(f"rotation {parked.id}", replace(found, code="OTHER"), "x", LATER)
    assert changed
    assert (f"{parked.id}-2.3", Phase.CHANGED) == (changed.id, changed.phase)


def test_a_certificate_that_ends_is_reported_once_for_each_step(store: Store) -> None:
    """The step is stored: to look again tells nothing, not even days later, until the next step is reached."""
    subject, found = "connection acme", of_rotation(carry(store, begin(store), State.FAILED).rotation, NOW)
    assert found
    found = replace(found, kind=Kind.EXPIRING, connection="acme", rotation=None, code=None)
    for days, now in ((90, NOW), (90, LATER), (30, LATER), (30, LATER + timedelta(days=20))):
        store.alerts.settle(subject, replace(found, days=days), "new", now)
    store.alerts.settle(subject, None, "x", LATER)
    assert [
        ("new.1", Kind.EXPIRING, Phase.BEGAN),
        ("new.2", Kind.EXPIRING, Phase.CHANGED),
        ("new.3", Kind.EXPIRING, Phase.ENDED),
    ] == reported(store)[1:]
    assert [30, 30, 90] == [each.message.finding.days for each in store.alerts.newest(3)]


def test_a_rotation_that_is_gone_ends_its_alert(store: Store) -> None:
    """What no row says any more is over."""
    found = of_rotation(carry(store, begin(store), State.FAILED).rotation, NOW)
    assert store.alerts.settle(f"rotation {an_id(9)}", found, "new", NOW)
    over = store.alerts.settle_rotation(an_id(9), "x", LATER)
    assert over
    assert ("new.2", Phase.ENDED) == (over.id, over.phase)
    assert store.alerts.settle_rotation(an_id(9), "x", LATER) is None


def test_one_process_sends_at_a_time(store: Store) -> None:
    """The turn is one holder's until it ends it or its lease runs out; to take it again keeps it."""
    assert store.alerts.take_turn("w1", lease=60)
    assert store.alerts.take_turn("w1", lease=60)
    assert not store.alerts.take_turn("w2", lease=60)
    store.alerts.end_turn("w2")
    assert not store.alerts.take_turn("w2", lease=60)
    store.alerts.end_turn("w1")
    assert store.alerts.take_turn("w2", lease=-1)
    assert store.alerts.take_turn("w1", lease=60)


def test_what_was_sent_is_noted_and_forgotten(store: Store) -> None:
    """A message is unsent until it is done; then it is kept for a while."""
    carry(store, begin(store), State.FAILED)
    (stored,) = store.alerts.unsent(9)
    assert 1 == store.alerts.number_unsent()
    store.alerts.note(stored.number, delivered={"a"}, error="b: away", done_at=None)
    (stored,) = store.alerts.unsent(9)
    assert (["a"], "b: away") == (stored.delivered, stored.error)
    store.alerts.note(stored.number, delivered={"b", "a"}, error="", done_at=NOW)
    assert ([], False, 0) == (store.alerts.unsent(9), store.alerts.has_unsent(), store.alerts.number_unsent())
    store.alerts.forget(NOW)
    assert [(["a", "b"], NOW)] == [(each.delivered, each.done_at) for each in store.alerts.newest(9)]
    store.alerts.forget(LATER)
    assert [] == store.alerts.newest(9)


def test_an_alert_that_was_removed_begins_again(store: Store) -> None:
    """Who removes alerts and messages from the database hides none that lasts: the next look tells it."""
    parked = carry(store, begin(store), State.FAILED).rotation
    with store._database.writing() as tx:
        for table in ("alerts", "outbox"):
            tx.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - the test's own
    assert store.alerts.settle_rotation(parked.id, "new", LATER)
    assert [("new.1", Kind.PARKED, Phase.BEGAN)] == reported(store)


def test_a_message_that_was_changed_keeps_no_other_from_being_sent(store: Store) -> None:
    """What Keyturn never wrote is reported as such; its rotation is judged by its own row."""
    parked = carry(store, begin(store), State.FAILED).rotation
    with store._database.writing() as tx:
        for table in ("alerts", "outbox"):
            tx.execute(text(f"UPDATE {table} SET finding = '[1]'"))  # noqa: S608 - the test's own
    assert [Kind.TAMPERED] == [each.message.finding.kind for each in store.alerts.unsent(9)]
    changed = store.alerts.settle_rotation(parked.id, "x", NOW)
    assert changed
    assert (Phase.CHANGED, Kind.PARKED) == (changed.phase, changed.finding.kind)
    assert FAIL == store.journal.of(parked.id)[-1].event
