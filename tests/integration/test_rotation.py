"""Whole rotations over real HTTP against the simulator."""

from dataclasses import replace

import pytest
from integration.fixture_types import Carry, Rotate
from support.advice import text
from support.environment import NAME
from support.request_history import assert_openair_came_second, installed, saved

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.connection import Algorithm, OpenAirKind, OpenAirSettings, Policy
from states.due import Need
from states.errors import InvalidInput, RotationOpen
from states.health import NO_VALID_CERTIFICATE
from states.rotation import Candidate, Cause, Rotation
from states.state import State


def test_initial_set_up(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """The set-up replaces the placeholder in both systems, and imports are accepted."""
    before = app.health.health(NAME)
    done = rotate()
    answer = simulator.import_requests.send()
    after = app.health.health(NAME)
    assert done.proofs.candidate
    expiry = f"{done.proofs.candidate.certificate.not_after:%Y-%m-%d}"
    assert (NO_VALID_CERTIFICATE, f"Current real-time import certificate is valid until {expiry}") == (
        before.sentence,
        after.sentence,
    )
    assert (State.COMPLETED, Cause.INITIAL, ()) == (done.state, done.cause, after.problems)
    assert answer == "project=T"
    assert (
        [done.proofs.candidate.fingerprint]
        == installed(simulator.history.entries())
        == saved(simulator.history.entries())
    )
    assert_openair_came_second(simulator.history.entries())


def test_second_rotation_replaces_the_first(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """The second rotation replaces the first one's certificate and destroys its private key."""
    first, second = rotate(), rotate()
    assert first.proofs.candidate
    assert second.proofs.candidate
    assert (first.proofs.candidate.certificate, Cause.MANUAL) == (second.previous, second.cause)
    assert second.proofs.candidate.certificate == app.connections.show(NAME).current
    assert b"" == _candidate(app.rotations.show(first.id)).sealed_key
    assert b"" != _candidate(app.rotations.show(second.id)).sealed_key
    assert_openair_came_second(simulator.history.entries())


def test_keys_are_destroyed_if_the_policy_says_so(app: Keyturn, rotate: Rotate) -> None:
    """With keep_key off, the new private key is destroyed when the rotation completes."""
    connection = app.connections.show(NAME)
    app.connections.edit(
        replace(connection, policy=Policy(algorithm=Algorithm.EC_P256, keep_key=False)), {}, actor="tester"
    )
    assert b"" == _candidate(app.rotations.show(rotate().id)).sealed_key


def test_journal_has_every_move(app: Keyturn, rotate: Rotate) -> None:
    """The journal has an entry for the request and for each move, in order, and its chain verifies."""
    done = rotate()
    entries = app.rotations.journal(done.id)
    expected = ["request", "generate_key", "upload_to_netsuite", "save_to_openair", "verify"]
    assert expected == [entry.event for entry in entries]
    assert [1, 2, 3, 4, 5] == [entry.seq for entry in entries]
    assert app.journal.verify().entries == 5


def test_second_rotation_while_one_is_open(app: Keyturn) -> None:
    """A second open rotation of a connection is refused, and the error names the first."""
    first = app.rotations.request(NAME, actor="tester")
    with pytest.raises(RotationOpen, match=first.id):
        app.rotations.request(NAME, actor="tester")
    assert [first.id] == [rotation.id for rotation in app.lists.rotations().items]


def test_missing_record_is_parked_and_created_on_demand(
    app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry
) -> None:
    """A missing record parks the rotation in the vendor's words; resuming with `create_record` creates it."""
    simulator.netsuite.record.reset("missing")
    parked = rotate()
    assert parked.failure
    assert (State.FAILED, State.KEY_GENERATED, "CERTIFICATE_NOT_FOUND") == (
        parked.state,
        parked.failure.failed_from,
        parked.failure.code,
    )
    assert 'Certificate "custcertificate_oa_realtime" not found' in parked.failure.message
    assert "_oa_realtime" in text(parked.failure.next_action)
    done = carry(app.rotations.resume(parked.id, actor="tester", create_record=True))
    assert (State.COMPLETED, parked.id, 2) == (done.state, done.id, done.attempt)
    assert parked.proofs.candidate == done.proofs.candidate
    assert_openair_came_second(simulator.history.entries())


def test_missing_record_is_resumed_after_the_repair(
    app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry
) -> None:
    """After an administrator has restored the record, a resume completes the rotation."""
    simulator.netsuite.record.reset("missing")
    parked = rotate()
    simulator.netsuite.record.reset("placeholder")
    done = carry(app.rotations.resume(parked.id, actor="tester"))
    assert done.state is State.COMPLETED


def test_abandoned_rotation_frees_its_connection(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """Abandoning a rotation that was never sent destroys its key, and another rotation can begin."""
    simulator.netsuite.record.reset("missing")
    parked = rotate()
    closed = app.recovery.abandon(parked.id, actor="tester", reason="a new one is wanted")
    kept = _candidate(app.rotations.show(parked.id)).sealed_key
    assert (State.FAILED, False, b"") == (closed.state, closed.is_open, kept)
    simulator.netsuite.record.reset("placeholder")
    assert rotate().state is State.COMPLETED
    assert ["request", "generate_key", "fail", "abandon"] == [entry.event for entry in app.rotations.journal(parked.id)]
    app.journal.verify()


def test_foreign_rotation_is_parked(app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry) -> None:
    """A foreign certificate is replaced only after a person says so."""
    rotate()
    simulator.netsuite.record.reset("foreign")
    before = installed(simulator.history.entries())
    parked = rotate()
    assert parked.failure
    assert parked.failure.code == "FOREIGN_ROTATION"
    assert before == installed(simulator.history.entries())
    assert "DRIFT" in [problem.code for problem in app.health.health(NAME).problems]
    done = carry(app.rotations.resume(parked.id, actor="tester", overwrite=True))
    assert done.state is State.COMPLETED
    assert_openair_came_second(simulator.history.entries())


def test_health_reports_that_netsuite_cannot_sign(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """If NetSuite reports its record but cannot sign, the health check reports the problem."""
    rotate()
    simulator.faults.add(Fault("netsuite.restlet", "503", action="sign", times=None))
    assert ["TRY_LATER"] == [problem.code for problem in app.health.health(NAME).problems]


def test_export_waits_for_a_person(app: Keyturn, carry: Carry) -> None:
    """With the export adapter the rotation waits for a person, and completes on the confirmation."""
    by_hand = OpenAirSettings(kind=OpenAirKind.EXPORT)
    app.connections.edit(replace(app.connections.show(NAME), openair=by_hand), {}, actor="tester")
    _, claim = app.rotations.request_and_claim(NAME, actor="tester")
    assert claim
    with app.engine() as engine:
        unbegun = engine.run(claim)
    waiting = carry(app.rotations.begin(unbegun.id, actor="tester"))
    candidate = _candidate(waiting)
    (file,) = app.settings.export_folder.iterdir()
    assert (State.UPLOADED_TO_NETSUITE, 0) == (waiting.state, waiting.tries)
    assert candidate.certificate.pem == file.read_text()
    assert str(file) in waiting.waiting_for
    with pytest.raises(InvalidInput, match="OpenAir holds"):
        app.rotations.confirm(waiting.id, "00" * 32, actor="tester")
    done = carry(app.rotations.confirm(waiting.id, candidate.fingerprint.upper(), actor="tester"))
    assert done.state is State.COMPLETED


def test_due_connections_are_rotated(app: Keyturn, simulator: Simulator) -> None:
    """A new connection is due for its set-up; afterwards its next due date is drawn."""
    assert (Need.MISSING, [NAME]) == (app.health.needs_rotation(NAME), app.schedule.all_due())
    (started,) = app.schedule.start_due(actor="cron").started
    assert app.schedule.all_due() == []
    claim = app.store.claims.claim("test", lease=15, now=app.clock.now())
    assert claim
    with app.engine() as engine:
        done = engine.run(claim)
    connection = app.connections.show(NAME)
    assert (started.id, State.COMPLETED, Need.NOT_DUE) == (done.id, done.state, app.health.needs_rotation(NAME))
    assert connection.due_at
    assert connection.current
    left = connection.current.not_after - connection.due_at
    assert 7 <= left.days <= 14
    assert_openair_came_second(simulator.history.entries())


def test_request_verify_names_the_signer(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """An import request is signed by the current certificate, the previous one, or none of them."""
    assert simulator.import_requests.send()
    unknown = simulator.import_requests.counts().last_url
    rotate()
    simulator.import_requests.send()
    first = simulator.import_requests.counts().last_url
    rotate()
    simulator.import_requests.send()
    second = simulator.import_requests.counts().last_url
    assert unknown
    assert first
    assert second
    assert [None, "previous", "current"] == [app.health.signed_by(url, NAME) for url in (unknown, first, second)]


def _candidate(rotation: Rotation) -> Candidate:
    assert rotation.proofs.candidate
    return rotation.proofs.candidate
