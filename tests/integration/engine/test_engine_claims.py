"""The rotation is held from the first step to the last, given back after it, and dropped where it was lost."""

import pytest
from integration.engine.environment import EngineEnvironment
from support.factories import NOW

from states.errors import Stale, Unknown
from states.state import State


def _watched(environment: EngineEnvironment) -> list[bool]:
    """Whether the rotation is held, after each call from now on."""
    held: list[bool] = []
    environment.systems.after_call = lambda _call: held.append(
        environment.is_held(environment.store.rotations.newest()[0])
    )
    return held


def test_the_lease_is_kept_between_steps(environment: EngineEnvironment) -> None:
    """While it goes on, no other worker can claim the rotation."""
    held = _watched(environment)
    environment.run()
    assert {True} == set(held)


def test_the_rotation_stays_held_while_its_doubt_is_stored(environment: EngineEnvironment) -> None:
    """Storing a lost answer keeps the lease: no other worker takes the rotation in the middle of its step."""
    held = _watched(environment)
    environment.systems.will_fail("netsuite.install", Unknown())
    environment.run(State.KEY_GENERATED)
    assert {True} == set(held)


def test_a_completed_rotation_is_nobodys(environment: EngineEnvironment) -> None:
    """The last move gives the rotation back."""
    claim = environment.begin()
    assert State.COMPLETED is environment.engine.run(claim).state
    with pytest.raises(Stale):
        environment.store.claims.ensure_held(claim)


def test_a_rotation_is_given_back_between_two_steps(environment: EngineEnvironment) -> None:
    """A process that is asked to stop finishes the current step, gives the rotation back, and begins no other."""
    environment.stops_after = 1
    left = environment.run()
    assert (State.KEY_GENERATED, ["keys.generate"]) == (left.state, environment.systems.calls)
    assert not environment.is_held(left)
    assert left.doubt.since is None


def test_a_worker_that_lost_its_claim_writes_nothing(environment: EngineEnvironment) -> None:
    """Another worker took the rotation over: Stale is raised, and the journal is the other worker's."""
    claim = environment.begin()
    environment.store.claims.renew(claim, lease=-1)
    assert environment.store.claims.claim("another", lease=60, now=NOW)
    with pytest.raises(Stale):
        environment.engine.run(claim)
    assert ["request", "taken_over"] == [entry.event for entry in environment.entries(claim.rotation)]
    assert [] == environment.heard


def test_a_claim_lost_within_a_step_is_no_failure(environment: EngineEnvironment) -> None:
    """A step that finds its claim lost before it writes is dropped: nothing is parked, nothing sent."""

    def taken_over(call: str) -> None:
        if call == "netsuite.sign":
            environment.store.claims.renew(claim, lease=-1)
            assert environment.store.claims.claim("another", lease=60, now=environment.systems.clock.now())

    claim = environment.begin(State.KEY_GENERATED)
    environment.systems.after_call = taken_over
    with pytest.raises(Stale):
        environment.engine.run(claim)
    assert ["netsuite.sign", "openair.read"] == environment.systems.calls
    assert "taken_over" == environment.last(claim.rotation).event
