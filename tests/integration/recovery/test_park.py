"""Parking: a person stops a postponed rotation, and can then recover it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from integration.fixture_types import Carry, Rotate
from support.environment import NAME
from support.request_history import assert_openair_came_second
from support.stopping import StopAt

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.certificate import Certificate
from states.connection import OpenAirKind, OpenAirSettings
from states.errors import IllegalMove, RotationOpen, Stale
from states.rotation import Ending, Rotation
from states.state import State

BUSY = Fault("openair.api", "throttle", action="Modify", times=None)
"""OpenAir can be read, and throttles every other command."""


@pytest.fixture
def postponed(first: Certificate, simulator: Simulator, rotate: Rotate) -> Rotation:
    """A second rotation, postponed in the outage: OpenAir throttles the save."""
    del first
    simulator.faults.add(BUSY)
    waiting = rotate()
    assert (State.UPLOADED_TO_NETSUITE, True) == (waiting.state, bool(waiting.waiting_for))
    return waiting


def test_parking_and_restoring_ends_an_outage(app: Keyturn, simulator: Simulator, postponed: Rotation) -> None:
    """A postponed rotation cannot be restored; a parked one can, and imports are accepted again."""
    with pytest.raises(IllegalMove, match="is UploadedToNetSuite, not Failed"):
        app.recovery.restore(postponed.id, actor="ada")
    assert str(simulator.import_requests.send()).startswith("Error:")
    app.rotations.park(postponed.id, actor="ada", reason="OpenAir is being upgraded")
    restored = app.recovery.restore(postponed.id, actor="ada")
    assert ("project=T", Ending.RESTORED) == (simulator.import_requests.send(), restored.ending)
    assert_openair_came_second(simulator.history.entries())
    app.journal.verify()


def test_parking_records_who_and_why(app: Keyturn, postponed: Rotation) -> None:
    """Failure and journal have the person and the reason; position and proofs stay."""
    parked = app.rotations.park(postponed.id, actor="ada", reason="OpenAir is being upgraded.")
    assert parked.failure
    failure = ("PARKED_BY_PERSON", "ada parked it: OpenAir is being upgraded.")
    assert failure == (parked.failure.code, parked.failure.message)
    assert (State.FAILED, State.UPLOADED_TO_NETSUITE) == (parked.state, parked.position)
    assert (postponed.proofs.confirmation, postponed.skew_from) == (parked.proofs.confirmation, parked.skew_from)
    last = app.rotations.journal(postponed.id)[-1]
    assert ("fail", "ada", failure) == (last.event, last.actor, (last.detail["code"], last.detail["message"]))


def test_no_worker_claims_a_parked_rotation(app: Keyturn, postponed: Rotation) -> None:
    """No worker claims a parked rotation, its connection takes no other one, and it cannot be parked twice."""
    parked = app.rotations.park(postponed.id, actor="ada")
    much_later = postponed.available_at + timedelta(days=2)
    assert app.store.claims.claim("test", lease=15, now=much_later) is None
    with pytest.raises(RotationOpen):
        app.rotations.request(NAME, actor="ada")
    with pytest.raises(IllegalMove, match="It is parked already"):
        app.rotations.park(postponed.id, actor="ada")
    assert parked == app.rotations.show(postponed.id)


def test_parked_and_resumed(app: Keyturn, simulator: Simulator, postponed: Rotation, carry: Carry) -> None:
    """A resumed rotation continues where it was, with one candidate and one upload."""
    app.rotations.park(postponed.id, actor="ada")
    simulator.faults.clear()
    resumed = app.rotations.resume(postponed.id, actor="ada")
    done = carry(resumed)
    assert (State.COMPLETED, postponed.proofs.candidate, 2) == (done.state, done.proofs.candidate, done.attempt)


def test_a_claimed_rotation_is_not_parked(app: Keyturn, postponed: Rotation) -> None:
    """While a worker holds the rotation, parking is refused, because its step may be sending a request."""
    claim = app.store.claims.claim("busy", lease=15, now=postponed.available_at, rotation_id=postponed.id)
    assert claim
    with pytest.raises(Stale, match="is being worked on"):
        app.rotations.park(postponed.id, actor="ada")
    assert State.UPLOADED_TO_NETSUITE is app.rotations.show(postponed.id).state


def test_parking_can_wait_for_the_worker(app: Keyturn, postponed: Rotation, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``wait``, a rotation is parked as soon as the worker that holds it has released it."""
    claim = app.store.claims.claim("busy", lease=15, now=postponed.available_at, rotation_id=postponed.id)
    assert claim
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            app.store.claims.release(claim)

    monkeypatch.setattr(app.clock, "sleep", sleep)
    assert State.FAILED is app.rotations.park(postponed.id, actor="ada", wait=True).state
    assert 3 == len(waited)


def test_the_step_of_a_dead_worker_is_in_doubt(app: Keyturn, first: Certificate) -> None:
    """A rotation parked after a worker died in a step is in doubt, and cannot be abandoned before the hold-off ends."""
    del first
    _, claim = app.rotations.request_and_claim(NAME, actor="tester")
    assert claim
    with app.engine(StopAt(State.KEY_GENERATED)) as engine:
        made = engine.run(claim)
    dead = app.store.claims.claim("dead", lease=-1, now=made.available_at, rotation_id=made.id)
    assert dead
    parked = app.rotations.park(made.id, actor="ada")
    assert (True, True) == (parked.doubt.since is not None, parked.doubt.in_flight_until is not None)
    with pytest.raises(IllegalMove, match="may still take effect"):
        app.recovery.abandon(made.id, actor="ada")


def test_a_new_request_is_parked_and_abandoned(app: Keyturn, simulator: Simulator) -> None:
    """A requested rotation can be parked and abandoned before a worker claims it, and nothing is sent."""
    asked = app.rotations.request(NAME, actor="ada")
    app.rotations.park(asked.id, actor="ada", reason="the wrong connection")
    closed = app.recovery.abandon(asked.id, actor="ada")
    assert (Ending.ABANDONED, []) == (closed.ending, simulator.history.entries())


def test_a_rotation_that_waits_for_a_person_can_be_parked(app: Keyturn, rotate: Rotate, carry: Carry) -> None:
    """A rotation that waits for a person to save the certificate can be parked."""
    by_hand = OpenAirSettings(kind=OpenAirKind.EXPORT)
    app.connections.edit(replace(app.connections.show(NAME), openair=by_hand), {}, actor="tester")
    waiting = carry(app.rotations.begin(rotate().id, actor="ada"))
    parked = app.rotations.park(waiting.id, actor="ada")
    assert (True, True) == (waiting.awaits_person, parked.awaits_person)
    assert (State.FAILED, State.UPLOADED_TO_NETSUITE, "") == (parked.state, parked.position, parked.waiting_for)
