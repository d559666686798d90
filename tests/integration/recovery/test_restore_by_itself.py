"""OpenAir does not take the certificate of a scheduled rotation: Keyturn restores the previous one, over real HTTP."""

from dataclasses import replace
from datetime import timedelta

import pytest
from integration.fixture_types import Carry, Rotate
from integration.recovery.environment import NO_SAVE
from integration.recovery.evidence import events, kept_keys
from support.clock import OffsetClock
from support.environment import NAME
from support.request_history import assert_openair_came_second, installed, saved

from orchestrator import retry
from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states import due, steps
from states.certificate import Certificate
from states.connection import OnRefusal
from states.errors import IllegalMove, Stale
from states.rotation import Ending, Rotation
from states.state import State


@pytest.fixture
def refused(app: Keyturn, simulator: Simulator, first: Certificate, carry: Carry) -> Rotation:
    """A scheduled rotation, parked because OpenAir refuses its certificate; a worker will restore the previous one."""
    assert first
    simulator.faults.add(NO_SAVE)
    return carry(app.rotations.request(NAME, actor="schedule", scheduled=True))


def test_the_outage_ends_without_a_person(
    app: Keyturn, simulator: Simulator, first: Certificate, refused: Rotation, carry: Carry
) -> None:
    """Imports are refused while it is parked, and accepted after a worker carried it on; OpenAir is not written."""
    before = simulator.import_requests.send()
    restored = carry(refused)
    assert before
    assert before.startswith("Error:")
    assert ("project=T", ()) == (simulator.import_requests.send(), app.health.health(NAME).problems)
    assert (Ending.RESTORED, ["restoring", "restore"]) == (restored.ending, events(app, refused))
    assert first.fingerprint == installed(simulator.history.entries())[-1]
    assert [first.fingerprint] == saved(simulator.history.entries())
    assert [False] == kept_keys(app, refused)
    assert_openair_came_second(simulator.history.entries())
    app.journal.verify()


def test_the_next_try_is_scheduled(app: Keyturn, refused: Rotation, carry: Carry, first: Certificate) -> None:
    """A connection that was due is due a day later, and not before; the rotation then replaces the same certificate."""
    with app.store._database.writing() as tx:
        tx.exec_driver_sql("UPDATE connections SET due_at = '2026-01-01 00:00:00.000000'")
    restored = carry(refused)
    assert restored.closed_at
    connection = app.connections.show(NAME)
    assert (first, due.retry_at(first, restored.closed_at)) == (connection.current, connection.due_at)
    assert [] == app.schedule.all_due()


def test_a_person_is_not_overtaken(app: Keyturn, simulator: Simulator, refused: Rotation) -> None:
    """While a person restores, no worker claims the rotation; while a worker does, a person can change nothing."""
    held = app.store.claims.hold("ada", refused, lease=15)
    assert app.store.claims.claim("worker", lease=15, now=refused.available_at, rotation_id=refused.id) is None
    app.store.claims.release(held)
    assert app.store.claims.claim("worker", lease=15, now=refused.available_at, rotation_id=refused.id)
    sent = len(simulator.history.entries())
    for verb in (app.recovery.restore, app.rotations.resume):
        with pytest.raises(Stale):
            verb(refused.id, actor="ada")
    assert sent == len(simulator.history.entries())


def test_a_person_who_resumes_first(app: Keyturn, simulator: Simulator, refused: Rotation, carry: Carry) -> None:
    """A rotation that a person resumes goes on to the end once OpenAir takes the certificate."""
    simulator.faults.clear()
    done = carry(app.rotations.resume(refused.id, actor="ada"))
    assert (State.COMPLETED, 2) == (done.state, done.attempt)


def test_a_lost_save_forbids_it_until_the_hold_off(
    app: Keyturn,
    simulator: Simulator,
    clock: OffsetClock,
    first: Certificate,
    carry: Carry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A save whose answer was lost may still take effect: neither a worker nor a person restores before then."""
    assert first
    policy = replace(retry.TABLE[steps.save_to_openair], attempts=1, most_postponements=0)
    monkeypatch.setitem(retry.TABLE, steps.save_to_openair, policy)
    simulator.faults.add(Fault("openair.api", "reset", action="Modify", times=None))
    parked = carry(app.rotations.request(NAME, actor="schedule", scheduled=True))
    assert parked.doubt.in_flight_until
    assert parked.available_at > parked.doubt.in_flight_until
    with pytest.raises(IllegalMove, match="may still take effect"):
        app.recovery.restore(parked.id, actor="ada")
    assert app.store.claims.claim("w", lease=15, now=clock.now(), rotation_id=parked.id) is None
    clock.ahead = timedelta(minutes=4)
    restored = carry(parked)
    assert (Ending.RESTORED, first.fingerprint) == (restored.ending, installed(simulator.history.entries())[-1])


def test_what_a_person_watches_is_parked(simulator: Simulator, first: Certificate, rotate: Rotate) -> None:
    """A rotation that a person began waits for a person, by default."""
    assert first
    simulator.faults.add(NO_SAVE)
    parked = rotate()
    assert (State.FAILED, True, OnRefusal.PARK) == (parked.state, parked.awaits_person, parked.policy.on_refusal)


def test_a_person_may_ask_for_it(app: Keyturn, simulator: Simulator, first: Certificate, carry: Carry) -> None:
    """`on_refusal` of the request decides before the connection's policy."""
    simulator.faults.add(NO_SAVE)
    asked = app.rotations.request(NAME, actor="ada", on_refusal=OnRefusal.RESTORE)
    restored = carry(carry(asked))
    assert (Ending.RESTORED, first) == (restored.ending, restored.previous)
