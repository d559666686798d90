"""Adopting through the whole of Keyturn: what a stranger put in place on both sides is accepted, and nothing else."""

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
    """Let the stranger save his certificate in OpenAir too; return its fingerprint."""
    held = simulator.netsuite.record.held
    assert held
    simulator.openair.settings.save_outside(held.pair.certificate_pem())
    return held.pair.fingerprint


def test_adopting_accepts_what_both_sides_hold(
    app: Keyturn, simulator: Simulator, first: Certificate, foreign: Rotation
) -> None:
    """The vendor's own rotation is accepted: current, due in its own window, without a key of ours; nothing is sent."""
    stranger = finish(simulator)
    made_first = app.rotations.recent()[-1]
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
    app.installation.verify_journal()


def test_an_adopted_certificate_is_replaced_like_any_other(
    app: Keyturn, simulator: Simulator, foreign: Rotation, rotate: Rotate
) -> None:
    """The next rotation expects the adopted certificate, and takes it for nobody's foreign one."""
    stranger = finish(simulator)
    app.recovery.adopt(foreign.id, actor="ada")
    done = rotate()
    assert done.previous
    assert (State.COMPLETED, stranger) == (done.state, done.previous.fingerprint)


def test_half_a_change_is_not_adopted(app: Keyturn, foreign: Rotation) -> None:
    """While OpenAir holds another certificate than NetSuite, nothing is accepted and nothing changed."""
    before = app.connections.show(NAME)
    with pytest.raises(Drift):
        app.recovery.adopt(foreign.id, actor="ada")
    assert (foreign, before) == (app.rotations.show(foreign.id), app.connections.show(NAME))


def test_what_somebody_put_back_keeps_its_key(
    app: Keyturn, simulator: Simulator, clock: OffsetClock, first: Certificate, stuck: Rotation, carry: Carry
) -> None:
    """Adopting the previous certificate itself changes nothing of it: current, due when it was, its key kept."""
    made_first = app.rotations.recent()[-1]
    kept = app.store.rotations.kept_key(first)
    assert kept
    _install(app, *kept)
    clock.ahead = timedelta(minutes=1)  # NetSuite has to prove itself again
    foreign = carry(app.rotations.resume(stuck.id, actor="ada"))
    assert foreign.failure
    assert foreign.failure.code == "FOREIGN_ROTATION"
    before = app.connections.show(NAME)
    simulator.faults.clear()
    adopted = app.recovery.adopt(foreign.id, actor="ada")
    assert (Ending.ADOPTED, before) == (adopted.ending, app.connections.show(NAME))
    assert [True, False] == kept_keys(app, made_first, stuck)


def _install(app: Keyturn, maker: str, made: Candidate) -> None:
    """Put into NetSuite what the rotation ``maker`` made, as if somebody else had the key too."""
    ports = app.connect(NAME)
    key, deadline = ports.keys.open(maker, made), app.clock.now() + timedelta(minutes=1)
    ports.netsuite.install(made.certificate, key, Challenge.of(bytes(32)), deadline=deadline, create=False)


def test_our_own_certificate_is_not_adopted(app: Keyturn, simulator: Simulator, foreign: Rotation) -> None:
    """When both sides turn out to hold the rotation's own candidate, resuming is the way: its key is not destroyed."""
    assert foreign.proofs.candidate
    _install(app, foreign.id, foreign.proofs.candidate)
    simulator.openair.settings.save_outside(foreign.proofs.candidate.certificate.pem)
    with pytest.raises(IllegalMove, match="own certificate") as caught:
        app.recovery.adopt(foreign.id, actor="ada")
    assert ["rotation resume ID"] == commands(caught.value.next_action)
    assert [True] == kept_keys(app, foreign)


def test_adopting_is_not_stored_over_a_change(
    app: Keyturn, simulator: Simulator, foreign: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed by somebody else while the systems were asked, the rotation is not closed."""
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
