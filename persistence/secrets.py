"""The room of the secrets: sealed secrets and wrapped data keys. The store can open neither."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from persistence import models
from persistence.database import Database
from persistence.vault import WrappedKey
from states.errors import NotFound, Stale

_LOCK: Final = {"key_share": True}
"""Lock a row against writers, but not against rows that refer to it by a foreign key. SQLite locks no rows: its
writing transaction excludes all others."""


class Secrets:
    """Secrets and data keys, as the vault sealed them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, connection: str, name: str) -> tuple[bytes, int] | None:
        """Return a connection's secret as the vault sealed it, and its version; None without one."""
        with self._database.reading() as tx, Session(tx) as session:
            stored = session.get(models.Secrets, (connection, name))
            return (stored.sealed, stored.version) if stored else None

    def all_of(self, connection: str) -> dict[str, tuple[bytes, int]]:
        """Return every secret of a connection as the vault sealed it, with its version, by their names."""
        query = select(models.Secrets).where(models.Secrets.connection == connection)
        with self._database.reading() as tx, Session(tx) as session:
            return {stored.name: (stored.sealed, stored.version) for stored in session.exec(query)}

    def put(self, connection: str, name: str, sealed: bytes, *, version: int | None) -> int:
        """Set a sealed secret; return its new version.

        With a ``version``, only the secret that was read at that version is replaced.

        Raises:
            NotFound: without such a connection.
            Stale: when someone else replaced that version first.

        """
        with self._database.writing() as tx:
            return put(tx, connection, name, sealed, version=version)

    def data_keys(self) -> list[WrappedKey]:
        """Return the vault's wrapped data keys, the oldest first."""
        with self._database.reading() as tx, Session(tx) as session:
            return [_wrapped(key) for key in _data_keys(session)]

    def add_data_key(self, key: WrappedKey) -> WrappedKey:
        """Store a wrapped data key, unless there is one of that id already; return the one that is stored."""
        with self._database.writing() as tx, Session(tx) as session:
            try:
                with session.begin_nested():
                    session.add(models.DataKeys(id=key.id, kek_id=key.kek_id, wrapped=key.wrapped))
            except IntegrityError:
                session.expunge_all()  # two processes used the vault for the first time, and the other one was first
            return _wrapped(session.get_one(models.DataKeys, key.id))

    def rewrap(self, before: Sequence[WrappedKey], after: Sequence[WrappedKey]) -> None:
        """Replace every data key, ``before``, by the same key wrapped by another one, ``after``: all or none.

        Raises Stale when ``before`` is not what is stored any more: a data key that was added since would stay wrapped
        by a key-encryption key that is about to be thrown away.
        """
        with self._database.writing() as tx, Session(tx) as session:
            stored = _data_keys(session, lock=True)
            if [_wrapped(key) for key in stored] != list(before):
                raise Stale(
                    "The vault's data keys were changed by another process in the meantime; nothing was changed."
                )
            for key, changed in zip(stored, after, strict=True):
                key.kek_id, key.wrapped = changed.kek_id, changed.wrapped
            session.flush()


def put(tx: Transaction, connection: str, name: str, sealed: bytes, *, version: int | None) -> int:
    """Set a secret within the caller's transaction, as `Secrets.put` says."""
    with Session(tx) as session:
        # Locking the connection, which exists, also orders those who set a secret that does not exist yet.
        owner = session.get(models.Connections, connection, with_for_update=_LOCK) if version is None else None
        if version is None and not (owner and owner.netsuite):  # the row of a removed connection is blank
            raise NotFound(f"There is no connection {connection}.")
        stored = session.get(models.Secrets, (connection, name), with_for_update=_LOCK)
        if version is not None and (stored is None or stored.version != version):
            raise Stale(f"The secret {name} of connection {connection} was replaced by another worker in the meantime.")
        if stored is None:
            stored = models.Secrets(connection=connection, name=name, sealed=sealed, version=0)
            session.add(stored)
        stored.sealed, stored.version = sealed, stored.version + 1
        session.flush()
        return stored.version


def _data_keys(session: Session, *, lock: bool = False) -> Sequence[models.DataKeys]:
    query = select(models.DataKeys).order_by(col(models.DataKeys.id))
    return session.exec(query.with_for_update() if lock else query).all()


def _wrapped(key: models.DataKeys) -> WrappedKey:
    return WrappedKey(key.id, key.kek_id, key.wrapped)
