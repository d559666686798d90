"""Parked rotations that need recovery."""

from collections.abc import Iterator

import pytest
from integration.fixture_types import Rotate
from integration.recovery.environment import NO_SAVE
from support.clock import OffsetClock

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.evidence import check
from simulator import Simulator
from states.certificate import Certificate
from states.rotation import Rotation
from states.state import State


@pytest.fixture(autouse=True)
def _evidence_holds(app: Keyturn) -> Iterator[None]:
    """However a test leaves its rotations, parked or closed: the evidence of each can be made, and holds."""
    yield
    for left in app.store.rotations.newest():
        app.evidence.check_origin(check(app.evidence.of(left.id)))


@pytest.fixture
def clock(app: Keyturn) -> OffsetClock:
    """The application's clock, which a test can set ahead."""
    app.clock = clock = OffsetClock()
    return clock


@pytest.fixture
def first(clock: OffsetClock, rotate: Rotate) -> Certificate:
    """The certificate of a completed first rotation, which both systems hold."""
    del clock  # requested first, so that the application is built with it
    done = rotate()
    assert done.proofs.candidate
    return done.proofs.candidate.certificate


@pytest.fixture
def stuck(first: Certificate, simulator: Simulator, rotate: Rotate) -> Rotation:
    """A second rotation, parked in the outage: NetSuite holds its certificate, and OpenAir refuses it."""
    del first
    simulator.faults.add(NO_SAVE)
    parked = rotate()
    assert parked.position is State.UPLOADED_TO_NETSUITE
    assert parked.failure
    return parked


@pytest.fixture
def foreign(simulator: Simulator, first: Certificate, rotate: Rotate) -> Rotation:
    """A second rotation, parked because another party replaced NetSuite's certificate."""
    del first
    simulator.netsuite.record.reset("foreign")
    parked = rotate()
    assert parked.failure
    assert parked.failure.code == "FOREIGN_ROTATION"
    return parked
