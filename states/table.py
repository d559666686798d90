"""The transition table. The machine, the engine's loop, the database's constraints, the diagrams, the reference and
the test matrix are all derived from it; nothing else spells out a move.
"""

from dataclasses import dataclass
from typing import Any, Final

from states import steps
from states.rotation import Candidate, Confirmation, Ending, Proof, Receipt
from states.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
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
    proof: type[Proof] | None = None
    """The kind of that proof."""
    begins_skew: bool = False
    """Whether NetSuite may hold the new key from the moment at which the proof was asked for."""
    urgent: bool = False
    """Whether imports may be refused while the step is due, so that its first failure already raises the alarm."""
    kept: str = ""
    """What a rotation has kept that is parked before this step, or closed by this move: a sentence for a person."""
    ending: Ending | None = None
    """How the move closes the rotation, where it does."""


def _step(source: State, step: steps.Step, target: State, **rest: Any) -> Edge:
    return Edge(source=source, trigger=step.__name__, target=target, step=step, **rest)


FORWARD: Final = (
    _step(
        State.REQUESTED,
        steps.generate_key,
        State.KEY_GENERATED,
        brings="candidate",
        proof=Candidate,
        why="The sealed candidate commits with the move; a second run finds it.",
        kept="Neither system was touched: both hold what they held.",
    ),
    _step(
        State.KEY_GENERATED,
        steps.upload_to_netsuite,
        State.UPLOADED_TO_NETSUITE,
        brings="confirmation",
        proof=Confirmation,
        begins_skew=True,
        why="NetSuite is asked for a signature first: if it verifies with the candidate, it is already there.",
        kept="The candidate, sealed. OpenAir was not touched.",
    ),
    _step(
        State.UPLOADED_TO_NETSUITE,
        steps.save_to_openair,
        State.SAVED_TO_OPENAIR,
        brings="saved",
        proof=Receipt,
        urgent=True,
        why="Needs NetSuite's confirmation of this very certificate; saving it twice changes nothing.",
        kept="NetSuite took the new key, OpenAir perhaps not yet: imports may be refused.",
    ),
    _step(
        State.SAVED_TO_OPENAIR,
        steps.verify,
        State.COMPLETED,
        brings="verified",
        proof=Receipt,
        why="NetSuite signs a fresh challenge, OpenAir is read; only what a person allowed is written once more.",
        kept="Both sides took the new certificate; only the last check is missing.",
    ),
)
"""The way of a rotation that goes well, in order."""

ACTIVE: Final = tuple(edge.source for edge in FORWARD)
"""The states that have something left to do."""

OUTAGE: Final = next(edge.source for edge in FORWARD if edge.urgent)
"""The state in which imports may be refused: NetSuite has the new key, OpenAir perhaps not yet the new certificate."""

BEFORE_UPLOAD: Final = next(edge.source for edge in FORWARD if edge.begins_skew)
"""The state whose step sends the candidate to NetSuite: in doubt, NetSuite may hold it already."""
AFTER_UPLOAD: Final = tuple(edge.source for edge in FORWARD[[edge.begins_skew for edge in FORWARD].index(True) + 1 :])
"""The active states in which NetSuite has the candidate."""

FAIL: Final = "fail"
RESUME: Final = "resume"
RESTORING: Final = "restoring"
ABANDON: Final = "abandon"
RESTORE: Final = "restore"
ADOPT: Final = "adopt"


def _parked(trigger: str, *, why: str, ending: Ending | None = None, kept: str = "") -> Edge:
    return Edge(source=State.FAILED, trigger=trigger, target=State.FAILED, why=why, ending=ending, kept=kept)


PARKED: Final = (
    _parked(
        RESTORING,
        why="The previous certificate is about to be sent to NetSuite; what NetSuite proved before counts no more.",
    ),
    _parked(
        ABANDON,
        why="NetSuite was asked, and does not hold the candidate; or there is none yet.",
        ending=Ending.ABANDONED,
        kept="NetSuite did not hold the certificate when the rotation was closed.",
    ),
    _parked(
        RESTORE,
        why="Both sides hold the previous certificate, as NetSuite has proved.",
        ending=Ending.RESTORED,
        kept="Both sides held the previous certificate again when the rotation was closed.",
    ),
    _parked(
        ADOPT,
        why="Both sides hold a certificate that Keyturn did not make, as NetSuite has proved.",
        ending=Ending.ADOPTED,
        kept="Both sides held a foreign certificate when the rotation was closed.",
    ),
)
"""The moves of a parked rotation that leave it Failed. All but the first close it."""

EDGES: Final = (
    *FORWARD,
    *(
        Edge(source=state, trigger=FAIL, target=State.FAILED, why="The step was refused, or its retry policy gave up.")
        for state in ACTIVE
    ),
    *(
        Edge(source=State.FAILED, trigger=RESUME, target=state, why="A person resumes it to the state it failed from.")
        for state in ACTIVE
    ),
    *PARKED,
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
