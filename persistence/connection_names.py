"""Connections that are removed or renamed. Each function works within the caller's transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from persistence import connection_rows, models, rotation_mapping
from states import connection_changes
from states.connection import Connection
from states.errors import AlreadyExists
from states.next_action import by_hand

_Connection = models.Connections
_c: Final = models.connections
_r: Final = models.rotations
_s: Final = models.secrets
_certificates: Final = models.certificates
_IDENTITY: Final = ("name", "version")
"""The columns of a connection that it does not take along to another name."""


def remove(session: Session, connection: Connection, now: datetime) -> None:
    """Destroy a connection as `Connections.remove` says."""
    stored = _lock(session, connection)
    query = select(_r.c.in_flight_until).where(_r.c.id == stored.latest_rotation)
    in_flight_until: datetime | None = session.connection().execute(query).scalar_one_or_none()
    connection_changes.check_removal(connection, stored.latest_rotation, in_flight_until, now)
    made = select(_r.c.candidate_fingerprint).where(_r.c.connection == stored.name)
    tx = session.connection()
    tx.execute(update(_certificates).where(_certificates.c.fingerprint.in_(made)).values(sealed_key=None))
    tx.execute(delete(_s).where(_s.c.connection == stored.name))
    tx.execute(update(_c).where(_c.c.name == stored.name).values(connection_rows.blank(stored)))


def rename(
    session: Session,
    connection: Connection,
    name: str,
    sealed: Mapping[str, tuple[bytes, int]],
    resealed: Mapping[str, bytes],
) -> Connection:
    """Rename a connection as `Connections.rename` says."""
    stored = _lock(session, connection)
    before = stored.name
    columns = {each.key: getattr(stored, each.key) for each in _c.c if each.key not in _IDENTITY}
    tx = session.connection()
    locked = select(_s.c.name, _s.c.sealed, _s.c.version).where(_s.c.connection == before).with_for_update()
    if {row.name: (row.sealed, row.version) for row in tx.execute(locked)} != dict(sealed):
        raise connection_rows.stale(before)
    # The account and the place in OpenAir are unique: the old row lets go of them before the new row has them.
    blank = {**connection_rows.blank(stored), "latest_rotation": None}
    tx.execute(update(_c).where(_c.c.name == before).values(blank))
    version = _free(session, name, blank, at_least=connection.version + 1)
    tx.execute(update(_r).where(_r.c.connection == before).values(connection=name))
    tx.execute(delete(_s).where(_s.c.connection == before))
    for secret, blob in resealed.items():
        values = {"connection": name, "name": secret, "sealed": blob, "version": sealed[secret][1]}
        tx.execute(_s.insert().values(values))
    tx.execute(update(_c).where(_c.c.name == name).values(**columns, version=version))
    _rename_in_actions(session, before, name)
    session.expire_all()
    return connection_rows.one(session, name)[1]


def _lock(session: Session, connection: Connection) -> models.Connections:
    """Lock a connection that has no open rotation, after its newest rotation.

    Raises NotFound; RotationOpen; Stale unless it still is as it was read.
    """
    stored, _ = connection_rows.one(session, connection.name)
    latest = stored.latest_rotation
    rotation, _ = connection_rows.lock_latest(session, stored)
    if rotation:
        connection_changes.check_closed(rotation)
    session.refresh(stored, with_for_update=True)
    # Until the connection was locked, another rotation could begin, on PostgreSQL.
    if stored.version != connection.version or stored.latest_rotation != latest:
        raise connection_rows.stale(stored.name)
    return stored


def _free(session: Session, name: str, blank: Mapping[str, Any], *, at_least: int) -> int:
    """Make sure that the row of ``name`` is there and blank; return its next version. Raises AlreadyExists."""
    gone = session.get(_Connection, name, with_for_update=connection_rows.LOCK)
    if gone is not None:
        if gone.netsuite or gone.latest_rotation:
            raise _taken(name, is_gone=not gone.netsuite)
        return max(gone.version + 1, at_least)
    try:
        with session.begin_nested():
            session.connection().execute(_c.insert().values({**blank, "name": name}))
    except IntegrityError as error:  # added by another process since the look, on PostgreSQL
        raise _taken(name, is_gone=False) from error
    return at_least


def _taken(name: str, *, is_gone: bool) -> AlreadyExists:
    if is_gone:
        return AlreadyExists(
            f"There was a connection {name}: its rotations are kept under that name.",
            next_action=by_hand("Give another name."),
        )
    return AlreadyExists(f"There is a connection {name} already.", next_action=by_hand("Give another name."))


def _rename_in_actions(session: Session, before: str, name: str) -> None:
    """Let the next actions that were stored with failures name the connection as it is named now."""
    tx = session.connection()
    query = select(_r.c.id, _r.c.failure_next_action).where(
        _r.c.connection == name, _r.c.failure_next_action.is_not(None)
    )
    for row in tx.execute(query).all():
        renamed = rotation_mapping.action_renamed(row.failure_next_action, before, name)
        if renamed != row.failure_next_action:
            tx.execute(update(_r).where(_r.c.id == row.id).values(failure_next_action=renamed))
