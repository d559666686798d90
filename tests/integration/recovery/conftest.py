"""Rotations that wait for a remedy."""

import pytest
from integration.fixture_types import Rotate
from integration.recovery.environment import NO_SAVE
from support.clock import OffsetClock

from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from states.certificate import Certificate
from states.rotation import Rotation
from states.state import State


@pytest.fixture
def clock(app: Keyturn) -> OffsetClock:
    """The application's clock, which a test may put forward."""
    app.clock = clock = OffsetClock()
    return clock


@pytest.fixture
def first(clock: OffsetClock, rotate: Rotate) -> Certificate:
    """The certificate that a first rotation put in place on both sides."""
    del clock  # before anything is built that would take another
    done = rotate()
    assert done.proofs.candidate
    return done.proofs.candidate.certificate


@pytest.fixture
def stuck(first: Certificate, simulator: Simulator, rotate: Rotate) -> Rotation:
    """A second rotation, parked between the two sides: NetSuite has its certificate, OpenAir takes none."""
    del first
    simulator.faults.add(NO_SAVE)
    parked = rotate()
    assert parked.position is State.UPLOADED_TO_NETSUITE
    assert parked.failure
    return parked


@pytest.fixture
def foreign(simulator: Simulator, first: Certificate, rotate: Rotate) -> Rotation:
    """A second rotation, parked because somebody else replaced NetSuite's certificate."""
    del first
    simulator.netsuite.record.reset("foreign")
    parked = rotate()
    assert parked.failure
    assert parked.failure.code == "FOREIGN_ROTATION"
    return parked
