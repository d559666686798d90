"""The transition table and its views."""

from dataclasses import fields

import pytest

from states import steps
from states.rotation import Ending, Proofs
from states.state import State
from states.table import (
    ACTIVE,
    EDGES,
    FAIL,
    FORWARD,
    NEXT,
    OUTAGE,
    PARKED,
    PROOFS,
    RESUME,
    TRIGGERS,
    Edge,
    positions_with,
    proofs_at,
)

EVERY_EDGE = pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge.source}-{edge.trigger}-{edge.target}")


def test_the_wire_names_are_fixed() -> None:
    """The six names are stored and shown exactly so; changing one would orphan stored rotations."""
    expected = ["Requested", "KeyGenerated", "UploadedToNetSuite", "SavedToOpenAir", "Completed", "Failed"]
    assert expected == [state.value for state in State]


def test_the_moves_are_those_of_the_design() -> None:
    """Four steps forward, four ways to fail, four ways back, and four moves of a parked rotation: no other."""
    expected = {
        ("Requested", "generate_key", "KeyGenerated"),
        ("KeyGenerated", "upload_to_netsuite", "UploadedToNetSuite"),
        ("UploadedToNetSuite", "save_to_openair", "SavedToOpenAir"),
        ("SavedToOpenAir", "verify", "Completed"),
        ("Requested", "fail", "Failed"),
        ("KeyGenerated", "fail", "Failed"),
        ("UploadedToNetSuite", "fail", "Failed"),
        ("SavedToOpenAir", "fail", "Failed"),
        ("Failed", "resume", "Requested"),
        ("Failed", "resume", "KeyGenerated"),
        ("Failed", "resume", "UploadedToNetSuite"),
        ("Failed", "resume", "SavedToOpenAir"),
        ("Failed", "restoring", "Failed"),
        ("Failed", "abandon", "Failed"),
        ("Failed", "restore", "Failed"),
        ("Failed", "adopt", "Failed"),
    }
    moves = [(str(edge.source), edge.trigger, str(edge.target)) for edge in EDGES]
    assert (expected, 16) == (set(moves), len(moves))


def test_the_way_forward_is_one_line() -> None:
    """Each step begins where the one before it ended, from Requested to Completed."""
    expected = [*ACTIVE, State.COMPLETED]
    assert expected == [State.REQUESTED, *(edge.target for edge in FORWARD)]


def test_completed_and_failed_have_no_step() -> None:
    """The engine's loop ends there: nothing is due in Completed, and Failed waits for a person."""
    assert {State.COMPLETED, State.FAILED} == set(State) - set(NEXT)


def test_only_forward_moves_have_a_step() -> None:
    """The others are decisions: nothing has to be done for them, and they bring no proof."""
    assert set(FORWARD) == {edge for edge in EDGES if edge.step}
    assert {FAIL, RESUME, *(edge.trigger for edge in PARKED)} == {
        edge.trigger for edge in EDGES if not edge.step and not edge.brings
    }


@EVERY_EDGE
def test_a_trigger_is_named_like_its_step(edge: Edge) -> None:
    """Journal, log and code use one word for one thing."""
    expected = edge.step.__name__ if edge.step else edge.trigger
    assert expected == edge.trigger


def test_every_step_has_a_proof_and_says_what_is_kept() -> None:
    """Each forward edge has the kind of its proof, and a sentence about what a parked rotation keeps."""
    for edge in FORWARD:
        assert edge.proof
        assert edge.kept.endswith(".")


def test_what_the_states_mean_for_imports() -> None:
    """The upload begins the skew, and the save, which ends it, is the only urgent step."""
    upload, save = NEXT[State.KEY_GENERATED], NEXT[State.UPLOADED_TO_NETSUITE]
    assert ([upload], [save]) == ([e for e in EDGES if e.begins_skew], [e for e in EDGES if e.urgent])
    assert upload.target is save.source is OUTAGE


def test_every_ending_is_one_move_of_a_parked_rotation() -> None:
    """What a closed rotation tells is derived from these."""
    assert list(Ending) == [edge.ending for edge in PARKED if edge.ending]
    assert all(edge.kept for edge in PARKED if edge.ending)


@EVERY_EDGE
def test_every_edge_says_why(edge: Edge) -> None:
    """The reference is made of these sentences."""
    assert edge.why.endswith(".")
    assert "|" not in edge.why, "it would break the reference table"


def test_each_step_of_the_steps_module_has_its_edge() -> None:
    """A step that no edge names would never run."""
    expected = [steps.generate_key, steps.upload_to_netsuite, steps.save_to_openair, steps.verify]
    assert expected == [edge.step for edge in FORWARD]


def test_every_proof_is_a_field_of_the_rotation() -> None:
    """The guard, the constraint and the journal look proofs up by these names."""
    expected = {"candidate", "confirmation", "saved", "verified"}
    assert expected == set(PROOFS)
    assert list(PROOFS) == [field.name for field in fields(Proofs)]


def test_triggers_are_named_once() -> None:
    """Ten triggers, in the order of the table."""
    steps_forward = ("generate_key", "upload_to_netsuite", "save_to_openair", "verify")
    expected = (*steps_forward, "fail", "resume", "restoring", "abandon", "restore", "adopt")
    assert expected == TRIGGERS


def test_proofs_are_gathered_one_by_one() -> None:
    """Each position has the proofs of the steps behind it: this is rule 1, as the database will check it."""
    expected = {
        State.REQUESTED: (),
        State.KEY_GENERATED: ("candidate",),
        State.UPLOADED_TO_NETSUITE: ("candidate", "confirmation"),
        State.SAVED_TO_OPENAIR: ("candidate", "confirmation", "saved"),
        State.COMPLETED: ("candidate", "confirmation", "saved", "verified"),
    }
    assert expected == {position: proofs_at(position) for position in expected}


@pytest.mark.parametrize("proof", PROOFS)
def test_both_views_of_the_proofs_agree(proof: str) -> None:
    """A position has a proof exactly when the proof is had at that position."""
    positions = [state for state in State if state is not State.FAILED]
    assert tuple(position for position in positions if proof in proofs_at(position)) == positions_with(proof)


def test_failed_is_no_position() -> None:
    """Failed says nothing of how far a rotation got: its position is where it failed from."""
    with pytest.raises(ValueError, match="not in tuple"):
        proofs_at(State.FAILED)
