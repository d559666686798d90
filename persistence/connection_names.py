"""Connections that are removed or renamed. Each function works within the caller's transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import RowMapping, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from persistence import authenticity, connection_rows, models, queries, rotation_mapping
from persistence.journal import Head
from persistence.vault import Vault
from states import connection_changes
from states.connection import Connection
from states.errors import AlreadyExists
from states.next_action import by_hand

_Connection = models.Connections
_c: Final = models.connections
_r: Final = models.rotations
_s: Final = models.secrets
_certificates: Final = models.certificates
_OF_CONNECTION: Final = queries.ROTATION.where(_r.c.connection == bindparam("connection"))
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
    vault: Vault,
    connection: Connection,
    name: str,
    sealed: Mapping[str, tuple[bytes, int]],
    resealed: Mapping[str, bytes],
) -> Connection:
    """Rename a connection as `Connections.rename` says."""
    stored = _lock(session, connection)
    before = stored.name
    tx = session.connection()
    connection_rows.ensure_authentic(tx, vault, connection_rows.one(session, before)[1], dict(stored))
    columns = {each.key: getattr(stored, each.key) for each in _c.c if each.key not in _IDENTITY}
    locked = select(_s.c.name, _s.c.sealed, _s.c.version).where(_s.c.connection == before).with_for_update()
    if {row.name: (row.sealed, row.version) for row in tx.execute(locked)} != dict(sealed):
        raise connection_rows.stale(before)
    # The account and the place in OpenAir are unique: the old row lets go of them before the new row has them.
    blank = {**connection_rows.blank(stored), "latest_rotation": None}
    tx.execute(update(_c).where(_c.c.name == before).values(blank))
    version = _free(session, name, blank, at_least=connection.version + 1)
    known = _authentic_rotations(tx, vault, before)
    tx.execute(update(_r).where(_r.c.connection == before).values(connection=name))
    tx.execute(delete(_s).where(_s.c.connection == before))
    for secret, blob in resealed.items():
        values = {"connection": name, "name": secret, "sealed": blob, "version": sealed[secret][1]}
        tx.execute(_s.insert().values(values))
    tx.execute(update(_c).where(_c.c.name == name).values(**columns, version=version))
    _rename_in_actions(session, before, name)
    _authenticate_rotations(tx, vault, name, known)
    session.expire_all()
    renamed, connection = connection_rows.one(session, name)
    renamed.sqlmodel_update(connection_rows.codes(vault, connection, renamed.latest_rotation))
    session.flush()
    return connection


def _authentic_rotations(tx: Transaction, vault: Vault, name: str) -> set[str]:
    """The ids of the connection's rotations that are as Keyturn wrote them."""
    rows = tx.execute(_OF_CONNECTION, {"connection": name}).mappings()
    checked = (authenticity.checked(vault, rotation_mapping.to_rotation(row), _head(row), row["code"]) for row in rows)
    return {rotation.id for rotation in checked if not rotation.circumstances.broken}


def _authenticate_rotations(tx: Transaction, vault: Vault, name: str, known: set[str]) -> None:
    """Give the rotations with a ``known`` id the codes that they have under their connection's new name."""
    for row in tx.execute(_OF_CONNECTION, {"connection": name}).mappings().all():
        if row["id"] in known:
            code = authenticity.authenticate_rotation(vault, rotation_mapping.to_rotation(row), _head(row))
            tx.execute(update(_r).where(_r.c.id == row["id"]).values(code=code))


def _head(row: RowMapping) -> Head:
    return Head(row["journal_seq"], row["journal_hash"])


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
