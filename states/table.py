"""The transition table. The machine, the engine's loop, the database's constraints, the diagrams, the reference and
the test matrix are all derived from it; nothing else spells out a move.
"""

from dataclasses import dataclass
from typing import Final

from states import steps
from states.state import State


@dataclass(frozen=True, slots=True)
class Edge:
    """One legal move."""

    source: State
    trigger: str
    target: State
    why: str
    """For a step: what makes it safe to repeat. Otherwise: when the move is made."""
    step: steps.Step | None = None
    """What must be done before the move, or None where the move is only a decision."""
    brings: str = ""
    """The rotation's proof that the step adds; from the target on it must name the candidate's fingerprint."""


def _step(source: State, step: steps.Step, target: State, brings: str, why: str) -> Edge:
    return Edge(source, step.__name__, target, why, step, brings)


FORWARD: Final = (
    _step(
        State.REQUESTED,
        steps.generate_key,
        State.KEY_GENERATED,
        brings="candidate",
        why="The sealed candidate commits with the move; a second run finds it.",
    ),
    _step(
        State.KEY_GENERATED,
        steps.upload_to_netsuite,
        State.UPLOADED_TO_NETSUITE,
        brings="confirmation",
        why="NetSuite is asked for a signature first: if it verifies with the candidate, it is already there.",
    ),
    _step(
        State.UPLOADED_TO_NETSUITE,
        steps.save_to_openair,
        State.SAVED_TO_OPENAIR,
        brings="saved",
        why="Needs NetSuite's confirmation of this very certificate; saving it twice changes nothing.",
    ),
    _step(
        State.SAVED_TO_OPENAIR,
        steps.verify,
        State.COMPLETED,
        brings="verified",
        why="NetSuite signs a fresh challenge, OpenAir is read; only what a person allowed is written once more.",
    ),
)
"""The way of a rotation that goes well, in order."""

ACTIVE: Final = tuple(edge.source for edge in FORWARD)
"""The states that have something left to do."""

FAIL: Final = "fail"
RESUME: Final = "resume"

EDGES: Final = (
    *FORWARD,
    *(Edge(state, FAIL, State.FAILED, "The step was refused, or its patience ran out.") for state in ACTIVE),
    *(Edge(State.FAILED, RESUME, state, "A person resumes it to the state it failed from.") for state in ACTIVE),
)
"""Every legal move."""

NEXT: Final = {edge.source: edge for edge in FORWARD}
"""The step that is due in each active state."""

TRIGGERS: Final = tuple(dict.fromkeys(edge.trigger for edge in EDGES))

PROOFS: Final = tuple(edge.brings for edge in FORWARD)
"""The proofs in the order in which they are gathered."""


def proofs_at(position: State) -> tuple[str, ...]:
    """The proofs that a rotation has when it got as far as ``position`` (never Failed)."""
    path = (*ACTIVE, State.COMPLETED)
    return PROOFS[: path.index(position)]


def positions_with(proof: str) -> tuple[State, ...]:
    """The positions from which on a rotation has ``proof``."""
    path = (*ACTIVE, State.COMPLETED)
    return path[PROOFS.index(proof) + 1 :]
