"""Changes to a connection during a rotation, and between two rotations."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from integration.fixture_types import Carry, Rotate
from support.advice import commands
from support.environment import NAME, connect, keyturn, netsuite, secrets
from support.request_history import judged_simulator

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Pair, Simulator
from states.connection import Connection
from states.errors import RotationOpen
from states.rotation import Rotation
from states.state import State

BUSY = Fault("openair.api", "throttle", action="Modify", times=None)
NO_SAVE = Fault("openair.api", "401", action="Modify", times=None)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Two NetSuite accounts, each with its OpenAir company."""
    with judged_simulator(accounts=2) as running:
        yield running


@pytest.fixture
def here(simulator: Simulator) -> Pair:
    """The account and company of the connection."""
    return next(iter(simulator.pairs.values()))


@pytest.fixture
def elsewhere(simulator: Simulator) -> Pair:
    """Another account and company."""
    return list(simulator.pairs.values())[1]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Pair) -> Iterator[Keyturn]:
    with keyturn(tmp_path, monkeypatch) as running:
        connect(running, here.credentials)
        yield running


def move(app: Keyturn, to: Pair, *, account: bool) -> Connection:
    """Change the connection to another company, and to its account if ``account`` is true."""
    before, known = app.connections.show(NAME), to.credentials
    company = replace(
        before.openair,
        url=known.openair_url,
        client_id=known.openair_client_id,
        namespace=known.api_namespace,
    )
    settings = netsuite(known) if account else before.netsuite
    return app.connections.edit(replace(before, netsuite=settings, openair=company), secrets(known), actor="tester")


def rotation_in_the_outage(simulator: Simulator, rotate: Rotate, fault: Fault) -> Rotation:
    """Return a second rotation that ``fault`` keeps in the outage."""
    assert State.COMPLETED is rotate().state
    simulator.faults.add(fault)
    rotation = rotate()
    assert State.UPLOADED_TO_NETSUITE is rotation.position
    return rotation


@pytest.mark.parametrize("account", [False, True])
def test_a_rotation_ends_where_it_began(
    app: Keyturn, simulator: Simulator, here: Pair, elsewhere: Pair, rotate: Rotate, carry: Carry, *, account: bool
) -> None:
    """During the outage the connection cannot be moved, and the rotation completes in the account where it began."""
    rotation = rotation_in_the_outage(simulator, rotate, BUSY)
    before, record = app.connections.show(NAME), elsewhere.netsuite.record.fingerprint
    with pytest.raises(RotationOpen, match=rotation.id):
        move(app, elsewhere, account=account)
    assert before == app.connections.show(NAME)
    simulator.faults.clear()
    assert State.COMPLETED is carry(rotation).state
    assert "project=T" == simulator.import_requests.send(here.netsuite.account)
    assert record == elsewhere.netsuite.record.fingerprint


def test_a_sign_in_is_changed_during_an_outage(
    app: Keyturn, simulator: Simulator, here: Pair, rotate: Rotate, carry: Carry
) -> None:
    """Secrets and user can change during the outage, and the rotation completes."""
    rotation = rotation_in_the_outage(simulator, rotate, BUSY)
    before, known = app.connections.show(NAME), here.credentials
    by_password = replace(before.openair, client_id="", company=known.company, user=known.user)
    app.connections.edit(replace(before, openair=by_password), secrets(known), actor="tester")
    simulator.faults.clear()
    assert State.COMPLETED is carry(rotation).state
    assert "project=T" == simulator.import_requests.send(here.netsuite.account)


def test_an_address_is_corrected_during_an_outage(
    app: Keyturn, simulator: Simulator, here: Pair, rotate: Rotate, carry: Carry
) -> None:
    """The company's address can change while the rotation is parked, and the rotation completes there."""
    rotation = rotation_in_the_outage(simulator, rotate, NO_SAVE)
    before = app.connections.show(NAME)
    url = before.openair.url.replace("127.0.0.1", "localhost")
    assert url != before.openair.url
    app.connections.edit(replace(before, openair=replace(before.openair, url=url)), {}, actor="tester")
    simulator.faults.clear()
    assert State.COMPLETED is carry(app.rotations.resume(rotation.id, actor="ada")).state
    assert "project=T" == simulator.import_requests.send(here.netsuite.account)


def test_a_certificate_in_another_account_is_not_replaced(app: Keyturn, elsewhere: Pair, rotate: Rotate) -> None:
    """After a move to another account, the next rotation parks if that account holds a foreign certificate."""
    assert State.COMPLETED is rotate().state
    elsewhere.netsuite.record.reset("foreign")
    record = elsewhere.netsuite.record.fingerprint
    move(app, elsewhere, account=True)
    parked = rotate()
    assert parked.failure
    assert ("FOREIGN_ROTATION", record) == (parked.failure.code, elsewhere.netsuite.record.fingerprint)


def test_moved_before_anything_was_sent(app: Keyturn, elsewhere: Pair, rotate: Rotate, carry: Carry) -> None:
    """A rotation that was requested before the move checks the new account, and parks too."""
    assert State.COMPLETED is rotate().state
    elsewhere.netsuite.record.reset("foreign")
    record = elsewhere.netsuite.record.fingerprint
    requested = app.rotations.request(NAME, actor="ada")
    move(app, elsewhere, account=True)
    parked = carry(requested)
    assert parked.failure
    assert ("FOREIGN_ROTATION", record) == (parked.failure.code, elsewhere.netsuite.record.fingerprint)


def test_health_reports_a_moved_connection(app: Keyturn, elsewhere: Pair, rotate: Rotate) -> None:
    """After a move, the health check reports that there is no certificate, and the command to run."""
    assert State.COMPLETED is rotate().state
    move(app, elsewhere, account=True)
    found = app.health.health(NAME)
    assert found.valid_until is None
    assert [f"rotate {NAME}"] in [commands(problem.next_action) for problem in found.problems]
