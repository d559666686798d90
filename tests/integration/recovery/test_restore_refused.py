"""Refused or delayed restores change nothing and say how to continue."""

from dataclasses import replace
from datetime import timedelta

import pytest
from integration.fixture_types import Carry, Rotate
from integration.recovery.environment import NO_SAVE
from integration.recovery.evidence import events
from support.clock import OffsetClock
from support.environment import NAME
from support.request_history import installed

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.certificate import Certificate
from states.connection import Algorithm, Policy
from states.errors import ForeignRotation, IllegalMove, KeyturnError, SignInRefused, TryLater
from states.next_action import Verb
from states.rotation import Ending, Rotation
from states.state import State


def test_openair_holds_the_candidate(app: Keyturn, simulator: Simulator, stuck: Rotation, carry: Carry) -> None:
    """If OpenAir holds the candidate, a restore is refused, and resuming completes the rotation."""
    assert stuck.proofs.candidate
    simulator.openair.settings.save_outside(stuck.proofs.candidate.certificate.pem)
    with pytest.raises(IllegalMove, match="going on helps"):
        app.recovery.restore(stuck.id, actor="ada")
    assert stuck == app.rotations.show(stuck.id)
    simulator.faults.clear()
    assert carry(app.rotations.resume(stuck.id, actor="ada")).state is State.COMPLETED


def test_a_foreign_key_is_replaced_only_with_overwrite(app: Keyturn, simulator: Simulator, stuck: Rotation) -> None:
    """If NetSuite holds a foreign key, a restore is refused unless overwriting is allowed."""
    simulator.netsuite.record.reset("foreign")
    before = installed(simulator.history.entries())
    with pytest.raises(ForeignRotation):
        app.recovery.restore(stuck.id, actor="ada")
    assert stuck == app.rotations.show(stuck.id)
    assert before == installed(simulator.history.entries())
    assert app.recovery.restore(stuck.id, actor="ada", overwrite=True).ending
    assert app.health.health(NAME).problems == ()


def test_without_the_key_nothing_is_restored(
    app: Keyturn, simulator: Simulator, clock: OffsetClock, rotate: Rotate
) -> None:
    """If the policy keeps no keys, a restore is refused, and `explain` says so."""
    del clock
    connection = app.connections.show(NAME)
    app.connections.edit(
        replace(connection, policy=Policy(algorithm=Algorithm.EC_P256, keep_key=False)), {}, actor="tester"
    )
    rotate()
    simulator.faults.add(NO_SAVE)
    parked = rotate()
    why_not = {action.verb.value: why_not for action, why_not in app.rotations.explain(parked.id).verbs}
    assert "The previous certificate's private key was not kept." == why_not["restore"]
    with pytest.raises(IllegalMove, match="was not kept"):
        app.recovery.restore(parked.id, actor="ada")


@pytest.mark.parametrize(("kind", "error"), [("503", TryLater), ("401", SignInRefused)])
def test_a_system_that_cannot_be_asked(
    app: Keyturn, simulator: Simulator, stuck: Rotation, kind: str, error: type[KeyturnError]
) -> None:
    """If a system cannot be asked, nothing is changed, and the next action is to repeat the restore."""
    simulator.faults.add(Fault("openair.api", kind, action="Read", when="before", times=None))
    with pytest.raises(error) as caught:
        app.recovery.restore(stuck.id, actor="ada")
    assert caught.value.next_action.leads_to(Verb.REPEAT)
    assert stuck == app.rotations.show(stuck.id)
    simulator.faults.clear()
    assert app.recovery.restore(stuck.id, actor="ada").ending, "the lease was given back"


def test_a_lost_install_of_the_candidate_delays_a_restore(
    app: Keyturn, simulator: Simulator, first: Certificate, clock: OffsetClock, rotate: Rotate
) -> None:
    """While the candidate's install may take effect, a restore is refused and says until when; then it succeeds."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="before"))
    simulator.faults.add(Fault("netsuite.restlet", "403", action="sign", skip=1, times=None))
    parked = rotate()
    simulator.faults.clear()
    assert parked.failure
    assert (State.KEY_GENERATED, True) == (parked.position, parked.doubt.since is not None)
    with pytest.raises(IllegalMove, match="may still take effect, until"):
        app.recovery.restore(parked.id, actor="ada")
    clock.ahead = timedelta(minutes=10)
    restored = app.recovery.restore(parked.id, actor="ada")
    assert (Ending.RESTORED, None, ["restore"]) == (restored.ending, restored.skew_from, events(app, parked))
    assert [first.fingerprint] == installed(simulator.history.entries()), "it never landed, so nothing was sent"
