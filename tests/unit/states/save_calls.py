"""Where save_to_openair begins, the calls of a step that goes well, and a rotation whose confirmation is old."""

from datetime import timedelta
from typing import Any

from support.pairs import NOW
from unit.states.fake_world import World
from unit.states.rotations import a_confirmation

from states.rotation import Rotation
from states.state import State

AT = State.UPLOADED_TO_NETSUITE
SAVED = ["openair.save", "openair.read"]
"""The calls of a step that goes well at once."""


def stale(world: World, **changes: Any) -> Rotation:
    """A rotation whose confirmation is old."""
    confirmation = a_confirmation(world.candidate, asked_at=NOW - timedelta(hours=1))
    return world.rotation(AT, confirmation=confirmation, **changes)
