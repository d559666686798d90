"""Times that were told by a clock that was ahead, brought within reach. Each function works within the caller's
transaction.

How far ahead a time is, is judged by the later of two clocks, the caller's and the database's: one that is slow takes
nothing right for wrong.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from persistence import models
from persistence.clock import UtcDateTime, database_now, database_now_plus, seconds
from states.state import State
from states.timing import HELD_AT_MOST, HOLD_OFF, POSTPONED_AT_MOST

_r: Final = models.rotations
_furthest, _later = (bindparam(name, type_=UtcDateTime()) for name in ("furthest", "later"))
_now: Final = bindparam("now", type_=UtcDateTime())
_LEASE_IS_OVER: Final = _r.c.lease_until <= database_now()

_DATABASE_NOW: Final = select(database_now())
_POSTPONED: Final = (
    update(_r)
    .where(models.ACTIVE, _r.c.worker.is_(None), _r.c.available_at > _furthest)
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
    update(_r).where(models.ACTIVE, _LEASE_IS_OVER, _r.c.available_at > _now).values(available_at=_now)
).returning(_r.c.id)
"""What a lost worker held was available. The claim itself does not say so, to stay a range of its index."""
_IN_FLIGHT: Final = (
    update(_r)
    .where(
        models.OPEN,
        _r.c.state == State.FAILED.value,
        or_(_r.c.lease_until.is_(None), _LEASE_IS_OVER),
        _r.c.in_flight_until > _furthest,
    )
    # A new version: a holder that lost its lease would think that the later moment is stored, and note none.
    .values(in_flight_until=_later, version=_r.c.version + 1)
    .returning(_r.c.id)
)
"""Whoever has a rotation to carry on asks for nothing in flight; a parked one's verbs do."""


def repair(tx: Transaction, now: datetime) -> int:
    """Undo what a clock that was ahead did to times; return to how many rotations."""
    latest = _latest(tx, now)
    # Leases first: what one of days held is lost by then. What may still be in flight is waited for.
    later = latest + HOLD_OFF
    asked: tuple[tuple[ReturningUpdate[tuple[str]], dict[str, object]], ...] = (
        (_HELD, {"longest": HELD_AT_MOST.total_seconds()}),
        (_LOST, {"now": now}),
        (_POSTPONED, {"furthest": latest + POSTPONED_AT_MOST, "later": later}),
        (_IN_FLIGHT, {"furthest": latest + HELD_AT_MOST, "later": later}),
    )
    return len({found for statement, values in asked for found in tx.execute(statement, values)})


def within(tx: Transaction, until: datetime, now: datetime) -> datetime:
    """Until when something may be in flight, where it is stored to be so ``until`` then."""
    latest = _latest(tx, now)
    return until if until <= latest + HELD_AT_MOST else latest + HOLD_OFF


def _latest(tx: Transaction, now: datetime) -> datetime:
    return max(now, tx.execute(_DATABASE_NOW).scalar_one())
