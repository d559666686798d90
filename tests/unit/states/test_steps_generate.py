"""generate_key: one candidate for each rotation, even if the step runs several times."""

from datetime import timedelta

import pytest
from support.factories import changed
from support.pairs import NOW
from unit.states.fake_world import World
from unit.states.rotations import ID

from states.connection import Algorithm, Policy
from states.errors import VaultLocked
from states.rotation import Candidate
from states.state import State
from states.steps import generate_key


def test_the_candidate_is_made_by_the_rotations_policy(world: World) -> None:
    """The candidate's key is sealed for this rotation, its certificate is valid from now, and nothing is sent."""
    policy = Policy(algorithm=Algorithm.EC_P256, days=90)
    done = generate_key(world.rotation(policy=policy), world.ports, world.attempt)
    assert Candidate(world.candidate.certificate, b"sealed") == done
    assert [(ID, "acme", policy, NOW)] == world.keys.made
    assert [] == world.calls


def test_generating_twice_gives_one_candidate(world: World) -> None:
    """A second run returns the first one's candidate."""
    first = generate_key(world.rotation(), world.ports, world.attempt)
    world.clock.advance(timedelta(hours=1).total_seconds())
    assert first == generate_key(changed(world.rotation(), candidate=first), world.ports, world.attempt)
    assert 1 == len(world.keys.made)


def test_the_candidate_begins_no_skew(world: World) -> None:
    """NetSuite does not know of it yet."""
    moved = world.moved(world.rotation(), generate_key(world.rotation(), world.ports, world.attempt))
    assert (State.KEY_GENERATED, None, None) == (moved.state, moved.proofs.confirmation, moved.skew_from)


def test_a_locked_vault_stops_it(world: World) -> None:
    """If the vault is locked, no candidate is made."""
    world.keys.error = VaultLocked()
    with pytest.raises(VaultLocked):
        generate_key(world.rotation(), world.ports, world.attempt)
