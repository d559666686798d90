"""The room of the secrets: sealed secrets and wrapped data keys. The store can open neither."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, SQLColumnExpression, func, insert, text, update
from sqlalchemy import Connection as Transaction
from sqlmodel import Session, col, select

from persistence import models
from persistence.database import Database
from persistence.vault import WrappedKey, data_key_of
from states.errors import DataKeyRetired, NotFound, Stale
from states.next_action import REPEAT

_LOCK: Final = {"key_share": True}
"""Lock a row against writers, but not against rows that refer to it by a foreign key. SQLite locks no rows: its
writing transaction excludes all others."""
_DATA_KEYS: Final = text("SELECT * FROM datakeys ORDER BY id").columns(
    **{column.name: column.type for column in models.data_keys.c}
)
"""Every column that there is: the vault is opened before a migration adds one."""

_LOCK_DATA_KEYS: Final = text("SELECT pg_advisory_xact_lock(7120231125)")
"""A number of Keyturn's own. Who adds a data key and who wraps all of them take turns: locks of rows keep no new row
out. SQLite has one writer at a time anyway."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record that an older data key sealed."""

    owner: str
    """The connection of a secret, or the rotation of a private key."""
    name: str
    """The secret's name, or the fingerprint of the certificate whose private key it is."""
    sealed: bytes = field(repr=False)


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

    def names(self, connection: str | None) -> dict[str, set[str]]:
        """Return the names of the secrets of a connection, or of all (None), by connection."""
        query = select(models.Secrets.connection, models.Secrets.name)
        if connection is not None:
            query = query.where(models.Secrets.connection == connection)
        found: dict[str, set[str]] = {}
        with self._database.reading() as tx, Session(tx) as session:
            for owner, name in session.exec(query):
                found.setdefault(owner, set()).add(name)
        return found

    def owners(self, name: str) -> set[str]:
        """Return the connections that have a secret of this name."""
        with self._database.reading() as tx, Session(tx) as session:
            return set(session.exec(select(models.Secrets.connection).where(models.Secrets.name == name)))

    def put(self, connection: str, name: str, sealed: bytes, *, version: int | None) -> int:
        """Set a sealed secret; return its new version.

        With a ``version``, only the secret that was read at that version is replaced; with 0, only one that
        is missing is stored.

        Raises:
            NotFound: without such a connection.
            Stale: when someone else replaced that version first.
            DataKeyRetired: when the data key that sealed it is retired by now.

        """
        with self._database.writing() as tx:
            return put(tx, connection, name, sealed, version=version)

    def data_keys(self) -> list[WrappedKey]:
        """Return the vault's wrapped data keys, the oldest first, retired ones too."""
        with self._database.reading() as tx:
            return _data_keys(tx)

    def add_data_key(self, key: WrappedKey) -> WrappedKey:
        """Store a wrapped data key, unless there is one of that id already; return the one that is stored.

        Raises Stale when the stored data keys were wrapped by another key-encryption key since ``key`` was: that one is
        all that is kept, and would not open ``key``.
        """
        with self._database.writing() as tx:
            self._lock_data_keys(tx)
            stored = _data_keys(tx)
            # Two processes can use the vault for the first time: then the other one's key may be stored already.
            if same := next((each for each in stored if each.id == key.id), None):
                return same
            if any(each.kek_id != key.kek_id for each in stored):
                raise _changed("no data key was added")
            tx.execute(insert(models.data_keys).values(id=key.id, kek_id=key.kek_id, wrapped=key.wrapped))
            return key

    def rewrap(self, before: Sequence[WrappedKey], after: Sequence[WrappedKey]) -> None:
        """Replace every data key, ``before``, by the same key wrapped by another one, ``after``: all or none.

        Raises Stale when ``before`` is not what is stored any more: a data key that was added since would stay wrapped
        by a key-encryption key that is about to be thrown away.
        """
        with self._database.writing() as tx, Session(tx) as session:
            self._lock_data_keys(tx)
            _replace(session, _unchanged(session, before), after)

    def retire(self, before: Sequence[WrappedKey], after: Sequence[WrappedKey], newest: int) -> bool:
        """Replace every data key as ``rewrap`` does, unless an older key than ``newest`` still sealed a record.

        Returns whether they were replaced. Raises Stale likewise.
        """
        with self._database.writing() as tx, Session(tx) as session:
            # Locked before the look: who stores a record holds the lock of its data key until the record is visible.
            stored = _unchanged(session, before)
            if _older_secrets(session, newest, 1) or _older_private_keys(session, newest, 1):
                return False
            _replace(session, stored, after)
            return True

    def _lock_data_keys(self, tx: Transaction) -> None:
        if not self._database.is_sqlite:
            tx.execute(_LOCK_DATA_KEYS)

    def count(self) -> int:
        """Return how many records are sealed: secrets of connections, and private keys of certificates."""
        kept = col(models.Certificates.sealed_key).is_not(None)
        with self._database.reading() as tx, Session(tx) as session:
            secrets = session.exec(select(func.count()).select_from(models.Secrets)).one()
            return secrets + session.exec(select(func.count()).select_from(models.Certificates).where(kept)).one()

    def older_secrets(self, newest: int, limit: int) -> list[Sealed]:
        """Return up to ``limit`` secrets of connections that an older data key than ``newest`` sealed."""
        with self._database.reading() as tx, Session(tx) as session:
            return _older_secrets(session, newest, limit)

    def older_private_keys(self, newest: int, limit: int) -> list[Sealed]:
        """Return up to ``limit`` private keys of certificates that an older data key than ``newest`` sealed."""
        with self._database.reading() as tx, Session(tx) as session:
            return _older_private_keys(session, newest, limit)

    def reseal_secret(self, before: Sealed, sealed: bytes) -> None:
        """Replace a secret by the same one, sealed again; its version stays. Nothing happens if it was changed."""
        table = models.secrets
        is_before = (table.c.connection == before.owner, table.c.name == before.name, table.c.sealed == before.sealed)
        with self._database.writing() as tx:
            tx.execute(update(table).where(*is_before).values(sealed=sealed))

    def reseal_private_key(self, before: Sealed, sealed: bytes) -> None:
        """Replace a private key by the same one, sealed again. Nothing happens if it was destroyed meanwhile."""
        table = models.certificates
        is_before = (table.c.fingerprint == before.name, table.c.sealed_key == before.sealed)
        with self._database.writing() as tx:
            tx.execute(update(table).where(*is_before).values(sealed_key=sealed))


def _data_keys(tx: Transaction) -> list[WrappedKey]:
    rows = tx.execute(_DATA_KEYS).mappings()
    return [WrappedKey(row["id"], row["kek_id"], row["wrapped"], row.get("retired_at")) for row in rows]


def put(tx: Transaction, connection: str, name: str, sealed: bytes, *, version: int | None) -> int:
    """Set a secret within the caller's transaction, as `Secrets.put` says."""
    with Session(tx) as session:
        key = session.get(models.DataKeys, data_key_of(sealed), with_for_update={"read": True})
        if key and key.retired_at:
            raise DataKeyRetired(f"The data key that sealed the secret {name} of connection {connection} was retired.")
        # Locking the connection, which exists, also orders those who set a secret that does not exist yet.
        owner = session.get(models.Connections, connection, with_for_update=_LOCK) if not version else None
        if not version and not (owner and owner.netsuite):  # the row of a removed connection is blank
            raise NotFound(f"There is no connection {connection}.")
        stored = session.get(models.Secrets, (connection, name), with_for_update=_LOCK)
        if version is not None and (stored.version if stored else 0) != version:
            raise Stale(f"The secret {name} of connection {connection} was replaced by another worker in the meantime.")
        if stored is None:
            stored = models.Secrets(connection=connection, name=name, sealed=sealed, version=0)
            session.add(stored)
        # SQLite keeps any text as a number: one that someone else wrote must not end a sign-in.
        following = stored.version + 1 if isinstance(stored.version, int) else 1
        stored.sealed, stored.version = sealed, following
        session.flush()
        return stored.version


def _unchanged(session: Session, before: Sequence[WrappedKey]) -> Sequence[models.DataKeys]:
    """Lock the data keys, and return them as they are stored. Raises Stale where they are not as ``before``."""
    query = select(models.DataKeys).order_by(col(models.DataKeys.id))
    stored = session.exec(query.with_for_update()).all()
    if [_wrapped(key) for key in stored] != list(before):
        raise _changed("they were not wrapped")
    return stored


def _changed(what_not: str) -> Stale:
    return Stale(
        f"The vault's data keys were changed by another process in the meantime; {what_not}.", next_action=REPEAT
    )


def _replace(session: Session, stored: Sequence[models.DataKeys], after: Sequence[WrappedKey]) -> None:
    for key, changed in zip(stored, after, strict=True):
        key.kek_id, key.wrapped, key.retired_at = changed.kek_id, changed.wrapped, changed.retired_at
    session.flush()


def _older_secrets(session: Session, newest: int, limit: int) -> list[Sealed]:
    stored = models.Secrets
    query = select(stored.connection, stored.name, stored.sealed).where(_is_older(col(stored.sealed), newest))
    return [Sealed(*row) for row in session.exec(query.limit(limit))]


def _older_private_keys(session: Session, newest: int, limit: int) -> list[Sealed]:
    rotation, certificate = models.Rotations, models.Certificates
    query = (
        select(rotation.id, certificate.fingerprint, col(certificate.sealed_key))
        .join(rotation, col(rotation.candidate_fingerprint) == certificate.fingerprint)
        .where(_is_older(col(certificate.sealed_key), newest))
    )
    return [Sealed(owner, name, sealed) for owner, name, sealed in session.exec(query.limit(limit)) if sealed]


def _is_older(sealed: SQLColumnExpression[Any], newest: int) -> ColumnElement[bool]:
    """Whether an older data key sealed it: its id follows the version, with the highest byte first."""
    return func.substr(sealed, 2, 4) < newest.to_bytes(4)


def _wrapped(key: models.DataKeys) -> WrappedKey:
    return WrappedKey(key.id, key.kek_id, key.wrapped, key.retired_at)
