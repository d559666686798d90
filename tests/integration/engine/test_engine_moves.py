"""Steps that go well: each move is stored with its proof, told and logged, to the end."""

import logging
from datetime import timedelta

import pytest
from integration.engine.environment import LEASE, Stage, about, extra
from support.factories import a_rotation, add

from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from states import due
from states.state import State
from states.table import FORWARD


def test_every_move_is_journaled_with_its_proof(stage: Stage) -> None:
    """Each entry has the fingerprint, what is needed to check the proof again, and how long the step took."""
    done = stage.run()
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
    moves = stage.entries(done)[1:]
    assert [edge.trigger for edge in FORWARD] == [entry.event for entry in moves]
    assert expected == [entry.detail for entry in moves]
    assert ["w1"] * 4 == [entry.actor for entry in moves]


def test_seconds_are_told_to_the_millisecond(stage: Stage) -> None:
    """What a step took is journaled with three decimals."""
    clock = stage.systems.clock
    clock.moment += timedelta(microseconds=123)
    stage.systems.after_call = lambda _call: setattr(clock, "moment", clock.moment + timedelta(microseconds=1456))
    assert 0.251 == stage.entries(stage.run())[1].detail["seconds"]


def test_with_the_last_move_the_next_rotation_is_drawn(stage: Stage) -> None:
    """Completed, the certificate is the connection's, due at the moment that was drawn, and there is room for more."""
    done = stage.run()
    connection = stage.store.connections.get("acme")
    assert done.proofs.candidate
    assert (State.COMPLETED, done) == (done.state, stage.store.rotations.get(done.id))
    assert done.proofs.candidate.certificate == connection.current
    assert due.draw_due_at(done.proofs.candidate.certificate, 0.25) == connection.due_at
    add(stage.store, a_rotation(id="01JDCCCCCC9999999999999999"))


def test_whoever_listens_hears_of_each_move(stage: Stage) -> None:
    """The listener is given the rotation as it was stored, after every step."""
    done = stage.run()
    assert [edge.target for edge in FORWARD] == [rotation.state for rotation in stage.heard]
    assert done == stage.heard[-1]


def test_nobody_needs_to_listen_or_to_stop(stage: Stage) -> None:
    """Without a listener, and with nothing that asks to stop, a rotation goes its way."""
    engine = Engine(stage.store, stage.connect, LeaseRenewer(stage.store, lease=LEASE), stage.systems.clock)
    assert State.COMPLETED is engine.run(stage.begin()).state


def test_a_move_is_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Each move is logged with rotation, connection, state, step and how long it took."""
    with caplog.at_level(logging.INFO, "keyturn.rotation"):
        done = stage.run(State.SAVED_TO_OPENAIR)
    (record,) = caplog.records
    assert ("rotation moved", logging.INFO) == (record.message, record.levelno)
    seconds = stage.last(done).detail["seconds"]
    assert {**about(done), "step": "verify", "seconds": seconds} == extra(record)
