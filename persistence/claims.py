"""Claims: which worker holds a rotation, and until when. Each function works within the caller's transaction."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Update, bindparam, insert, or_, select, update

from persistence import mapping, models
from persistence.clock import UtcDateTime, database_now, database_now_plus, seconds
from persistence.journal import TAKEN_OVER, Head, append
from persistence.prepared import Prepared
from persistence.rotations import FULL
from states.errors import Stale
from states.rotation import Rotation

_r: Final = models.rotations


@dataclass(frozen=True, slots=True)
class Claim:
    """A rotation, held by one worker until its lease runs out. Only the store makes one."""

    rotation: Rotation
    """As it was when it was claimed, or as this worker last wrote it."""
    worker: str
    fence: int
    """The fencing token: each claim of a rotation has a higher one, and the store refuses writes with a lower one."""
    journal: Head
    """Where the rotation's journal ends. Nobody appends to it without changing the rotation's version too."""


_CLAIMABLE: Final = (
    FULL.where(
        models.ACTIVE,
        _r.c.available_at <= bindparam("now", type_=UtcDateTime()),
        or_(_r.c.lease_until.is_(None), _r.c.lease_until <= database_now()),
    )
    .order_by(models.CALM, _r.c.available_at)
    .limit(1)
    .with_for_update(of=_r, skip_locked=True)
)
"""The rotation that is next; on PostgreSQL, the next that no other worker is just claiming."""

_CLAIMABLE_ONE: Final = _CLAIMABLE.where(_r.c.id == bindparam("id"))
_TAKE: Final = (
    update(_r)
    .where(_r.c.id == bindparam("b_id"), _r.c.fence == bindparam("b_fence"))
    .values(lease_until=database_now_plus(seconds("lease")))
)
_HELD: Final = update(_r).where(
    _r.c.id == bindparam("b_id"), _r.c.fence == bindparam("b_fence"), _r.c.worker == bindparam("b_worker")
)
_IS_HELD: Final = Prepared(
    select(_r.c.id).where(
        _r.c.id == bindparam("b_id"), _r.c.fence == bindparam("b_fence"), _r.c.worker == bindparam("b_worker")
    )
)
_RENEW: Final = _HELD.values(lease_until=database_now_plus(seconds("lease")))
_RELEASE: Final = _HELD.values(worker=None, lease_until=None)


def claim(tx: Transaction, worker: str, *, lease: float, now: datetime, rotation_id: str | None) -> Claim | None:
    """Claim what is next, or only that rotation; None when there is nothing to claim."""
    query, wanted = (_CLAIMABLE, {}) if rotation_id is None else (_CLAIMABLE_ONE, {"id": rotation_id})
    row = tx.execute(query, {"now": now, **wanted}).mappings().one_or_none()
    if row is None:
        return None
    taken = Claim(
        rotation=mapping.to_rotation(row),
        worker=worker,
        fence=row["fence"] + 1,
        journal=Head(row["journal_seq"], row["journal_hash"]),
    )
    values = {"b_id": row["id"], "b_fence": row["fence"], "worker": worker, "fence": taken.fence, "lease": lease}
    if row["worker"] is None:
        tx.execute(_TAKE, values)
        return taken
    return _take_over(tx, taken, values, lost=row["worker"], now=now)


def _take_over(tx: Transaction, taken: Claim, values: mapping.Values, *, lost: str, now: datetime) -> Claim:
    """Claim what a lost worker left: whatever it sent since its last write is in doubt."""
    before = taken.rotation
    after = replace(before.with_doubt(before.updated_at, now), version=before.version + 1, updated_at=now)
    assert after.doubt.in_flight_until
    detail = {"from": lost, "until": after.doubt.in_flight_until.isoformat()}
    entry = append(taken.journal, after, event=TAKEN_OVER, actor=taken.worker, source=before.state, detail=detail)
    noted = {
        "version": after.version,
        "updated_at": after.updated_at,
        "doubt_since": after.doubt.since,
        "in_flight_until": after.doubt.in_flight_until,
        "journal_seq": entry.seq,
        "journal_hash": entry.hash,
    }
    tx.execute(_TAKE, {**values, **noted})
    tx.execute(insert(models.journal), mapping.of_entry(entry))
    return replace(taken, rotation=after, journal=entry.head)


def ensure_held(tx: Transaction, held: Claim) -> None:
    """Raise Stale when another worker has the rotation. A lease that only ran out is nobody else's yet."""
    if _IS_HELD.first(tx, _compared(held)) is None:
        raise Stale


def renew(tx: Transaction, held: Claim, *, lease: float) -> None:
    """Hold the rotation for another ``lease`` seconds. Raises Stale when another worker has it."""
    _update(tx, _RENEW, held, lease=lease)


def release(tx: Transaction, held: Claim) -> None:
    """Give the rotation back: nothing is in doubt. Raises Stale when another worker has it."""
    _update(tx, _RELEASE, held)


def _update(tx: Transaction, statement: Update, held: Claim, **values: object) -> None:
    if tx.execute(statement, {**_compared(held), **values}).rowcount == 0:
        raise Stale


def _compared(held: Claim) -> mapping.Values:
    return {"b_id": held.rotation.id, "b_fence": held.fence, "b_worker": held.worker}
