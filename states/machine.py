"""The transition table, run by `transitions` (imported nowhere else): the only place where a rotation is moved.

One machine serves every rotation. It is shared between threads and keeps no models: rotations are frozen, so each move
is fired on a small subject of its own. A guard that refuses raises, because `transitions` would only return False.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from transitions import Machine, MachineError

from states import preconditions, table
from states.errors import IllegalMove, KeyturnError
from states.next_action import NextAction, Verb
from states.rotation import (
    NOTHING_ALLOWED,
    Absence,
    Allowances,
    Confirmation,
    Failure,
    Proof,
    Rotation,
)
from states.state import State
from states.table import Edge


class _Subject:
    """One move under way: the state by its wire name, and what the guards look at."""

    __slots__ = ("now", "proof", "rotation", "state")

    def __init__(self, rotation: Rotation, proof: Proof | Absence | None, now: datetime) -> None:
        self.rotation = rotation
        self.proof = proof
        self.now = now
        self.state = rotation.state.value


def advance(rotation: Rotation, edge: Edge, proof: Proof, now: datetime) -> Rotation:
    """Make the move of a step that brought ``proof``, which is filed under what the edge brings.

    Raises IllegalMove where it is not a proof of the edge's kind for this rotation's candidate.
    """
    if edge.step is None:
        raise IllegalMove(f"{edge.trigger!r} is a decision, not a step that was done.")
    target = _fire(rotation, edge.trigger, now, proof)
    skew_from = rotation.skew_from
    if edge.begins_skew and isinstance(proof, Confirmation):
        # A candidate that was found may come from the write in doubt, so the skew begins with the doubt; or with an
        # earlier upload that was undone. It is never understated.
        skew_from = skew_from or rotation.doubt.since or proof.asked_at
    return replace(
        rotation,
        state=target,
        proofs=rotation.proofs.having(edge.brings, proof),
        skew_from=skew_from,
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
    """Park the rotation with the reason and the next safe action. What is in doubt stays in doubt.

    It waits for a person, unless Keyturn restores the previous certificate by itself: then no earlier than when nothing
    is in flight any more, because a late request of the candidate would undo the restore.
    """
    target = _fire(rotation, table.FAIL, now)
    failure = Failure.of(error, failed_from=rotation.state, at=now)
    parked = replace(
        rotation, state=target, tries=0, failure=failure, waiting_for="", awaits_person=True, updated_at=now
    )
    if not preconditions.restores_itself(parked, now):
        return replace(parked, available_at=now)
    in_flight_until = rotation.doubt.in_flight_until
    landed = in_flight_until + timedelta.resolution if in_flight_until else now
    return replace(parked, awaits_person=False, available_at=max(now, landed))


def resume(rotation: Rotation, now: datetime, allowed: Allowances = NOTHING_ALLOWED) -> Rotation:
    """Take a parked rotation back to the state it failed from: same id, attempt + 1.

    What is in doubt stays in doubt. Raises IllegalMove for a rotation that is not parked, or that has to wait.
    """
    if refused := preconditions.why_not(Verb.RESUME, rotation, now):
        raise IllegalMove(f"Rotation {rotation.id} cannot be resumed: {refused}")
    target = _fire(rotation, table.RESUME, now)
    return replace(
        rotation,
        state=target,
        failure=None,
        restoring_since=None,
        waiting_for="",
        awaits_person=False,
        attempt=rotation.attempt + 1,
        tries=0,
        allowed=allowed,
        updated_at=now,
        available_at=now,
    )


def restoring(rotation: Rotation, now: datetime) -> Rotation:
    """Record that the previous certificate is about to be sent to NetSuite: from now on its fate is in doubt.

    Its proof that it holds the candidate counts no more, so the position goes back to before the upload: a resumed
    rotation finds the previous certificate where it expects that. NetSuite may have held the candidate since an earlier
    doubt, so the skew begins no later.
    """
    target = _fire(rotation, table.RESTORING, now)
    return replace(
        rotation.with_doubt(now, now),
        state=target,
        failure=rotation.failure and replace(rotation.failure, failed_from=table.BEFORE_UPLOAD),
        proofs=replace(rotation.proofs, confirmation=None, saved=None),
        restoring_since=now,
        skew_from=rotation.skew_from or rotation.doubt.since,
        updated_at=now,
    )


def abandon(rotation: Rotation, now: datetime, absence: Absence | None = None) -> Rotation:
    """Close a parked rotation whose candidate NetSuite does not hold: it stays Failed, and frees its connection.

    Raises IllegalMove where abandoning is not possible; where there is a candidate, also without an ``absence`` that
    says that NetSuite does not hold this very one. That it was never sent is no such proof.

    One that was changed outside Keyturn cannot say what is in flight: the connection's next rotation waits until
    nothing can be.
    """
    if rotation.circumstances.broken and rotation.proofs.candidate:
        held_off = rotation.doubt.raised(now, now)
        return replace(_close(rotation, table.ABANDON, now, absence), doubt=held_off.settled())
    return _close(rotation, table.ABANDON, now, absence)


def restore(rotation: Rotation, proof: Confirmation, now: datetime) -> Rotation:
    """Close a parked rotation whose previous certificate both sides hold again; ``proof`` is NetSuite's signature.

    Raises IllegalMove where restoring is not possible, or ``proof`` is of another certificate.
    """
    return _close(rotation, table.RESTORE, now, proof)


def adopt(rotation: Rotation, proof: Confirmation, now: datetime) -> Rotation:
    """Close a parked rotation in favour of the certificate that both sides hold; ``proof`` is NetSuite's signature.

    Raises IllegalMove where adopting is not possible, or ``proof`` is of this rotation's own candidate.
    """
    return _close(rotation, table.ADOPT, now, proof)


def _close(rotation: Rotation, trigger: str, now: datetime, proof: Confirmation | Absence | None) -> Rotation:
    target = _fire(rotation, trigger, now, proof)
    return replace(
        rotation,
        state=target,
        doubt=rotation.doubt.settled(),
        restoring_since=None,
        waiting_for="",
        awaits_person=False,
        ending=_ENDINGS[trigger],
        updated_at=now,
        closed_at=now,
    )


def _fire(rotation: Rotation, trigger: str, now: datetime, proof: Proof | Absence | None = None) -> State:
    """The state that ``trigger`` leads to. Raises IllegalMove where the table or a guard does not allow it."""
    subject = _Subject(rotation, proof, now)
    try:
        moved = _MACHINE.events[trigger].trigger(subject)
    except MachineError as error:
        raise IllegalMove(f"A rotation that is {rotation.state} does not allow {trigger!r}.") from error
    if not moved:
        raise IllegalMove(f"The rotation is {rotation.state}, but has nothing to {trigger}.")
    return State(subject.state)


# --- guards: each returns whether this edge is open, or raises with the reason ----------------------------------------


def _has_proof(edge: Edge, subject: _Subject) -> bool:
    """A step forward needs a proof of the edge's kind that names the candidate's fingerprint."""
    proof = subject.proof
    candidate = proof if edge.brings == "candidate" else subject.rotation.proofs.candidate
    if edge.proof and isinstance(proof, edge.proof) and candidate and proof.fingerprint == candidate.fingerprint:
        return True
    raise IllegalMove(f"{edge.trigger} brought no proof ({edge.brings}) for this rotation's candidate.")


def _is_open(_edge: Edge, subject: _Subject) -> bool:
    """A closed rotation is not parked again, and nothing is put back for it."""
    return subject.rotation.is_open


def _failed_here(edge: Edge, subject: _Subject) -> bool:
    """Of the four ways back from Failed, only the one to where the rotation failed is open."""
    return subject.rotation.is_open and subject.rotation.position is edge.target


def _can_abandon(edge: Edge, subject: _Subject) -> bool:
    _ensure_possible(edge, subject)
    candidate, absence = subject.rotation.proofs.candidate, subject.proof
    if candidate and (not isinstance(absence, Absence) or absence.fingerprint != candidate.fingerprint):
        raise IllegalMove("It is not proved that NetSuite does not hold this rotation's certificate.")
    return True


def _can_restore(edge: Edge, subject: _Subject) -> bool:
    proof, previous = subject.proof, subject.rotation.previous
    if previous is None or not isinstance(proof, Confirmation) or proof.fingerprint != previous.fingerprint:
        raise IllegalMove("NetSuite has not proved that it holds the previous certificate.")
    _ensure_possible(edge, subject)
    return True


def _can_adopt(edge: Edge, subject: _Subject) -> bool:
    proof, candidate = subject.proof, subject.rotation.proofs.candidate
    if not isinstance(proof, Confirmation):
        raise IllegalMove("NetSuite has not proved which certificate it holds.")
    if candidate and proof.fingerprint == candidate.fingerprint:
        raise IllegalMove("Both sides hold this rotation's own certificate.", next_action=NextAction(Verb.RESUME))
    _ensure_possible(edge, subject)
    return True


def _ensure_possible(edge: Edge, subject: _Subject) -> None:
    """Raise where the verb of the same name is not possible: the preconditions hold for every caller."""
    if refused := preconditions.why_not(Verb(edge.trigger), subject.rotation, subject.now):
        raise IllegalMove(f"Rotation {subject.rotation.id} cannot be {edge.ending}: {refused}")


_GUARDS: Final[dict[str, Callable[[Edge, _Subject], bool]]] = {
    **{edge.trigger: _has_proof for edge in table.FORWARD},
    table.FAIL: _is_open,
    table.RESUME: _failed_here,
    table.RESTORING: _is_open,
    table.ABANDON: _can_abandon,
    table.RESTORE: _can_restore,
    table.ADOPT: _can_adopt,
}
_ENDINGS: Final = {edge.trigger: edge.ending for edge in table.PARKED if edge.ending}


def _is_allowed(edge: Edge, event: Any) -> bool:
    return _GUARDS[edge.trigger](edge, event.model)


def _build() -> Machine:
    machine = Machine(
        model=None,
        states=[state.value for state in State],
        initial=State.REQUESTED.value,
        auto_transitions=False,
        send_event=True,
    )
    for edge in table.EDGES:
        allowed = partial(_is_allowed, edge)
        machine.add_transition(edge.trigger, edge.source.value, edge.target.value, conditions=[allowed])
    return machine


_MACHINE: Final = _build()
