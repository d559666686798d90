"""Steps that go well: each move is stored with its proof, published and logged, to the end."""

import logging
from datetime import timedelta

import pytest
from integration.engine.environment import LEASE, EngineEnvironment, about, extra
from support.factories import a_rotation, add

from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from orchestrator.views.journal import warnings_in
from orchestrator.views.timeline import describe
from states import due
from states.errors import Unknown
from states.state import State
from states.table import FORWARD


def test_every_move_is_journaled_with_its_proof(environment: EngineEnvironment) -> None:
    """Each entry has the fingerprint, what is needed to check the proof again, and how long the step took."""
    done = environment.run()
    candidate, proof = done.proofs.candidate, done.proofs.confirmation
    assert candidate
    assert proof
    fingerprint = {"fingerprint": candidate.fingerprint}
    signature = {
        "challenge": proof.challenge.nonce,
        "signature": proof.signature,
        "asked_at": proof.asked_at.isoformat(),
    }
    expected = [
        {**fingerprint, "not_after": candidate.certificate.not_after.isoformat(), "seconds": 0.25},
        {**fingerprint, **signature, "seconds": 0.75},
        {**fingerprint, "seconds": 0.5},
        {**fingerprint, "seconds": 0.5},
    ]
    moves = environment.entries(done)[1:]
    assert [edge.trigger for edge in FORWARD] == [entry.event for entry in moves]
    assert expected == [entry.detail for entry in moves]
    assert ["w1"] * 4 == [entry.actor for entry in moves]


def test_what_netsuite_could_not_do_is_journaled(environment: EngineEnvironment) -> None:
    """The move has the warnings of the install, each once, also those of a try whose answer was lost."""
    environment.systems.netsuite.warnings = ["Delete the key file.", "Delete the key file."]
    environment.systems.will_fail("netsuite.install", Unknown())
    done = environment.run()
    uploaded = next(entry for entry in environment.entries(done) if entry.target is State.UPLOADED_TO_NETSUITE)
    assert (State.COMPLETED, ["Delete the key file."]) == (done.state, uploaded.detail["warnings"])
    assert ["Delete the key file."] == warnings_in(environment.entries(done))
    assert describe(uploaded, None).endswith("Delete the key file.")


def test_seconds_are_recorded_to_the_millisecond(environment: EngineEnvironment) -> None:
    """What a step took is journaled with three decimals."""
    clock = environment.systems.clock
    clock.moment += timedelta(microseconds=123)
    environment.systems.after_call = lambda _call: setattr(clock, "moment", clock.moment + timedelta(microseconds=1456))
    assert 0.251 == environment.entries(environment.run())[1].detail["seconds"]


def test_with_the_last_move_the_next_rotation_is_drawn(environment: EngineEnvironment) -> None:
    """Completed, the certificate is the connection's, due at the moment that was drawn, and there is room for more."""
    done = environment.run()
    connection = environment.store.connections.get("acme")
    assert done.proofs.candidate
    assert (State.COMPLETED, done) == (done.state, environment.store.rotations.get(done.id))
    assert done.proofs.candidate.certificate == connection.current
    assert due.draw_due_at(done.proofs.candidate.certificate, 0.25) == connection.due_at
    add(environment.store, a_rotation(id="01JDCCCCCC9999999999999999"))


def test_a_listener_receives_each_move(environment: EngineEnvironment) -> None:
    """The listener is given the rotation as it was stored, after every step."""
    done = environment.run()
    assert [edge.target for edge in FORWARD] == [rotation.state for rotation in environment.heard]
    assert done == environment.heard[-1]


def test_no_listener_and_no_stop_are_needed(environment: EngineEnvironment) -> None:
    """Without a listener, and with nothing that asks to stop, a rotation goes its way."""
    engine = Engine(
        environment.store, environment.connect, LeaseRenewer(environment.store, lease=LEASE), environment.systems.clock
    )
    assert State.COMPLETED is engine.run(environment.begin()).state


def test_a_move_is_logged(environment: EngineEnvironment, caplog: pytest.LogCaptureFixture) -> None:
    """Each move is logged with rotation, connection, state, step and how long it took."""
    with caplog.at_level(logging.INFO, "keyturn.rotation"):
        done = environment.run(State.SAVED_TO_OPENAIR)
    (record,) = caplog.records
    assert ("rotation moved", logging.INFO) == (record.message, record.levelno)
    seconds = environment.last(done).detail["seconds"]
    assert {**about(done), "step": "verify", "seconds": seconds} == extra(record)
