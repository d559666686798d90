"""Repairs timestamps written by a worker whose clock ran ahead. Each function works within the caller's transaction.

Which timestamp is too far ahead is judged by the later of two clocks, the caller's and the database's. A slow clock
then takes no correct timestamp for a wrong one.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import RowMapping, bindparam, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from persistence import authenticity, models, rotation_mapping
from persistence.clock import UtcDateTime, database_now, database_now_plus, seconds
from persistence.journal import Head
from persistence.queries import ROTATION
from persistence.vault import Vault
from states.state import State
from states.timing import HELD_AT_MOST, HOLD_OFF, POSTPONED_AT_MOST

_r: Final = models.rotations
_furthest, _later = (bindparam(name, type_=UtcDateTime()) for name in ("furthest", "later"))
_now: Final = bindparam("now", type_=UtcDateTime())
_LEASE_IS_OVER: Final = _r.c.lease_until <= database_now()

_DATABASE_NOW: Final = select(database_now())
_POSTPONED: Final = (
    update(_r)
    .where(models.CLAIMABLE, _r.c.worker.is_(None), _r.c.available_at > _furthest)
    .values(available_at=_later)
    .returning(_r.c.id)
)
_HELD: Final = (
    update(_r)
    .where(models.OPEN, _r.c.lease_until > database_now_plus(seconds("longest")))
    .values(lease_until=database_now())
    .returning(_r.c.id)
)
_LOST: Final = (
    update(_r).where(models.CLAIMABLE, _LEASE_IS_OVER, _r.c.available_at > _now).values(available_at=_now)
).returning(_r.c.id)
"""A rotation that a lost worker held was available when it was claimed, so it is available now. The claim itself does
not check this: with one more alternative, its condition would be no range of an index."""
_IN_FLIGHT: Final = (
    select(_r.c.id)
    .where(
        models.OPEN,
        _r.c.state == State.FAILED.value,
        or_(_r.c.lease_until.is_(None), _LEASE_IS_OVER),
        _r.c.in_flight_until > _furthest,
    )
    .with_for_update()
)
"""Only parked rotations: what is in flight holds up their verbs, but no step."""
_LOCKED: Final = ROTATION.where(_r.c.id == bindparam("id"))
"""A rotation that was locked, with its certificates, by a statement of its own."""


def repair(tx: Transaction, vault: Vault, now: datetime) -> int:
    """Repair the timestamps of all rotations; return how many were changed."""
    latest = _latest(tx, now)
    # Leases first: the rotation of a lease that ends here is lost for the next statement. The others become available
    # when a request that is still in flight can no longer take effect.
    later = latest + HOLD_OFF
    asked: tuple[tuple[ReturningUpdate[tuple[str]], dict[str, object]], ...] = (
        (_HELD, {"longest": HELD_AT_MOST.total_seconds()}),
        (_LOST, {"now": now}),
        (_POSTPONED, {"furthest": latest + POSTPONED_AT_MOST, "later": later}),
    )
    repaired = {found for statement, values in asked for (found,) in tx.execute(statement, values)}
    in_flight = tx.execute(_IN_FLIGHT, {"furthest": latest + HELD_AT_MOST}).scalars().all()
    for rotation_id in in_flight:
        _land(tx, vault, tx.execute(_LOCKED, {"id": rotation_id}).mappings().one(), later)
    return len(repaired.union(in_flight))


def _land(tx: Transaction, vault: Vault, row: RowMapping, until: datetime) -> None:
    """Store until when the request of a parked rotation is in flight."""
    rotation, head = rotation_mapping.to_rotation(row), Head(row["journal_seq"], row["journal_hash"])
    rotation = authenticity.checked(vault, rotation, head, row["code"])
    after = replace(rotation, doubt=replace(rotation.doubt, in_flight_until=until))
    # With a new version, a holder that lost its lease cannot write. It would believe that the later moment is stored
    # already, and store none for what it sends.
    values = {
        **rotation_mapping.of_changes(rotation, after),
        "version": rotation.version + 1,
        "code": authenticity.authenticate_rotation(vault, after, head),
    }
    tx.execute(update(_r).where(_r.c.id == rotation.id).values(values))


def within(tx: Transaction, until: datetime, now: datetime) -> datetime:
    """Return until when a request may be in flight, given the stored ``until``: less if that is too far ahead."""
    latest = _latest(tx, now)
    return until if until <= latest + HELD_AT_MOST else latest + HOLD_OFF


def _latest(tx: Transaction, now: datetime) -> datetime:
    return max(now, tx.execute(_DATABASE_NOW).scalar_one())
