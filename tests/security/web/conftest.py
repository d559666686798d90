"""One console with the API for the tests of a module, over one Keyturn that is connected to simulated systems."""

from collections.abc import Iterator

import pytest
from support.console import PASSWORD, RunningConsole, running_console
from support.environment import NAME, connect, keyturn
from support.request_history import judged_simulator

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.access import Role
from states.rotation import Rotation


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with judged_simulator() as running:
        yield running


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Keyturn]:
    with pytest.MonkeyPatch.context() as monkeypatch, keyturn(tmp_path_factory.mktemp("web"), monkeypatch) as it:
        connect(it, simulator.credentials)
        yield it


@pytest.fixture(scope="module")
def parked(app: Keyturn, simulator: Simulator) -> Rotation:
    """A rotation that NetSuite's error parked."""
    simulator.faults.add(Fault("netsuite.restlet", "302", times=None))
    _, claim = app.rotations.request_and_claim(NAME, actor="bob")
    assert claim
    with app.engine() as engine:
        return engine.run(claim)


@pytest.fixture(scope="module")
def console(app: Keyturn) -> Iterator[RunningConsole]:
    with running_console(app) as running:
        yield running


@pytest.fixture(scope="module")
def people(app: Keyturn, console: RunningConsole) -> dict[Role, RunningConsole]:
    """A signed-in person of each role, and what they may do as their name."""
    found = {}
    for role in Role:
        app.accounts.add(role.value, role, PASSWORD, actor="root")
        found[role] = console.another()
        found[role].sign_in_as(role.value, PASSWORD)
    return found
