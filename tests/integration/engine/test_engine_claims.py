"""The rotation is held from the first step to the last, given back after it, and dropped where it was lost."""

import pytest
from integration.engine.environment import Stage
from support.factories import NOW

from states.errors import Stale, Unknown
from states.state import State


def _watched(stage: Stage) -> list[bool]:
    """Whether the rotation is held, after each call from now on."""
    held: list[bool] = []
    stage.systems.after_call = lambda _call: held.append(stage.is_held(stage.store.rotations.newest()[0]))
    return held


def test_the_lease_is_kept_between_steps(stage: Stage) -> None:
    """While it goes on, nobody else can claim the rotation."""
    held = _watched(stage)
    stage.run()
    assert {True} == set(held)


def test_the_rotation_stays_held_while_its_doubt_is_stored(stage: Stage) -> None:
    """Storing a lost answer keeps the lease: nobody else takes the rotation in the middle of its step."""
    held = _watched(stage)
    stage.systems.will_fail("netsuite.install", Unknown())
    stage.run(State.KEY_GENERATED)
    assert {True} == set(held)


def test_a_completed_rotation_is_nobodys(stage: Stage) -> None:
    """The last move gives the rotation back."""
    claim = stage.begin()
    assert State.COMPLETED is stage.engine.run(claim).state
    with pytest.raises(Stale):
        stage.store.claims.ensure_held(claim)


def test_a_rotation_is_given_back_between_two_steps(stage: Stage) -> None:
    """A process that is asked to stop ends the step in hand, gives the rotation back, and begins no other."""
    stage.stops_after = 1
    left = stage.run()
    assert (State.KEY_GENERATED, ["keys.generate"]) == (left.state, stage.systems.calls)
    assert not stage.is_held(left)
    assert left.doubt.since is None


def test_a_worker_that_lost_its_claim_writes_nothing(stage: Stage) -> None:
    """Another worker took the rotation over: Stale is raised, and the journal is the other worker's."""
    claim = stage.begin()
    stage.store.claims.renew(claim, lease=-1)
    assert stage.store.claims.claim("another", lease=60, now=NOW)
    with pytest.raises(Stale):
        stage.engine.run(claim)
    assert ["request", "taken_over"] == [entry.event for entry in stage.entries(claim.rotation)]
    assert [] == stage.heard


def test_a_claim_lost_within_a_step_is_no_failure(stage: Stage) -> None:
    """A step that finds its claim lost before it writes is dropped: nothing is parked, nothing sent."""

    def taken_over(call: str) -> None:
        if call == "netsuite.sign":
            stage.store.claims.renew(claim, lease=-1)
            assert stage.store.claims.claim("another", lease=60, now=stage.systems.clock.now())

    claim = stage.begin(State.KEY_GENERATED)
    stage.systems.after_call = taken_over
    with pytest.raises(Stale):
        stage.engine.run(claim)
    assert ["netsuite.sign", "openair.read"] == stage.systems.calls
    assert "taken_over" == stage.last(claim.rotation).event
