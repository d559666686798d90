"""The calls of a successful save_to_openair, and rotations at its beginning."""

from datetime import timedelta
from typing import Any

from support.pairs import NOW
from unit.states.rotations import a_confirmation
from unit.states.step_systems import StepSystems

from states.rotation import Rotation
from states.state import State

AT = State.UPLOADED_TO_NETSUITE
SAVED = ["openair.save", "openair.read"]
"""The calls of a step that succeeds at once."""


def stale(systems: StepSystems, **changes: Any) -> Rotation:
    """Return a rotation whose confirmation is old."""
    confirmation = a_confirmation(systems.candidate, asked_at=NOW - timedelta(hours=1))
    return systems.rotation(AT, confirmation=confirmation, **changes)
