"""A simulator and a Keyturn connected to it, new for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.fixture_types import Carry, Rotate
from integration.reachable_states import ReachableStates
from support.environment import NAME, connect, keyturn
from support.request_history import judged_simulator
from support.stores import open_store

from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from states.rotation import Rotation


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with judged_simulator() as running:
        yield running


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> Iterator[Keyturn]:
    with keyturn(tmp_path, monkeypatch) as running:
        connect(running, simulator.credentials)
        yield running


@pytest.fixture
def rotate(app: Keyturn) -> Rotate:
    """Rotates the connection in this process, as far as it goes."""

    def run() -> Rotation:
        _, claim = app.rotations.request_and_claim(NAME, actor="tester")
        assert claim, "the rotation is held off"
        with app.engine() as engine:
            return engine.run(claim)

    return run


@pytest.fixture
def carry(app: Keyturn) -> Carry:
    """Continues a rotation in this process, as far as it goes."""

    def run(rotation: Rotation) -> Rotation:
        claim = app.store.claims.claim("test", lease=15, now=rotation.available_at, rotation_id=rotation.id)
        assert claim, "the rotation could not be claimed"
        with app.engine() as engine:
            return engine.run(claim)

    return run


@pytest.fixture(scope="module")
def reachable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReachableStates]:
    """A rotation in each state that the store can hold; the folders below have stages of their own."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('states') / 'keyturn.db'}")
    store.migrate()
    yield ReachableStates(store)
    store.close()
