"""What a clock that was ahead told, found by whoever is about to rely on it."""

import logging
from datetime import datetime

from persistence.store import Store
from states.rotation import Rotation
from states.timing import HELD_AT_MOST

_log = logging.getLogger("keyturn.clock_repair")


def bring_back(store: Store, now: datetime) -> None:
    """Bring back what a clock that was ahead put out of reach of ``now``, and warn of it. Safe to repeat."""
    if rotations := store.claims.repair_clocks(now):
        _log.warning("a clock was wrong", extra={"rotations": rotations, "now": now})


def current(store: Store, rotation_id: str, now: datetime) -> Rotation:
    """The rotation with this id, for a verb whose precondition is what may be in flight. Raises NotFound.

    Where a clock that was ahead told until when that is, the moment is brought back first: perhaps no worker runs.
    """
    rotation = store.rotations.get(rotation_id)
    until = rotation.doubt.in_flight_until
    if until is None or until <= now + HELD_AT_MOST:
        return rotation
    bring_back(store, now)
    return store.rotations.get(rotation_id)
