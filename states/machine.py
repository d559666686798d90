"""The table, run by `transitions` (imported nowhere else): the only place where a rotation's state changes.

One machine serves every rotation. It is shared and unqueued and keeps no models: rotations are frozen, so each move is
fired on a small throw-away subject. A guard that fails raises, because `transitions` would only return False.
"""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from transitions import Machine, MachineError

from states import preconditions, table
from states.errors import IllegalMove, KeyturnError
from states.next_action import NextAction, Verb
from states.rotation import NOTHING_ALLOWED, Absence, Allowances, Confirmation, Ending, Failure, Rotation
from states.state import State
from states.table import Edge


class _Subject:
    """What the machine moves: the state by its wire name, beside the rotation that the guards look at."""

    __slots__ = ("rotation", "state")

    def __init__(self, rotation: Rotation) -> None:
        self.rotation = rotation
        self.state = rotation.state.value


def advance(rotation: Rotation, edge: Edge, now: datetime) -> Rotation:
    """Make the move of a step that was done. Raises IllegalMove without the proof that the step brings."""
    if edge.step is None:
        raise IllegalMove(f"{edge.trigger!r} is a decision, not a step that was done.")
    target = _fire(rotation, edge.trigger)
    return replace(
        rotation,
        state=target,
        tries=0,
        doubt=rotation.doubt.settled(),
        allowed=NOTHING_ALLOWED,
        waiting_for="",
        awaits_person=False,
        updated_at=now,
        available_at=now,
        closed_at=now if target is State.COMPLETED else None,
    )


def fail(rotation: Rotation, error: KeyturnError, now: datetime) -> Rotation:
    """Park the rotation with the reason and the next safe action."""
    target = _fire(rotation, table.FAIL)
    failure = Failure.of(error, failed_from=rotation.state, at=now)
    return replace(
        rotation,
        state=target,
        failure=failure,
        waiting_for="",
        awaits_person=False,
        updated_at=now,
        available_at=now,
    )


def resume(rotation: Rotation, now: datetime, allowed: Allowances = NOTHING_ALLOWED) -> Rotation:
    """Take a parked rotation back to the state it failed from: same id, attempt + 1.

    Whatever was in doubt stays in doubt. Raises IllegalMove for a rotation that is not parked, or that has to wait.
    """
    if refused := preconditions.why_not(Verb.RESUME, rotation, now):
        raise IllegalMove(f"Rotation {rotation.id} cannot be resumed: {refused}")
    target = _fire(rotation, table.RESUME)
    return replace(
        rotation,
        state=target,
        failure=None,
        restoring_since=None,
        attempt=rotation.attempt + 1,
        tries=0,
        allowed=allowed,
        updated_at=now,
        available_at=now,
    )


def abandon(rotation: Rotation, now: datetime, absence: Absence | None = None) -> Rotation:
    """Close a parked rotation whose candidate NetSuite does not hold: it stays Failed, and frees its connection.

    Raises IllegalMove where abandoning is not possible; where the candidate may have been sent, also without an
    ``absence`` that tells that NetSuite does not hold this very one.
    """
    closed = _close(rotation, Verb.ABANDON, Ending.ABANDONED, now)
    candidate = rotation.proofs.candidate
    if (
        candidate
        and preconditions.may_be_sent(rotation)
        and (absence is None or absence.fingerprint != candidate.fingerprint)
    ):
        raise IllegalMove("Nobody has seen that NetSuite does not hold this rotation's certificate.")
    return closed


def restoring(rotation: Rotation, now: datetime) -> Rotation:
    """Note that the previous certificate is about to be sent to NetSuite: from now on its fate is in doubt.

    Its proof that it holds the candidate counts no more, so the rotation is back where the upload comes next: resumed,
    it finds the previous certificate where that is expected. What has to be put back may have been there for as long
    as there is a doubt, so the skew begins no later.
    """
    return replace(
        rotation.with_doubt(now, now),
        failure=rotation.failure and replace(rotation.failure, failed_from=State.KEY_GENERATED),
        proofs=replace(rotation.proofs, confirmation=None, saved=None),
        restoring_since=now,
        skew_from=rotation.skew_from or rotation.doubt.since,
        updated_at=now,
    )


def restore(rotation: Rotation, proof: Confirmation, now: datetime) -> Rotation:
    """Close a parked rotation whose previous certificate both sides hold again; ``proof`` is NetSuite's signature.

    Raises IllegalMove where restoring is not possible, or ``proof`` is of another certificate.
    """
    if rotation.previous is None or proof.fingerprint != rotation.previous.fingerprint:
        raise IllegalMove("NetSuite has not proved that it holds the previous certificate.")
    return _close(rotation, Verb.RESTORE, Ending.RESTORED, now)


def adopt(rotation: Rotation, proof: Confirmation, now: datetime) -> Rotation:
    """Close a parked rotation in favour of the certificate that both sides hold; ``proof`` is NetSuite's signature.

    Raises IllegalMove where adopting is not possible, or ``proof`` is of this rotation's own candidate.
    """
    if rotation.proofs.candidate and proof.fingerprint == rotation.proofs.candidate.fingerprint:
        raise IllegalMove("Both sides hold this rotation's own certificate.", next_action=NextAction(Verb.RESUME))
    return _close(rotation, Verb.ADOPT, Ending.ADOPTED, now)


def _close(rotation: Rotation, verb: Verb, ending: Ending, now: datetime) -> Rotation:
    """End a parked rotation: it stays Failed, and frees its connection."""
    if refused := preconditions.why_not(verb, rotation, now):
        raise IllegalMove(f"Rotation {rotation.id} cannot be {ending}: {refused}")
    return replace(
        rotation, doubt=rotation.doubt.settled(), restoring_since=None, ending=ending, updated_at=now, closed_at=now
    )


def _fire(rotation: Rotation, trigger: str) -> State:
    subject = _Subject(rotation)
    try:
        moved = _MACHINE.events[trigger].trigger(subject)
    except MachineError as error:
        raise IllegalMove(f"A rotation that is {rotation.state} does not allow {trigger!r}.") from error
    if not moved:
        raise IllegalMove(f"The rotation is {rotation.state}, but has nothing to {trigger}.")
    return State(subject.state)


def _has_proof(edge: Edge, event: Any) -> bool:
    """Guard of the forward moves: the proof is there and names the candidate's fingerprint."""
    rotation: Rotation = event.model.rotation
    proof = getattr(rotation.proofs, edge.brings)
    if proof is None or rotation.proofs.candidate is None or proof.fingerprint != rotation.proofs.candidate.fingerprint:
        raise IllegalMove(f"{edge.trigger} brought no proof ({edge.brings}) for this rotation's candidate.")
    return True


def _is_open(_edge: Edge, event: Any) -> bool:
    """Guard of failing: a closed rotation is not parked again."""
    rotation: Rotation = event.model.rotation
    return rotation.is_open


def _failed_here(edge: Edge, event: Any) -> bool:
    """Guard of resuming: of the four ways back, only the one to where it failed is open."""
    rotation: Rotation = event.model.rotation
    return rotation.is_open and rotation.position is edge.target


_GUARDS: Final = {table.FAIL: _is_open, table.RESUME: _failed_here}


def _build() -> Machine:
    machine = Machine(
        model=None,
        states=[state.value for state in State],
        initial=State.REQUESTED.value,
        auto_transitions=False,
        send_event=True,
    )
    for edge in table.EDGES:
        guard = _GUARDS.get(edge.trigger, _has_proof)
        machine.add_transition(edge.trigger, edge.source.value, edge.target.value, conditions=[partial(guard, edge)])
    return machine


_MACHINE: Final = _build()
