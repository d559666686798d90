"""The statements of the hot moves: request, claim, advance, write.

They are Core statements, compiled once per database and set of columns, because a rotation is little else than six of
them in a row; docs/decisions/0016-sqlmodel-and-statements.md has the measurements. Everything else in persistence/
reads and writes model instances.

PostgreSQL runs them in READ COMMITTED: each statement sees what was committed when it began. One that waits for a row's
lock reads that row again as it is then, and checks its own conditions again, but the rows that it joined stay those of
its beginning (https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED). So a statement that
locks reads one table, and what belongs to the locked row is read by the next statement. An UPDATE that compares and
sets one row needs no lock before it: its conditions are checked again on the row as it is by then.

Rows are locked in this order, so that no two transactions wait for each other: rotation, certificate, connection,
secret. A request locks its connection first, and goes on only where no rotation is open that another could hold.
"""

from typing import Final

from sqlalchemy import bindparam, func, insert, literal_column, or_, select, update

from persistence import models
from persistence.clock import UtcDateTime, database_now, database_now_plus, seconds
from persistence.journal_feed import commit_number
from persistence.prepared import Prepared
from persistence.queries import CONNECTION, CURRENT_KEY_KEPT, ROTATION

_r: Final = models.rotations
_c: Final = models.connections
_certificates: Final = models.certificates
_last_seq = func.max(models.journal.c.seq).label("last_seq")
"""Where the rotation's journal ends in truth: beyond where a rotation says that was set back."""
_lease = {"lease_until": database_now_plus(seconds("lease"))}
"""The database sets a lease by its own clock: workers' clocks disagree, and all of them would have to agree on its end.
A lease of None seconds is no lease."""

# --- request ----------------------------------------------------------------------------------------------------------

LOCK_CONNECTION: Final = Prepared(
    select(_c.c.name).where(_c.c.name == bindparam("name"), models.IN_USE).with_for_update()
)
"""Of two requests on PostgreSQL, the second waits here until the first one's rotation is stored. On SQLite the writing
transaction excludes the other."""
LATEST: Final = Prepared(
    CONNECTION.add_columns(CURRENT_KEY_KEPT, _r.c.journal_hash, _r.c.closed_at, _r.c.in_flight_until)
    .outerjoin(_r, _r.c.id == _c.c.latest_rotation)
    .where(_c.c.name == bindparam("name"), models.IN_USE)
)
"""A connection, and how its latest rotation ended. Read after LOCK_CONNECTION, by a statement of its own."""
ADD: Final = Prepared(insert(_r).values(_lease))
APPEND: Final = Prepared(insert(models.journal).values(commit_number=commit_number()))
CHANGE_CONNECTION: Final = Prepared(update(_c).where(_c.c.name == bindparam("b_name")))

# --- claim ------------------------------------------------------------------------------------------------------------

_claimable = (
    select(_r.c.id)
    .where(
        models.CLAIMABLE,
        _r.c.available_at <= bindparam("now", type_=UtcDateTime()),
        or_(_r.c.lease_until.is_(None), _r.c.lease_until <= database_now()),
    )
    .order_by(models.CALM, _r.c.available_at)
    .limit(literal_column("1"))
    .with_for_update(skip_locked=True)
)
LOCK_NEXT: Final = Prepared(_claimable)
"""The id of the rotation that is next. SKIP LOCKED: on PostgreSQL, workers that claim at the same moment get one
rotation each instead of waiting for each other."""
LOCK_ONE: Final = Prepared(_claimable.where(_r.c.id == bindparam("id")))
WITH_END: Final = ROTATION.add_columns(
    select(_last_seq).where(models.journal.c.rotation_id == _r.c.id).scalar_subquery().label("last_seq")
)
"""Rotations, with where their journals end in truth."""
LOCKED: Final = Prepared(WITH_END.where(_r.c.id == bindparam("id")))
"""The rotation that was locked, with its certificates, by a statement of its own."""
HASTEN: Final = Prepared(update(_r).where(_r.c.id == bindparam("b_id")))
"""Makes a postponed rotation available."""
TAKE: Final = Prepared(
    update(_r).where(_r.c.id == bindparam("b_id"), _r.c.fence == bindparam("b_fence")).values(_lease)
)

# A claim is held by its fencing token, not by its lease: a worker whose lease ran out may go on while no other worker
# has claimed the rotation, as nothing has happened to it in between.
_is_held = (
    _r.c.id == bindparam("b_id"),
    _r.c.fence == bindparam("b_fence"),
    _r.c.worker == bindparam("b_worker"),
)
IS_HELD: Final = Prepared(select(_r.c.id).where(*_is_held))
RENEW: Final = Prepared(update(_r).where(*_is_held).values(_lease))
RELEASE: Final = Prepared(update(_r).where(*_is_held).values(worker=None, lease_until=None))

# --- advance, write ---------------------------------------------------------------------------------------------------

_is_version = (_r.c.id == bindparam("b_id"), _r.c.version == bindparam("b_version"))
ADVANCE: Final = Prepared(
    update(_r)
    .where(*_is_version, _r.c.fence == bindparam("b_fence"), _r.c.worker == bindparam("b_worker"))
    .values(_lease)
)
"""Compare and set on version and fencing token: a worker that lost its claim cannot write, however late it comes."""
WRITE: Final = Prepared(update(_r).where(*_is_version).values(_lease))
LOCK: Final = Prepared(
    select(
        _r.c.version,
        _r.c.worker,
        _r.c.fence,
        _r.c.journal_seq,
        _r.c.journal_hash,
        _r.c.code,
        (_r.c.lease_until > database_now()).label("is_leased"),
    )
    .where(_r.c.id == bindparam("id"))
    .with_for_update()
)
"""Who holds a rotation and where its journal ends, locked: no claim comes between this look and the write."""
LAST_SEQ: Final = Prepared(select(_last_seq).where(models.journal.c.rotation_id == bindparam("id")))
"""Of a rotation that was locked, by a statement of its own: within LOCK, the number would be that of its beginning."""
DATA_KEY: Final = Prepared(
    select(models.data_keys.c.retired_at).where(models.data_keys.c.id == bindparam("id")).with_for_update(read=True)
)
"""A data key, locked: it is not retired before the transaction ends, so what it sealed can be stored."""
KEEP_CERTIFICATE: Final = Prepared(insert(_certificates))
ERASE_KEY: Final = Prepared(update(_certificates).where(_certificates.c.fingerprint == bindparam("b_fingerprint")))
TRY_AGAIN: Final = Prepared(
    update(_c).where(_c.c.name == bindparam("b_name"), _c.c.due_at < bindparam("b_due_at", type_=UtcDateTime()))
)
"""Postpones a connection's next automatic rotation; a later one stays as it is."""
ERASE_CURRENT_KEY: Final = Prepared(
    update(_certificates).where(
        _certificates.c.fingerprint
        == select(_c.c.current_fingerprint).where(_c.c.name == bindparam("b_name")).scalar_subquery()
    )
)
