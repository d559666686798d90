"""The rows of connections: read as values, locked, and left blank where a connection is gone.

A connection that was removed or renamed leaves its row blank. Its rotations refer to the row; the row's version counts
on if a connection of this name is added again, so that no one mistakes the new one for the old one; and its newest
rotation is the one that the new connection's first rotation follows.
"""

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import bindparam, exists, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from persistence import authenticity, mapping, models, queries
from persistence.mapping import Row
from persistence.prepared import Prepared
from persistence.unknown_names import no_connection
from persistence.vault import Vault
from states.certificate import Certificate
from states.connection import Connection
from states.errors import InvalidInput, Stale
from states.next_action import REPEAT, NextAction, Verb
from states.rotation import Rotation

_Connection = models.Connections
_Certificate = models.Certificates

LOCK: Final = {"key_share": True}
"""Lock a row against writers, but not against rows that refer to it by a foreign key."""
_WITH_CURRENT: Final = (
    select(_Connection, _Certificate)
    .outerjoin(_Certificate, col(_Certificate.fingerprint) == col(_Connection.current_fingerprint))
    .where(models.IN_USE)
    .options(models.WITHOUT_KEY)
)

_r: Final = models.rotations
_c: Final = models.connections
_LATEST: Final = func.coalesce(_c.c.latest_rotation, "")
_SET_BACK: Final = select_columns(_c.c.name).where(
    exists().where(_r.c.connection == _c.c.name, _r.c.id > _LATEST, func.coalesce(_r.c.follows, "") == _LATEST),
)
"""One statement, so that it sees a connection and its rotations of one moment. Ids are ordered by workers' clocks: a
greater one alone proves nothing, but keeps the search short."""
_IS_SET_BACK: Final = Prepared(_SET_BACK.where(_c.c.name == bindparam("name")))
"""Of one connection: each request asks."""
_ARE_SET_BACK: Final = _SET_BACK.where(_c.c.name.in_(bindparam("names", expanding=True)))
_WHOLE: Final = queries.CONNECTION.where(models.IN_USE).order_by(_c.c.name)
_NEWEST: Final = select_columns(func.max(_r.c.id)).where(_r.c.connection == bindparam("name"))


def one(session: Session, name: str) -> tuple[models.Connections, Connection]:
    """Return the connection as it is stored and as a value. Raises NotFound."""
    found = session.exec(_WITH_CURRENT.where(_Connection.name == name)).one_or_none()
    if found is None:
        raise no_connection(session.connection(), name)
    return found[0], mapping.from_connection(*found)


def lock_latest(session: Session, stored: models.Connections) -> tuple[Rotation | None, bool]:
    """Lock the connection's newest rotation; return it if it is open, and whether a worker holds it.

    Until the transaction ends, no worker claims it and no move changes it. The connection's next rotation may refer to
    it. Locks go from the rotation to the connection, as in the move that completes a rotation: the other way round, the
    two could wait for each other.
    """
    holder: str | None = None
    if stored.latest_rotation:
        locked = select(models.Rotations.worker).where(models.Rotations.id == stored.latest_rotation)
        holder = session.exec(locked.with_for_update(key_share=True)).one_or_none()
    return queries.open_rotation(session.connection(), stored.name), holder is not None


def blank(stored: models.Connections) -> Mapping[str, object]:
    """Return the columns of a connection that is gone: its settings and certificate are unknown, and it is never due.

    Its way into OpenAir stays: it says of the kept rotations whether a person saved their certificates.
    """
    nothing: Mapping[str, object] = {"netsuite": {}, "options": {}, "policy": {}, "bundles": {}, "automatic": False}
    certificates = ("current_fingerprint", "due_at", "confirmed_fingerprint", "confirmed_by", "confirmed_at")
    unknown = (*certificates, "code", "current_code", "confirmed_code")
    openair = {"kind": stored.openair["kind"]}
    return {**nothing, "openair": openair, "version": stored.version + 1, **dict.fromkeys(unknown)}


def codes(vault: Vault, connection: Connection, latest_rotation: str | None) -> dict[str, str]:
    """Return the columns that authenticate a connection's settings, its certificate and its latest rotation."""
    settings = authenticity.of_connection(connection, is_automatic=connection.is_automatic)
    current = authenticity.of_current(connection.name, connection.current, latest_rotation)
    return {"code": vault.authenticate(settings), "current_code": vault.authenticate(current)}


def ensure_authentic(tx: Transaction, vault: Vault, connection: Connection, row: Row) -> None:
    """Raise Tampered unless ``connection``, which ``row`` holds, is as Keyturn wrote it last.

    An earlier row with the codes that it had then is noticed by the rotation that followed, not by its settings.
    """
    if not _is_coded(vault, connection, row) or _IS_SET_BACK.first(tx, {"name": connection.name}):
        raise authenticity.tampered_connection(connection.name)


def changed(tx: Transaction, vault: Vault, names: Collection[str]) -> list[str]:
    """Return which of the connections of these names were changed outside Keyturn, as `ensure_authentic` finds it."""
    rows = tx.execute(_WHOLE.where(_c.c.name.in_(names))).mappings()
    wrong = {row["name"] for row in rows if not _is_coded(vault, mapping.to_connection(row), row)}
    wrong.update(tx.execute(_ARE_SET_BACK, {"names": list(names)}).scalars())
    return sorted(wrong)


def _is_coded(vault: Vault, connection: Connection, row: Row) -> bool:
    """Whether the codes of the connection's settings and of its certificate are its own."""
    content = authenticity.of_connection(connection, is_automatic=row["automatic"])
    return vault.is_authentic(content, row["code"] or "") and is_current(vault, connection, row)


def newest_rotation(tx: Transaction, name: str) -> str | None:
    """Return the id of the connection's newest rotation, whichever the connection names."""
    newest: str | None = tx.execute(_NEWEST, {"name": name}).scalar_one()
    return newest


def is_current(vault: Vault, connection: Connection, row: Row) -> bool:
    """Whether the connection's certificate and its latest rotation are as Keyturn wrote them."""
    content = authenticity.of_current(connection.name, connection.current, row["latest_rotation"])
    return vault.is_authentic(content, row["current_code"] or "")


def is_confirmed(vault: Vault, certificate: Certificate, stored: models.Connections) -> bool:
    """Whether a person confirmed ``certificate``, which the connection names."""
    try:
        is_whole = Certificate.parse(certificate.pem) == certificate
    except InvalidInput:
        return False
    assert stored.confirmed_by
    assert stored.confirmed_at
    said = authenticity.of_export(stored.name, certificate.fingerprint, stored.confirmed_by, stored.confirmed_at)
    return is_whole and vault.is_authentic(said, stored.confirmed_code or "")


def stale(name: str) -> Stale:
    """Return the error for a connection that was changed since it was read."""
    return Stale(
        f"Connection {name} was changed by someone else in the meantime; this change was not stored.",
        next_action=NextAction(Verb.SHOW_CONNECTION, {"connection": name}, then=REPEAT),
    )
