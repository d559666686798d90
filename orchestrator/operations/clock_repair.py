"""Repairs timestamps written by a worker whose clock ran ahead, and checks a rotation's version."""

import logging
from datetime import datetime

from persistence.store import Store
from states.errors import Stale
from states.rotation import Rotation
from states.timing import HELD_AT_MOST

_log = logging.getLogger("keyturn.clock_repair")


def bring_back(store: Store, now: datetime) -> None:
    """Repair timestamps that are too far ahead of ``now``, and log a warning. Safe to repeat."""
    if rotations := store.claims.repair_clocks(now):
        _log.warning("a clock was wrong", extra={"rotations": rotations, "now": now})


def at_version(rotation: Rotation, version: int | None) -> Rotation:
    """``rotation``, if it is at the ``version`` that a person was shown (None: any). Raises Stale."""
    if version not in (None, rotation.version):
        raise Stale(f"Rotation {rotation.id} was changed: it is at version {rotation.version}, not {version}.")
    return rotation


def current(store: Store, rotation_id: str, now: datetime, version: int | None = None) -> Rotation:
    """The rotation with this id, for a verb whose precondition is what may be in flight.

    Repairs ``in_flight_until`` first where a worker whose clock ran ahead wrote it: perhaps no worker runs that would.
    ``version`` is what was shown before that. A rotation that was changed outside Keyturn says so. Raises NotFound,
    Stale, VaultLocked, SealBroken.
    """
    rotation = at_version(store.rotations.checked(rotation_id), version)
    until = rotation.doubt.in_flight_until
    if until is None or until <= now + HELD_AT_MOST:
        return rotation
    bring_back(store, now)
    return store.rotations.checked(rotation_id)
