"""Connections for which a person saves the certificate in OpenAir: what Keyturn knows of OpenAir is what they told."""

from dataclasses import replace
from typing import Any

import pytest
from home import NAME
from integration.carrying import Carry, Rotate
from integration.remedies.stage import LaterClock

from orchestrator.bootstrap import App
from persistence.store import Store
from simulator import Simulator
from states.connection import OpenAirKind, OpenAirSettings
from states.errors import Stale
from states.rotation import Ending, Rotation


@pytest.fixture(autouse=True)
def by_hand(app: App, clock: LaterClock) -> None:
    """A person saves the certificate in OpenAir."""
    del clock  # before anything is built that would take another
    openair = OpenAirSettings(kind=OpenAirKind.EXPORT)
    app.connections.edit(replace(app.connections.show(NAME), openair=openair), {})


@pytest.fixture
def confirmed(app: App, simulator: Simulator, rotate: Rotate, carry: Carry) -> Rotation:
    """A first rotation that a person saved, and said so."""
    waiting = rotate()
    assert waiting.candidate
    simulator.openair.settings.save_outside(waiting.candidate.certificate.pem)
    return carry(app.rotations.confirm(waiting.id, waiting.candidate.fingerprint, actor="ada"))


@pytest.fixture
def waiting(confirmed: Rotation, rotate: Rotate) -> Rotation:
    """A second rotation, which waits for a person."""
    del confirmed
    asked = rotate()
    assert asked.awaits_person
    return asked


def test_a_confirmation_that_came_too_late_is_not_believed(
    app: App, monkeypatch: pytest.MonkeyPatch, confirmed: Rotation, waiting: Rotation
) -> None:
    """Somebody restores between the look and the confirmation: that one is refused, and nothing of it is noted."""
    assert confirmed.candidate
    assert waiting.candidate
    write = Store.write

    def late(store: Store, before: Rotation, *args: Any, **more: Any) -> Rotation:
        monkeypatch.setattr(Store, "write", write)
        app.rotations.park(waiting.id, actor="bob")
        assert Ending.RESTORED is app.remedies.restore(waiting.id, actor="bob").ending
        return write(store, before, *args, **more)

    monkeypatch.setattr(Store, "write", late)
    with pytest.raises(Stale):
        app.rotations.confirm(waiting.id, waiting.candidate.fingerprint, actor="ada")
    assert confirmed.candidate.certificate == app.store.confirmed_export(NAME)
    assert () == app.checks.health(NAME).problems
