"""Rotations with failures, over real HTTP: they retry, are postponed, or are parked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from integration.fixture_types import Carry, Rotate
from support.advice import commands, text
from support.clock import FakeClock, OffsetClock
from support.environment import NAME, consent, secrets
from support.request_history import assert_openair_came_second, installed, saved

from orchestrator.adapters.openair_auth import Grant
from orchestrator.bootstrap import Keyturn
from orchestrator.secrets import SecretName, Secrets
from persistence import models
from simulator import Fault, Simulator
from states.connection import Algorithm
from states.state import State
from states.timing import HOLD_OFF


def test_openair_is_checked_before_the_upload(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """If OpenAir refuses the sign-in, nothing is sent to NetSuite, and no outage begins."""
    simulator.faults.add(Fault("openair.api", "401", times=None))
    parked = rotate()
    assert parked.failure
    assert (State.KEY_GENERATED, "SIGN_IN_REFUSED") == (parked.failure.failed_from, parked.failure.code)
    assert installed(simulator.history.entries()) == []
    assert app.rotations.show(parked.id) == parked


@pytest.mark.parametrize("kind", ["reset", "500", "html", "truncate"])
def test_lost_answer_of_the_upload_is_read_back(simulator: Simulator, rotate: Rotate, kind: str) -> None:
    """After a lost answer the upload is confirmed by a signature of NetSuite, and not sent again."""
    after = None if kind == "truncate" else "after"
    simulator.faults.add(Fault("netsuite.restlet", kind, action="install", when=after))
    done = rotate()
    assert done.proofs.candidate
    assert (State.COMPLETED, [done.proofs.candidate.fingerprint]) == (
        done.state,
        installed(simulator.history.entries()),
    )
    assert_openair_came_second(simulator.history.entries())


@pytest.mark.parametrize("kind", ["reset", "500", "html"])
def test_lost_answer_of_the_save_is_read_back(simulator: Simulator, rotate: Rotate, kind: str) -> None:
    """After a lost answer the save is found by reading OpenAir, and not sent again."""
    simulator.faults.add(Fault("openair.api", kind, action="Add", when="after"))
    done = rotate()
    assert done.proofs.candidate
    assert (State.COMPLETED, [done.proofs.candidate.fingerprint]) == (done.state, saved(simulator.history.entries()))
    assert_openair_came_second(simulator.history.entries())


@pytest.mark.parametrize("endpoint", ["netsuite.token", "netsuite.restlet", "openair.token", "openair.api"])
@pytest.mark.parametrize("kind", ["throttle", "503"])
def test_temporary_failures_are_retried(simulator: Simulator, rotate: Rotate, endpoint: str, kind: str) -> None:
    """A throttle or a 503 at any endpoint is retried, and the rotation completes."""
    simulator.faults.add(Fault(endpoint, kind, when="before", retry_after=0))
    assert rotate().state is State.COMPLETED
    assert_openair_came_second(simulator.history.entries())


def test_revoked_token_is_renewed_once(simulator: Simulator, rotate: Rotate) -> None:
    """After a 401 of the RESTlet, the rotation continues with a new token."""
    simulator.faults.add(Fault("netsuite.restlet", "401"))
    assert rotate().state is State.COMPLETED
    assert len(simulator.history.entries(endpoint="netsuite.token")) == 2


def test_wrong_base_url_is_parked(simulator: Simulator, rotate: Rotate) -> None:
    """A redirect to another data centre parks the rotation as WRONG_BASE_URL."""
    simulator.faults.add(Fault("netsuite.restlet", "302", times=None))
    parked = rotate()
    assert parked.failure
    assert (State.FAILED, "WRONG_BASE_URL") == (parked.state, parked.failure.code)


def test_save_is_retried_at_once_and_then_postponed(
    app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry
) -> None:
    """During the outage a failed save is retried, then postponed for seconds, and the skew grows."""
    simulator.faults.add(Fault("openair.api", "503", action="Add", when="before", times=16, retry_after=5))
    waiting = rotate()
    assert State.UPLOADED_TO_NETSUITE is waiting.state
    assert (1, 5) == (waiting.tries, round((waiting.available_at - waiting.updated_at).total_seconds()))
    assert "OUTAGE" in [problem.code for problem in app.health.health(NAME).problems]
    simulator.faults.clear()
    done = carry(waiting)
    assert done.state is State.COMPLETED
    assert done.proofs.saved
    assert done.skew_from
    assert (done.proofs.saved.at - done.skew_from) == done.skew(app.clock.now())


@pytest.mark.parametrize("noted", [40, 300])
def test_a_dead_workers_refresh_postpones_the_rotation(app: Keyturn, rotate: Rotate, noted: int) -> None:
    """The note of a worker that died during a token refresh postpones the rotation until its end, at most a minute."""
    app.clock = FakeClock(datetime.now(UTC))
    until = app.clock.now() + timedelta(seconds=noted)
    leave_note(app, until)
    waiting = rotate()
    assert (State.KEY_GENERATED, "Another worker is renewing OpenAir's access token.") == (
        waiting.state,
        waiting.waiting_for,
    )
    assert min(until, app.clock.now() + timedelta(minutes=1)) == waiting.available_at


def test_a_refresh_token_that_died_with_its_worker(
    app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry
) -> None:
    """A void refresh token parks the rotation before anything is sent to NetSuite; a new consent completes it."""
    known = simulator.credentials
    form = {"grant_type": "refresh_token", "refresh_token": known.refresh_token}
    client = (known.openair_client_id, known.openair_client_secret)
    assert requests.post(f"{known.openair_url}/login/oauth2/v1/token", form, auth=client, timeout=60).ok
    leave_note(app, app.clock.now())
    parked = rotate()
    assert parked.failure
    assert ("SIGN_IN_REFUSED", State.KEY_GENERATED) == (parked.failure.code, parked.failure.failed_from)
    assert "The answer to an earlier refresh was lost" in parked.failure.message
    assert "A person must consent in OpenAir again." in text(parked.failure.next_action)
    assert [] == installed(simulator.history.entries())
    token = consent(known)
    app.connections.edit(app.connections.show(NAME), {SecretName.OPENAIR_REFRESH_TOKEN: token}, actor="tester")
    assert State.COMPLETED is carry(app.rotations.resume(parked.id, actor="tester")).state


def leave_note(app: Keyturn, until: datetime) -> None:
    """Store the note of a worker that died during a refresh of OpenAir's tokens."""
    secrets = Secrets(app.store, app.vault, app.connections.show(NAME))
    stored, version = secrets.get(SecretName.OPENAIR_REFRESH_TOKEN) or (b"", 0)
    note = replace(Grant.from_bytes(stored), refreshing_until=until, in_doubt=True)
    secrets.replace(SecretName.OPENAIR_REFRESH_TOKEN, note.to_bytes(), version)


def test_a_corrupt_secret_is_entered_again(app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry) -> None:
    """If a secret of the sign-in is corrupt, the next action is to enter it again and resume."""
    with app.store._database.writing() as tx:
        tx.execute(models.secrets.update().values(sealed=bytes(64)))
    parked = rotate()
    assert parked.failure
    named = commands(app.rotations.explain(parked.id).next_action)
    assert ("SEAL_BROKEN", f"rotation resume {parked.id}") == (parked.failure.code, named[0])
    assert named[1].startswith(f"connection edit {NAME} --")
    app.connections.edit(app.connections.show(NAME), secrets(simulator.credentials), actor="tester")
    assert State.COMPLETED is carry(app.rotations.resume(parked.id, actor="tester")).state


def test_a_refused_certificate_makes_room_for_another(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """If NetSuite refuses the certificate, the rotation can be abandoned, and one with another algorithm completes.

    A refusal does not prove that nothing was saved, so the hold-off passes first.
    """
    simulator.faults.add(Fault("netsuite.restlet", "error", "install", code="INVALID_CERTIFICATE"))
    app.clock = clock = OffsetClock()
    parked = rotate()
    clock.ahead = HOLD_OFF + timedelta(seconds=1)
    simulator.clock.offset = clock.ahead
    assert f"rotation abandon {parked.id}" == commands(app.rotations.explain(parked.id).next_action)[0]
    app.recovery.abandon(parked.id, actor="tester")
    connection = app.connections.show(NAME)
    app.connections.edit(
        replace(connection, policy=replace(connection.policy, algorithm=Algorithm.RSA_2048)), {}, actor="tester"
    )
    done = rotate()
    assert (State.COMPLETED, Algorithm.RSA_2048) == (done.state, done.policy.algorithm)


def test_a_missing_secret_is_entered_again(app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry) -> None:
    """If the secrets were removed from the database, nothing is installed, and the rotation is parked until they are
    entered again.
    """
    with app.store._database.writing() as tx:
        tx.execute(models.secrets.delete())
    parked = rotate()
    assert parked.failure
    assert ("SIGN_IN_REFUSED", State.REQUESTED) == (parked.failure.code, parked.failure.failed_from)
    assert [] == installed(simulator.history.entries())
    app.connections.edit(app.connections.show(NAME), secrets(simulator.credentials), actor="tester")
    assert State.COMPLETED is carry(app.rotations.resume(parked.id, actor="tester")).state


@pytest.mark.parametrize("is_set_up", [False, True], ids=["initial set-up", "rotation"])
def test_a_bundle_that_became_too_old_parks_what_the_schedule_begins(
    app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry, *, is_set_up: bool
) -> None:
    """NetSuite is sent nothing, and the message names the bundle; a person who resumes the rotation completes it."""
    if is_set_up:
        rotate()
    before = len(simulator.history.entries())
    simulator.netsuite.record.bundles[0]["version"] = "2.9"
    parked = carry(app.rotations.request(NAME, actor="timer", scheduled=True))
    assert parked.failure
    assert ("BUNDLE_TOO_OLD", State.KEY_GENERATED) == (parked.failure.code, parked.failure.failed_from)
    assert "NetSuite reports bundle 369630 as 2.9; 3.0 or later is needed." == parked.failure.message
    assert [] == installed(simulator.history.entries(before))
    assert State.COMPLETED is carry(app.rotations.resume(parked.id, actor="ada")).state
