"""Adopting accepts a foreign certificate that both systems hold, and no other."""

from datetime import timedelta

import pytest
from integration.fixture_types import Carry, Rotate
from integration.recovery.evidence import events, kept_keys, without_key
from support.advice import commands
from support.clock import OffsetClock
from support.environment import NAME
from support.request_history import installed, saved

from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from states.certificate import Certificate, Challenge
from states.errors import Drift, IllegalMove, Stale
from states.rotation import Candidate, Ending, Rotation
from states.state import State


def finish(simulator: Simulator) -> str:
    """Save the foreign certificate in OpenAir too; return its fingerprint."""
    held = simulator.netsuite.record.held
    assert held
    simulator.openair.settings.save_outside(held.pair.certificate_pem())
    return held.pair.fingerprint


def test_adopting_accepts_a_certificate_in_both_systems(
    app: Keyturn, simulator: Simulator, first: Certificate, foreign: Rotation
) -> None:
    """The adopted certificate becomes current, with a due date and without a key; nothing is sent."""
    stranger = finish(simulator)
    made_first = app.store.rotations.newest()[-1]
    before = (installed(simulator.history.entries()), saved(simulator.history.entries()))
    adopted = app.recovery.adopt(foreign.id, actor="ada", reason="the vendor rotated")
    connection = app.connections.show(NAME)
    assert connection.current
    assert connection.due_at
    assert (stranger, Ending.ADOPTED) == (connection.current.fingerprint, adopted.ending)
    assert 7 <= (connection.current.not_after - connection.due_at).days <= 14
    assert [False, False] == kept_keys(app, made_first, foreign)
    assert before == (installed(simulator.history.entries()), saved(simulator.history.entries()))
    assert ((), "project=T") == (app.health.health(NAME).problems, simulator.import_requests.send())
    assert (without_key(adopted), ["adopt"]) == (app.rotations.show(foreign.id), events(app, foreign))
    assert first != connection.current
    app.journal.verify()


def test_an_adopted_certificate_is_replaced_like_any_other(
    app: Keyturn, simulator: Simulator, foreign: Rotation, rotate: Rotate
) -> None:
    """The next rotation replaces the adopted certificate without treating it as foreign."""
    stranger = finish(simulator)
    app.recovery.adopt(foreign.id, actor="ada")
    done = rotate()
    assert done.previous
    assert (State.COMPLETED, stranger) == (done.state, done.previous.fingerprint)


def test_half_a_change_is_not_adopted(app: Keyturn, foreign: Rotation) -> None:
    """If the systems hold different certificates, adopting is refused and nothing is changed."""
    before = app.connections.show(NAME)
    with pytest.raises(Drift):
        app.recovery.adopt(foreign.id, actor="ada")
    assert (foreign, before) == (app.rotations.show(foreign.id), app.connections.show(NAME))


def test_adopting_the_previous_certificate_keeps_its_key(
    app: Keyturn, simulator: Simulator, clock: OffsetClock, first: Certificate, stuck: Rotation, carry: Carry
) -> None:
    """Adopting the previous certificate changes neither its key nor its due date."""
    made_first = app.store.rotations.newest()[-1]
    kept = app.store.rotations.kept_key(first)
    assert kept
    _install(app, *kept)
    clock.ahead = timedelta(minutes=1)  # NetSuite must sign again
    foreign = carry(app.rotations.resume(stuck.id, actor="ada"))
    assert foreign.failure
    assert foreign.failure.code == "FOREIGN_ROTATION"
    before = app.connections.show(NAME)
    simulator.faults.clear()
    adopted = app.recovery.adopt(foreign.id, actor="ada")
    assert (Ending.ADOPTED, before) == (adopted.ending, app.connections.show(NAME))
    assert [True, False] == kept_keys(app, made_first, stuck)


def _install(app: Keyturn, maker: str, made: Candidate) -> None:
    """Install the candidate of the rotation ``maker`` in NetSuite, as if another party had its key."""
    ports = app.connect(NAME)
    key, deadline = ports.keys.open(maker, made), app.clock.now() + timedelta(minutes=1)
    ports.netsuite.install(
        made.certificate, key, Challenge.of(bytes(32)), deadline=deadline, create=False, warn=lambda _: None
    )


def test_our_own_certificate_is_not_adopted(app: Keyturn, simulator: Simulator, foreign: Rotation) -> None:
    """If both systems hold the rotation's own candidate, adopting is refused and its key is kept."""
    assert foreign.proofs.candidate
    _install(app, foreign.id, foreign.proofs.candidate)
    simulator.openair.settings.save_outside(foreign.proofs.candidate.certificate.pem)
    with pytest.raises(IllegalMove, match="own certificate") as caught:
        app.recovery.adopt(foreign.id, actor="ada")
    assert ["rotation resume ID"] == commands(caught.value.next_action)
    assert [True] == kept_keys(app, foreign)


def test_adopting_overwrites_no_change(
    app: Keyturn, simulator: Simulator, foreign: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the rotation is resumed while the systems are asked, it is not closed."""
    finish(simulator)
    ports = app.connect(NAME)
    sign = ports.netsuite.sign

    def resume(challenge: Challenge) -> str:
        app.rotations.resume(foreign.id, actor="bob")
        return sign(challenge)

    monkeypatch.setattr(ports.netsuite, "sign", resume)
    with pytest.raises(Stale):
        app.recovery.adopt(foreign.id, actor="ada")
    assert app.rotations.show(foreign.id).is_open
