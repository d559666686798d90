"""generate_key: one candidate for each rotation, even if the step runs several times."""

from datetime import timedelta

import pytest
from support.factories import changed
from support.pairs import NOW
from unit.states.rotations import ID
from unit.states.step_systems import StepSystems

from states.connection import Algorithm, Policy
from states.errors import VaultLocked
from states.rotation import Candidate
from states.state import State
from states.steps import generate_key


def test_the_candidate_is_made_by_the_rotations_policy(systems: StepSystems) -> None:
    """The candidate's key is sealed for this rotation, its certificate is valid from now, and nothing is sent."""
    policy = Policy(algorithm=Algorithm.EC_P256, days=90)
    done = generate_key(systems.rotation(policy=policy), systems.ports, systems.attempt)
    assert Candidate(systems.candidate.certificate, b"sealed") == done
    assert [(ID, "acme", policy, NOW)] == systems.keys.made
    assert [] == systems.calls


def test_generating_twice_gives_one_candidate(systems: StepSystems) -> None:
    """A second run returns the first one's candidate."""
    first = generate_key(systems.rotation(), systems.ports, systems.attempt)
    systems.clock.advance(timedelta(hours=1).total_seconds())
    assert first == generate_key(changed(systems.rotation(), candidate=first), systems.ports, systems.attempt)
    assert 1 == len(systems.keys.made)


def test_the_candidate_begins_no_skew(systems: StepSystems) -> None:
    """NetSuite does not know of it yet."""
    moved = systems.moved(systems.rotation(), generate_key(systems.rotation(), systems.ports, systems.attempt))
    assert (State.KEY_GENERATED, None, None) == (moved.state, moved.proofs.confirmation, moved.skew_from)


def test_a_locked_vault_stops_it(systems: StepSystems) -> None:
    """If the vault is locked, no candidate is made."""
    systems.keys.error = VaultLocked()
    with pytest.raises(VaultLocked):
        generate_key(systems.rotation(), systems.ports, systems.attempt)
