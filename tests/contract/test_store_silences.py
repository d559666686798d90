"""Silences are stored with who, why and until when, and cannot be forged, on both databases."""

from datetime import timedelta

import pytest
from contract.test_journal import tamper
from support.factories import NOW, a_silence, an_id, begin, carry

from persistence.store import Store
from states.alert import Kind, Phase
from states.errors import JournalBroken, NotFound
from states.state import State

SILENCE = a_silence(kind=Kind.DUE)
LATER = NOW + timedelta(days=3)


def test_a_silence_is_active_until_its_end(store: Store) -> None:
    """It is read as it was added, active until its moment, kept afterwards, and forgotten."""
    store.silences.add(SILENCE)
    assert [SILENCE] == store.silences.active(NOW)
    assert [] == store.silences.active(SILENCE.until)
    assert [(SILENCE, True)] == store.silences.all()
    store.silences.forget(SILENCE.until)
    assert [(SILENCE, True)] == store.silences.all()
    store.silences.forget(LATER)
    assert [] == store.silences.all()


def test_a_silence_is_ended_once(store: Store) -> None:
    """Who ended it early, and when, is kept; one that is over, or that no one added, cannot be ended."""
    store.silences.add(SILENCE)
    ended = store.silences.end(SILENCE.id, by="bob", now=NOW)
    assert ended
    assert ("bob", NOW) == (ended.ended_by, ended.ended_at)
    assert ([(ended, True)], []) == (store.silences.all(), store.silences.active(NOW))
    store.journal.verify()
    for silence_id in (SILENCE.id, an_id(60)):
        with pytest.raises(NotFound):
            store.silences.end(silence_id, by="bob", now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        *("connection = 'other'", "connection = NULL", "kind = 'PARKED'", "kind = NULL", "reason = 'none'"),
        *("created_by = 'eve'", "until = '2026-12-24 00:00:00.000000+00:00'", "ended_by = 'eve'", "code = '1-00'"),
        *(f"id = '{an_id(61)}'", "kind = 'OUTAGE', connection = NULL", "kind = 'UNHEARD'"),
    ],
)
def test_a_forged_silence_silences_nothing(store: Store, change: str) -> None:
    """A silence whose row was changed is not active; the check of the journal says so, and to end it removes it."""
    store.silences.add(SILENCE)
    tamper(store, f"UPDATE silences SET {change}")  # noqa: S608 - the test's own words
    assert [] == store.silences.active(NOW)
    assert [] == [silence for silence, is_authentic in store.silences.all() if is_authentic]
    with pytest.raises(JournalBroken, match=r"The silence \w+ was changed outside Keyturn"):
        store.journal.verify()
    silence_id = an_id(61) if change.startswith("id") else SILENCE.id
    assert store.silences.end(silence_id, by="bob", now=NOW) is None
    store.journal.verify()


def test_a_removed_silence_silences_nothing(store: Store) -> None:
    """Who removes a silence has the alerts sent that it covered."""
    store.silences.add(SILENCE)
    tamper(store, "DELETE FROM silences")
    assert [] == store.silences.active(NOW)
    store.journal.verify()


def test_the_all_clear_of_what_no_one_heard_is_known(store: Store) -> None:
    """An alert of which every message was silenced differs from one that a receiver heard of."""
    parked = carry(store, begin(store), State.FAILED).rotation
    (stored,) = store.alerts.unsent(9)
    assert not store.alerts.lasting()[0].was_silenced
    store.alerts.silence(stored.number, SILENCE.id, NOW)
    (silenced,) = store.alerts.newest(9)
    assert (SILENCE.id, NOW, True) == (silenced.silence, silenced.done_at, store.alerts.lasting()[0].was_silenced)
    assert store.alerts.settle_rotation(parked.id, "x", LATER, [a_silence()]) is None
    reminder = store.alerts.settle_rotation(parked.id, "x", NOW)
    assert reminder
    assert (Phase.LASTS, SILENCE.id) == (reminder.phase, store.alerts.silencing_all_before(reminder))
    assert not store.alerts.lasting()[0].was_silenced
    over = store.alerts.settle(f"rotation {parked.id}", None, "x", NOW)
    assert over
    assert store.alerts.silencing_all_before(over) is None, "the reminder is not silenced"
    (stored, _) = store.alerts.unsent(9)
    store.alerts.silence(stored.number, SILENCE.id, NOW)
    assert SILENCE.id == store.alerts.silencing_all_before(over)
    tamper(store, "UPDATE outbox SET delivered = '[\"ops\"]' WHERE seq = 1")
    assert store.alerts.silencing_all_before(over) is None, "one receiver has the first message"
