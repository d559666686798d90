"""Dry runs: only the reads are made, and what would be sent where is said."""

from collections.abc import Callable

import pytest
from integration.fixture_types import Rotate
from support.environment import NAME
from support.request_history import installed, saved

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.rehearsal import ExpectedSkew
from simulator import Fault, Simulator
from states.errors import CertificateRecordMissing, IllegalMove, RotationOpen

REFUSED = Fault("openair.api", "error", action="Modify", code="5", times=None)


@pytest.fixture
def writes(simulator: Simulator) -> Callable[[], int]:
    """Counts the requests that changed one of the systems."""

    def count() -> int:
        history = simulator.history.entries()
        return len(installed(history)) + len(saved(history))

    return count


def systems(pairs: tuple[tuple[str, str], ...]) -> list[str]:
    return [system for system, _ in pairs]


def test_a_first_rotation(app: Keyturn, writes: Callable[[], int]) -> None:
    """A first rotation would send the certificate to NetSuite, then to OpenAir; nothing is written or requested."""
    done = app.rehearsals.rotate(NAME)
    assert ["NetSuite", "OpenAir"] == systems(done.seen) == systems(done.sends)
    assert ("a new certificate with its private key", 0) == (done.sends[0][1], writes())
    assert [] == list(app.lists.rotations().items)


def test_how_long_imports_are_refused(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """The connection's completed rotations say it; where only OpenAir is left, no new outage begins."""
    assert app.rehearsals.rotate(NAME).skew is None
    skews = sorted(filter(None, (rotation.skew(rotation.updated_at) for rotation in (rotate(), rotate(), rotate()))))
    assert ExpectedSkew(usual=skews[1], longest=skews[2], rotations=3) == app.rehearsals.rotate(NAME).skew
    simulator.faults.add(REFUSED)
    assert app.rehearsals.resume(rotate().id).skew is None


def test_what_would_park_a_rotation_is_raised(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """A rotation that would be refused says so; one that is open does, too."""
    simulator.netsuite.record.reset("missing")
    with pytest.raises(CertificateRecordMissing):
        app.rehearsals.rotate(NAME)
    parked = rotate()
    with pytest.raises(RotationOpen):
        app.rehearsals.rotate(NAME)
    with pytest.raises(CertificateRecordMissing):
        app.rehearsals.resume(parked.id)
    done = app.rehearsals.resume(parked.id, create_record=True)
    assert ("NetSuite", "this rotation's certificate with its private key") == done.sends[0]
    assert parked.version == app.rotations.show(parked.id).version


def test_an_outage(app: Keyturn, simulator: Simulator, rotate: Rotate, writes: Callable[[], int]) -> None:
    """After the upload resuming would only save in OpenAir; restoring would put the previous one into NetSuite."""
    rotate()
    simulator.faults.add(REFUSED)
    parked, before = rotate(), writes()
    assert ["OpenAir"] == systems(app.rehearsals.resume(parked.id).sends)
    restored = app.rehearsals.restore(parked.id)
    assert (("NetSuite", "the previous certificate with its private key"),) == restored.sends
    for refused in (app.rehearsals.abandon, app.rehearsals.adopt, app.rehearsals.park):
        with pytest.raises(IllegalMove):
            refused(parked.id)
    assert (before, parked.version) == (writes(), app.rotations.show(parked.id).version)


def test_abandoning_sends_nothing(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """Abandoning a rotation whose certificate was never sent would send nothing, and asks neither system."""
    simulator.netsuite.record.reset("missing")
    parked = rotate()
    done = app.rehearsals.abandon(parked.id)
    assert ((), ()) == (done.seen, done.sends)
    assert app.rotations.show(parked.id).is_open
