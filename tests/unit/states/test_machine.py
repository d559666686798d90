"""The machine makes exactly the moves of the table, each with its proof."""

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from support.factories import changed
from support.pairs import NOW, Pair, a_pair
from transitions import MachineError
from unit.states.rotations import a_confirmation, a_proof, a_rotation, parked

from states import machine
from states.errors import ForeignRotation, IllegalMove, Refused, Throttled
from states.next_action import NextAction, Verb, by_hand
from states.rotation import Absence, Allowances, Failure, Rotation
from states.state import State
from states.table import (
    ABANDON,
    ACTIVE,
    ADOPT,
    EDGES,
    FAIL,
    FORWARD,
    PROOFS,
    RESTORE,
    RESTORING,
    RESUME,
    TRIGGERS,
    Edge,
)

LATER = NOW + timedelta(minutes=1)
BY_TRIGGER = {edge.trigger: edge for edge in FORWARD}
LEGAL = {(edge.source, edge.trigger) for edge in EDGES}


PREVIOUS = a_pair()


def move(rotation: Rotation, trigger: str, pair: Pair) -> Rotation:
    """Fire ``trigger`` with its own function and the proof that it needs."""
    functions: dict[str, Callable[[], Rotation]] = {
        FAIL: lambda: machine.fail(rotation, Refused(), LATER),
        RESUME: lambda: machine.resume(rotation, LATER),
        RESTORING: lambda: machine.restoring(rotation, LATER),
        ABANDON: lambda: machine.abandon(rotation, LATER, Absence(pair.fingerprint, NOW, ())),
        RESTORE: lambda: machine.restore(rotation, a_confirmation(PREVIOUS), LATER),
        ADOPT: lambda: machine.adopt(rotation, a_confirmation(PREVIOUS), LATER),
    }
    if trigger in functions:
        return functions[trigger]()
    edge = BY_TRIGGER[trigger]
    return machine.advance(rotation, edge, a_proof(edge.brings, pair), LATER)


def standing(pair: Pair, state: State, trigger: str) -> Rotation:
    """Return a rotation in ``state`` for which only the table can refuse ``trigger``."""
    if state is not State.FAILED:
        return a_rotation(pair, state, previous=PREVIOUS.certificate)
    error = ForeignRotation() if trigger == ADOPT else Refused()
    rotation = a_rotation(pair, State.KEY_GENERATED, doubt_since=NOW, previous=PREVIOUS.certificate)
    return parked(changed(rotation, previous_key_kept=True), error)


# --- the matrix -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "trigger"), list(product(State, TRIGGERS)))
def test_exactly_the_moves_of_the_table_are_legal(state: State, trigger: str, pair: Pair) -> None:
    """Every state with every trigger: a move of the table is made; any other is refused and changes nothing."""
    rotation = standing(pair, state, trigger)
    before = replace(rotation)
    if (state, trigger) in LEGAL:
        targets = {edge.target for edge in EDGES if (edge.source, edge.trigger) == (state, trigger)}
        assert move(rotation, trigger, pair).state in targets
    else:
        with pytest.raises(IllegalMove, match=f"{state}|has ended"):
            move(rotation, trigger, pair)
    assert before == rotation


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge.source}-{edge.trigger}-{edge.target}")
def test_every_move_of_the_table_can_be_made(edge: Edge, pair: Pair) -> None:
    """Each of the sixteen moves is possible, and leads to the state in the table."""
    start = standing(pair, edge.source, edge.trigger)
    if edge.trigger == RESUME:
        start = parked(a_rotation(pair, edge.target))
    moved = move(start, edge.trigger, pair)
    assert (edge.target, edge.ending) == (moved.state, moved.ending)
    assert (edge.ending is not None or edge.target is State.COMPLETED) == (not moved.is_open)


@pytest.mark.parametrize("edge", [edge for edge in EDGES if edge not in FORWARD], ids=lambda edge: edge.trigger)
def test_only_a_step_advances(edge: Edge, pair: Pair) -> None:
    """`advance` refuses the edges of decisions: their own functions set failure, attempt and ending."""
    start = standing(pair, edge.source, edge.trigger)
    with pytest.raises(IllegalMove):
        machine.advance(start, edge, a_proof("saved", pair), LATER)


def test_the_machine_has_no_other_trigger() -> None:
    """No automatic transitions: nothing jumps from Requested to Completed."""
    assert set(TRIGGERS) == set(machine._MACHINE.events)


def test_the_machine_knows_the_wire_names() -> None:
    """States are values, not member names."""
    assert [state.value for state in State] == list(machine._MACHINE.states)


# --- forward ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", FORWARD, ids=lambda edge: edge.trigger)
def test_a_step_files_its_proof(edge: Edge, pair: Pair) -> None:
    """The proof is kept under what the edge brings; the proofs before it stay."""
    rotation, proof = a_rotation(pair, edge.source), a_proof(edge.brings, pair)
    moved = machine.advance(rotation, edge, proof, LATER)
    assert changed(rotation, **{edge.brings: proof}).proofs == moved.proofs


@pytest.mark.parametrize(("edge", "other"), list(product(FORWARD, PROOFS)))
def test_no_step_forward_with_a_proof_of_another_kind(edge: Edge, other: str, pair: Pair) -> None:
    """A failing guard raises, where `transitions` would return False; a receipt does not open the way to OpenAir."""
    proof = a_proof(other, pair)
    if edge.proof is type(proof):
        return
    with pytest.raises(IllegalMove, match=rf"{edge.trigger} brought no proof \({edge.brings}\)"):
        machine.advance(a_rotation(pair, edge.source), edge, proof, LATER)


@pytest.mark.parametrize("edge", FORWARD[1:], ids=lambda edge: edge.trigger)
def test_no_step_forward_with_the_proof_of_another_certificate(edge: Edge, pair: Pair) -> None:
    """A proof counts for the candidate's fingerprint only."""
    with pytest.raises(IllegalMove, match=edge.brings):
        machine.advance(a_rotation(pair, edge.source), edge, a_proof(edge.brings, a_pair()), LATER)


@pytest.mark.parametrize("edge", FORWARD[1:], ids=lambda edge: edge.trigger)
def test_no_step_forward_without_a_candidate(edge: Edge, pair: Pair) -> None:
    """A proof without a candidate proves nothing."""
    rotation = changed(a_rotation(pair, edge.source), candidate=None)
    with pytest.raises(IllegalMove, match=edge.brings):
        machine.advance(rotation, edge, a_proof(edge.brings, pair), LATER)


@pytest.mark.parametrize("edge", FORWARD, ids=lambda edge: edge.trigger)
def test_a_move_forgets_what_belonged_to_the_step(edge: Edge, pair: Pair) -> None:
    """Tries, doubt, permissions and the reason for waiting hold for one step only."""
    rotation = a_rotation(
        pair,
        edge.source,
        tries=3,
        doubt_since=NOW,
        may_create_record=True,
        may_overwrite=True,
        waiting_for="OpenAir is down.",
    )
    proof = a_proof(edge.brings, pair)
    expected = changed(
        rotation,
        state=edge.target,
        skew_from=NOW if edge.begins_skew else rotation.skew_from,
        tries=0,
        doubt_since=None,
        may_create_record=False,
        may_overwrite=False,
        waiting_for="",
        updated_at=LATER,
        available_at=LATER,
        closed_at=LATER if edge.target is State.COMPLETED else None,
        **{edge.brings: proof},
    )
    assert expected == machine.advance(rotation, edge, proof, LATER)


# --- failing and resuming ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ACTIVE)
def test_failing_keeps_the_reason_and_everything_gathered(state: State, pair: Pair) -> None:
    """A parked rotation tells code, message, next action and where it failed; its proofs and its doubt remain."""
    rotation = a_rotation(pair, state, doubt_since=NOW, tries=2, waiting_for="NetSuite is slow.")
    error = Refused("The certificate was refused.", next_action=by_hand("Correct it."))
    failure = Failure(
        failed_from=state,
        code="REFUSED",
        message="The certificate was refused.",
        next_action=by_hand("Correct it.", NextAction(Verb.RESUME)),
        at=LATER,
    )
    expected = replace(
        rotation,
        state=State.FAILED,
        tries=0,
        failure=failure,
        waiting_for="",
        awaits_person=True,
        updated_at=LATER,
        available_at=LATER,
    )
    failed = machine.fail(rotation, error, LATER)
    assert expected == failed
    assert state is failed.position


@pytest.mark.parametrize(("failed_from", "target"), list(product(ACTIVE, State)))
def test_resume_goes_only_to_where_it_failed(failed_from: State, target: State, pair: Pair) -> None:
    """Of the ways back from Failed, exactly the one to the state it failed from is open."""
    resumed = machine.resume(parked(a_rotation(pair, failed_from)), LATER)
    assert (target is failed_from) == (target is resumed.state)


def test_resume_keeps_the_id_and_counts_the_attempt(pair: Pair) -> None:
    """The same rotation goes on, with the same candidate; what was in doubt stays in doubt."""
    rotation = parked(a_rotation(pair, State.KEY_GENERATED, doubt_since=NOW, tries=7))
    expected = replace(
        rotation,
        state=State.KEY_GENERATED,
        failure=None,
        attempt=2,
        tries=0,
        awaits_person=False,
        updated_at=LATER,
        available_at=LATER,
    )
    assert expected == machine.resume(rotation, LATER)


def test_resuming_again_counts_again(pair: Pair) -> None:
    """Three resumes make the fourth attempt."""
    rotation = a_rotation(pair, State.SAVED_TO_OPENAIR)
    for _ in range(3):
        rotation = machine.resume(machine.fail(rotation, Refused(), NOW), NOW)
    assert 4 == rotation.attempt


@pytest.mark.parametrize(("create", "overwrite"), list(product([False, True], repeat=2)))
def test_permissions_are_those_of_the_last_resume(create: bool, overwrite: bool, pair: Pair) -> None:  # noqa: FBT001
    """What a person allowed an earlier time does not linger."""
    before = parked(a_rotation(pair, State.KEY_GENERATED, may_create_record=True, may_overwrite=True))
    resumed = machine.resume(before, NOW, Allowances(create_record=create, overwrite=overwrite))
    assert (create, overwrite) == (resumed.allowed.create_record, resumed.allowed.overwrite)


def test_a_closed_rotation_is_not_resumed(pair: Pair) -> None:
    """A Failed rotation that was closed no longer holds its connection, so it stays as it is."""
    with pytest.raises(IllegalMove):
        machine.resume(parked(a_rotation(pair, State.KEY_GENERATED, closed_at=NOW)), LATER)


def test_what_has_to_wait_is_not_resumed(pair: Pair) -> None:
    """While a restore may still land on top of it, the candidate is not sent again."""
    rotation = parked(a_rotation(pair, State.KEY_GENERATED, restoring_since=NOW, in_flight_until=LATER))
    with pytest.raises(IllegalMove, match="cannot be resumed: What was sent"):
        machine.resume(rotation, LATER)


@pytest.mark.parametrize("state", State)
def test_a_closed_rotation_does_not_fail(state: State, pair: Pair) -> None:
    """A closed or completed rotation cannot be parked."""
    start = a_rotation(pair, State.KEY_GENERATED if state is State.FAILED else state, closed_at=NOW)
    with pytest.raises(IllegalMove):
        machine.fail(parked(start) if state is State.FAILED else start, Refused(), LATER)


def test_failing_twice_is_refused(pair: Pair) -> None:
    """A parked rotation keeps its first reason and cannot be parked again."""
    failed = machine.fail(a_rotation(pair), Throttled(), NOW)
    with pytest.raises(IllegalMove, match="Failed") as caught:
        machine.fail(failed, Refused(), LATER)
    assert isinstance(caught.value.__cause__, MachineError)


# --- one machine for all ----------------------------------------------------------------------------------------------


def test_a_thousand_moves_leave_nothing_behind(pair: Pair) -> None:
    """The machine keeps no models: a worker that runs for a year holds no rotation that it has finished."""
    rotation = a_rotation(pair, State.KEY_GENERATED)
    for _ in range(500):
        rotation = machine.resume(machine.fail(rotation, Refused(), NOW), NOW)
    with pytest.raises(IllegalMove):
        machine.resume(rotation, NOW)
    gc.collect()
    assert [] == machine._MACHINE.models
    assert 0 == sum(isinstance(each, machine._Subject) for each in gc.get_objects())


def test_threads_share_the_machine(pair: Pair) -> None:
    """Many workers move many rotations at once, and each gets its own result."""

    def fail_and_resume(position: State) -> Rotation:
        rotation = a_rotation(pair, position)
        for _ in range(100):
            rotation = machine.resume(machine.fail(rotation, Refused(), NOW), NOW)
        return rotation

    positions = ACTIVE * 4
    with ThreadPoolExecutor(8) as pool:
        rotations = list(pool.map(fail_and_resume, positions))
    assert [(position, 101) for position in positions] == [(each.state, each.attempt) for each in rotations]
