"""The calls of a successful save_to_openair, and rotations at its beginning."""

from datetime import timedelta
from typing import Any

from support.pairs import NOW
from unit.states.fake_world import World
from unit.states.rotations import a_confirmation

from states.rotation import Rotation
from states.state import State

AT = State.UPLOADED_TO_NETSUITE
SAVED = ["openair.save", "openair.read"]
"""The calls of a step that succeeds at once."""


def stale(world: World, **changes: Any) -> Rotation:
    """Return a rotation whose confirmation is old."""
    confirmation = a_confirmation(world.candidate, asked_at=NOW - timedelta(hours=1))
    return world.rotation(AT, confirmation=confirmation, **changes)
