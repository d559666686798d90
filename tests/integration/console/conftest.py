"""A console that is signed in to, and a rotation that needs its person."""

from collections.abc import Iterator

import pytest
from integration.fixture_types import Rotate
from support.console import RunningConsole, running_console
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.connection import OnRefusal
from states.rotation import Rotation

REFUSED = [Fault("openair.api", "error", action=action, code="602", times=None) for action in ("Add", "Modify")]


@pytest.fixture
def console(app: Keyturn) -> Iterator[RunningConsole]:
    with running_console(app) as running:
        running.sign_in()
        yield running


@pytest.fixture
def park(app: Keyturn, simulator: Simulator) -> Rotate:
    """Rotates the connection until OpenAir refuses the save: it is parked, and imports are refused."""

    def run() -> Rotation:
        for each in REFUSED:
            simulator.faults.add(each)
        _, claim = app.rotations.request_and_claim(NAME, actor="bob", reason="quarterly", on_refusal=OnRefusal.PARK)
        assert claim
        with app.engine() as engine:
            return engine.run(claim)

    return run
