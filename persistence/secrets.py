"""Sealed secrets and wrapped data keys in the database, which can open neither.

Each function works within the caller's transaction.
"""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

from persistence import models
from persistence.upsert import insert_into
from persistence.vault import WrappedKey
from states.errors import NotFound, Stale

_s: Final = models.secrets
_k: Final = models.data_keys


_GET: Final = select(_s.c.sealed, _s.c.version).where(
    _s.c.connection == bindparam("connection"), _s.c.name == bindparam("name")
)
_REPLACE: Final = update(_s).where(
    _s.c.connection == bindparam("b_connection"),
    _s.c.name == bindparam("b_name"),
    _s.c.version == bindparam("b_version"),
)
_KEYS: Final = select(_k).order_by(_k.c.id)
_REWRAP: Final = update(_k).where(_k.c.id == bindparam("b_id"))


def get(tx: Transaction, connection: str, name: str) -> tuple[bytes, int] | None:
    """A secret as it was sealed, and its version."""
    row = tx.execute(_GET, {"connection": connection, "name": name}).one_or_none()
    return (row.sealed, row.version) if row else None


def put(tx: Transaction, connection: str, name: str, sealed: bytes, *, version: int | None) -> int:
    """Set a secret, or replace the very one that was read at ``version``; return the new version.

    Raises NotFound without such a connection, Stale when the secret is not at that version any more.
    """
    if version is None:
        return _set(tx, connection, name, sealed)
    compared = {"b_connection": connection, "b_name": name, "b_version": version}
    if tx.execute(_REPLACE, {**compared, "sealed": sealed, "version": version + 1}).rowcount == 0:
        raise Stale(f"The secret {name} of connection {connection} was replaced by somebody else meanwhile.")
    return version + 1


def _set(tx: Transaction, connection: str, name: str, sealed: bytes) -> int:
    insert = insert_into(_s, tx.dialect.name)
    newer = {"sealed": insert.excluded.sealed, "version": _s.c.version + 1}
    upsert = insert.on_conflict_do_update(index_elements=[_s.c.connection, _s.c.name], set_=newer)
    values = {"connection": connection, "name": name, "sealed": sealed, "version": 1}
    try:
        return int(tx.execute(upsert.returning(_s.c.version), values).scalar_one())
    except IntegrityError as error:
        raise NotFound(f"There is no connection {connection}.") from error


def keys(tx: Transaction) -> list[WrappedKey]:
    """Every data key, the oldest first."""
    return [WrappedKey(row.id, row.kek_id, row.wrapped) for row in tx.execute(_KEYS)]


def add_key(tx: Transaction, key: WrappedKey) -> WrappedKey:
    """Keep ``key``, unless there is one of that id already; return the one that is kept."""
    insert = insert_into(_k, tx.dialect.name).on_conflict_do_nothing()
    tx.execute(insert, {"id": key.id, "kek_id": key.kek_id, "wrapped": key.wrapped})
    return next(kept for kept in keys(tx) if kept.id == key.id)


def rewrap(tx: Transaction, change: Callable[[WrappedKey], WrappedKey]) -> int:
    """Replace every data key by what ``change`` makes of it; return how many there are."""
    every = [WrappedKey(row.id, row.kek_id, row.wrapped) for row in tx.execute(_KEYS.with_for_update())]
    for changed in map(change, every):
        tx.execute(_REWRAP, {"b_id": changed.id, "kek_id": changed.kek_id, "wrapped": changed.wrapped})
    return len(every)
