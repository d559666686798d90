"""Parking: a person stops a rotation that is tried again and again, and is then free to end it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from integration.fixture_types import Carry, Rotate
from support.environment import NAME
from support.request_history import assert_openair_came_second

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.certificate import Certificate
from states.connection import OpenAirKind, OpenAirSettings
from states.errors import IllegalMove, RotationOpen, Stale
from states.rotation import Ending, Rotation
from states.state import State

BUSY = Fault("openair.api", "throttle", action="Modify", times=None)
"""OpenAir can be read, and asks to come back later for anything else."""


@pytest.fixture
def put_off(first: Certificate, simulator: Simulator, rotate: Rotate) -> Rotation:
    """A second rotation, between the two sides: OpenAir is too busy to take its certificate."""
    del first
    simulator.faults.add(BUSY)
    waiting = rotate()
    assert (State.UPLOADED_TO_NETSUITE, True) == (waiting.state, bool(waiting.waiting_for))
    return waiting


def test_an_outage_need_not_be_waited_out(app: Keyturn, simulator: Simulator, put_off: Rotation) -> None:
    """While it is only put off, nobody can go back; parked, the previous certificate is put back and imports go in."""
    with pytest.raises(IllegalMove, match="is UploadedToNetSuite, not Failed"):
        app.recovery.restore(put_off.id, actor="ada")
    assert str(simulator.import_requests.send()).startswith("Error:")
    app.rotations.park(put_off.id, actor="ada", reason="OpenAir is being upgraded")
    restored = app.recovery.restore(put_off.id, actor="ada")
    assert ("project=T", Ending.RESTORED) == (simulator.import_requests.send(), restored.ending)
    assert_openair_came_second(simulator.history.entries())
    app.installation.verify_journal()


def test_parking_tells_who_and_why(app: Keyturn, put_off: Rotation) -> None:
    """The failure and the journal have it; where the rotation was, and what it proved, stays."""
    parked = app.rotations.park(put_off.id, actor="ada", reason="OpenAir is being upgraded.")
    assert parked.failure
    told = ("PARKED_BY_PERSON", "ada parked it: OpenAir is being upgraded.")
    assert told == (parked.failure.code, parked.failure.message)
    assert (State.FAILED, State.UPLOADED_TO_NETSUITE) == (parked.state, parked.position)
    assert (put_off.proofs.confirmation, put_off.skew_from) == (parked.proofs.confirmation, parked.skew_from)
    last = app.rotations.journal(put_off.id)[-1]
    assert ("fail", "ada", told) == (last.event, last.actor, (last.detail["code"], last.detail["message"]))


def test_nobody_carries_on_what_is_parked(app: Keyturn, put_off: Rotation) -> None:
    """No worker takes it up, however late; the connection takes no other; it is not parked twice."""
    parked = app.rotations.park(put_off.id, actor="ada")
    much_later = put_off.available_at + timedelta(days=2)
    assert app.store.claims.claim("test", lease=15, now=much_later) is None
    with pytest.raises(RotationOpen):
        app.rotations.request(NAME, actor="ada")
    with pytest.raises(IllegalMove, match="It is parked already"):
        app.rotations.park(put_off.id, actor="ada")
    assert parked == app.rotations.show(put_off.id)


def test_parked_and_resumed(app: Keyturn, simulator: Simulator, put_off: Rotation, carry: Carry) -> None:
    """Resumed, it goes on where it was: one candidate, one upload."""
    app.rotations.park(put_off.id, actor="ada")
    simulator.faults.clear()
    resumed = app.rotations.resume(put_off.id, actor="ada")
    done = carry(resumed)
    assert (State.COMPLETED, put_off.proofs.candidate, 2) == (done.state, done.proofs.candidate, done.attempt)


def test_what_a_worker_has_in_hand_is_not_parked(app: Keyturn, put_off: Rotation) -> None:
    """Its step may be sending something: whoever parks is told to come back, and nothing changes."""
    claim = app.store.claims.claim("busy", lease=15, now=put_off.available_at, rotation_id=put_off.id)
    assert claim
    with pytest.raises(Stale, match="is being worked on"):
        app.rotations.park(put_off.id, actor="ada")
    assert State.UPLOADED_TO_NETSUITE is app.rotations.show(put_off.id).state


def test_what_a_dead_worker_had_in_hand_is_in_doubt(app: Keyturn, first: Certificate) -> None:
    """Nobody knows what it had sent: parked, the rotation cannot be abandoned before all of that has landed."""
    del first
    _, claim = app.rotations.request_for("dead", NAME, actor="tester", lease=15)
    assert claim
    with app.engine(stopping=lambda: app.rotations.show(claim.rotation.id).state is State.KEY_GENERATED) as engine:
        made = engine.run(claim)
    dead = app.store.claims.claim("dead", lease=-1, now=made.available_at, rotation_id=made.id)
    assert dead
    parked = app.rotations.park(made.id, actor="ada")
    assert (True, True) == (parked.doubt.since is not None, parked.doubt.in_flight_until is not None)
    with pytest.raises(IllegalMove, match="may still take effect"):
        app.recovery.abandon(made.id, actor="ada")


def test_what_was_never_sent_is_parked_and_abandoned(app: Keyturn, simulator: Simulator) -> None:
    """A request that was a mistake is taken back before any worker takes it up; nothing was sent."""
    asked = app.rotations.request(NAME, actor="ada")
    app.rotations.park(asked.id, actor="ada", reason="the wrong connection")
    closed = app.recovery.abandon(asked.id, actor="ada")
    assert (Ending.ABANDONED, []) == (closed.ending, simulator.history.entries())


def test_what_waits_for_a_person_can_be_parked(app: Keyturn, rotate: Rotate) -> None:
    """Nobody saves the exported certificate: the rotation is stopped, and waits for another decision."""
    by_hand = OpenAirSettings(kind=OpenAirKind.EXPORT)
    app.connections.edit(replace(app.connections.show(NAME), openair=by_hand), {}, actor="tester")
    waiting = rotate()
    parked = app.rotations.park(waiting.id, actor="ada")
    assert (True, False) == (waiting.awaits_person, parked.awaits_person)
    assert (State.FAILED, State.UPLOADED_TO_NETSUITE, "") == (parked.state, parked.position, parked.waiting_for)
