"""The statements of the hot moves: request, claim, advance, write.

They are Core statements, compiled once per database and set of columns, because a rotation is little else than six of
them in a row; docs/decisions/0016-sqlmodel-and-statements.md has the measurements. Everything else in persistence/
reads and writes model instances.
"""

from typing import Final

from sqlalchemy import bindparam, insert, literal_column, or_, select, update

from persistence import models
from persistence.clock import UtcDateTime, database_now, database_now_plus, seconds
from persistence.prepared import Prepared
from persistence.queries import CONNECTION, CURRENT_KEY_KEPT, ROTATION

_r: Final = models.rotations
_c: Final = models.connections
_certificates: Final = models.certificates
_lease = {"lease_until": database_now_plus(seconds("lease"))}
"""The database sets a lease by its own clock: workers' clocks disagree, and all of them would have to agree on its end.
A lease of None seconds is no lease."""

# --- request ----------------------------------------------------------------------------------------------------------

LATEST: Final = Prepared(
    CONNECTION.add_columns(CURRENT_KEY_KEPT, _r.c.journal_hash, _r.c.closed_at, _r.c.in_flight_until)
    .outerjoin(_r, _r.c.id == _c.c.latest_rotation)
    .where(_c.c.name == bindparam("name"), models.IN_USE)
    .with_for_update(of=_c)
)
"""A connection, and how its latest rotation ended. The connection is locked, so that of two requests on PostgreSQL the
second sees the first one's rotation. On SQLite the writing transaction excludes the other."""
ADD: Final = Prepared(insert(_r).values(_lease))
APPEND: Final = Prepared(insert(models.journal))
CHANGE_CONNECTION: Final = Prepared(update(_c).where(_c.c.name == bindparam("b_name")))

# --- claim ------------------------------------------------------------------------------------------------------------

_claimable = (
    ROTATION.where(
        models.CLAIMABLE,
        _r.c.available_at <= bindparam("now", type_=UtcDateTime()),
        or_(_r.c.lease_until.is_(None), _r.c.lease_until <= database_now()),
    )
    .order_by(models.CALM, _r.c.available_at)
    .limit(literal_column("1"))
    .with_for_update(of=_r, skip_locked=True)
)
CLAIMABLE: Final = Prepared(_claimable)
"""The rotation that is next. SKIP LOCKED: on PostgreSQL, workers that claim at the same moment get one rotation each
instead of waiting for each other."""
CLAIMABLE_ONE: Final = Prepared(_claimable.where(_r.c.id == bindparam("id")))
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
        (_r.c.lease_until > database_now()).label("is_leased"),
    )
    .where(_r.c.id == bindparam("id"))
    .with_for_update()
)
"""Who holds a rotation and where its journal ends, locked: no claim comes between this look and the write."""
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
