"""The room of the connections, and what is known of their certificates."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from persistence import (
    authenticity,
    connection_conflicts,
    connection_names,
    connection_rows,
    connection_statements,
    mapping,
    models,
    secrets,
)
from persistence.database import Database
from persistence.read_model import ConnectionFilter, Page, connection_page
from persistence.rotation_statements import CHANGE_CONNECTION
from persistence.unknown_names import no_connection
from persistence.vault import Vault
from states import connection_changes
from states.certificate import Certificate
from states.connection import Connection
from states.errors import Tampered
from states.state import State
from states.summary import ConnectionSummary

_Connection = models.Connections
_Certificate = models.Certificates
_c: Final = models.connections
_r: Final = models.rotations

_EVERY: Final = ConnectionFilter()
_LONG: Final = 500
"""So many connections are read at once where all are wanted: a longer list takes memory, a shorter one time."""
_NO_SECRETS: Final[Mapping[str, bytes]] = {}
_NONE_RESEALED: Final[Mapping[str, tuple[bytes, int]]] = {}


class Connections:
    """The connections and what is known of their certificates."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def add(self, connection: Connection, sealed: Mapping[str, bytes] = _NO_SECRETS) -> Connection:
        """Store a new connection, which has no certificate yet, with its sealed secrets by name.

        A connection of this name that was removed is followed: its rotations and its version count on. Raises
        AlreadyExists for a name, a NetSuite account or a place in OpenAir that has a connection; Stale where that one
        was removed in the meantime; VaultLocked, SealBroken without the key that authenticates it.
        """
        self._vault.unlock()
        with self._database.writing() as tx, Session(tx) as session:
            gone = session.get(_Connection, connection.name, with_for_update=connection_rows.LOCK)
            if gone and gone.netsuite:
                raise connection_conflicts.exists(connection.name)
            added = replace(connection, version=gone.version + 1 if gone else 0, current=None)
            stored = gone or _Connection(name=added.name, version=0, **mapping.of_connection(added))
            try:
                # A savepoint: after an error, PostgreSQL answers nothing more until it is rolled back.
                with session.begin_nested():
                    # The rotations say it where the row that a removed connection left does not any more.
                    latest = stored.latest_rotation or (
                        connection_rows.newest_rotation(tx, added.name) if gone else None
                    )
                    columns = {**mapping.of_connection(added), "version": added.version, "due_at": added.due_at}
                    codes = connection_rows.codes(self._vault, added, latest)
                    session.add(stored.sqlmodel_update({**columns, **codes, "latest_rotation": latest}))
            except IntegrityError as error:
                session.expunge_all()
                if gone is None and (found := session.get(_Connection, added.name)) and found.netsuite:
                    raise connection_conflicts.exists(added.name) from error
                raise connection_conflicts.taken(tx, added) from error
            _put(tx, added.name, sealed)
        return added

    def save(
        self,
        connection: Connection,
        sealed: Mapping[str, bytes] = _NO_SECRETS,
        resealed: Mapping[str, tuple[bytes, int]] = _NONE_RESEALED,
        *,
        is_given_again: bool = False,
    ) -> Connection:
        """Store changed settings, options, policy, bundles and the given sealed secrets; return what is stored.

        Its current certificate and due moment are not touched: completing a rotation sets those.

        Args:
            connection: the settings, with the version that was read.
            sealed: the secrets that were given, by their names.
            resealed: secrets that were sealed again for another host, with the versions that were read.
            is_given_again: whether a person gave all settings and secrets, so that what is stored does not matter. A
                current certificate that was changed outside Keyturn is forgotten then.

        Raises:
            NotFound: without such a connection.
            Stale: when the connection is not at ``connection.version`` any more, a secret was replaced, or another
                connection that had that account or place was removed in the meantime.
            Tampered: when the connection was changed outside Keyturn, unless ``is_given_again``.
            VaultLocked, SealBroken: without the key that shows that.
            RotationOpen: where an open rotation does not allow it to go elsewhere (states.connection_changes).
            AlreadyExists: where another connection has that NetSuite account or that place in OpenAir.

        """
        self._vault.unlock()
        with self._database.writing() as tx, Session(tx) as session:
            stored, before = connection_rows.one(session, connection.name)
            is_moved = bool(connection_changes.moved(before, connection))
            latest = stored.latest_rotation
            if is_moved:
                rotation, is_held = connection_rows.lock_latest(session, stored)
                if rotation and not (is_given_again and rotation.state is State.FAILED):
                    connection_changes.check_move(before, connection, rotation, is_held=is_held)
            session.refresh(stored, with_for_update=connection_rows.LOCK)
            # Until the connection was locked, another rotation could begin for where it was, on PostgreSQL.
            is_overtaken = is_moved and stored.latest_rotation != latest
            if stored.version != connection.version or is_overtaken:
                raise connection_rows.stale(connection.name)
            before = connection_rows.one(session, connection.name)[1]  # locked by now, with its certificate
            saved = replace(connection, version=connection.version + 1, current=before.current)
            if not is_given_again:
                connection_rows.ensure_authentic(tx, self._vault, before, dict(stored))
            else:
                newest = connection_rows.newest_rotation(tx, connection.name)
                is_current = connection_rows.is_current(self._vault, before, dict(stored))
                if not is_current or stored.latest_rotation != newest:
                    saved = replace(saved, current=None)
                    stored.current_fingerprint, stored.latest_rotation = None, newest
            codes = connection_rows.codes(self._vault, saved, stored.latest_rotation)
            try:
                # Changed within the savepoint: to begin one, the session writes what was changed before.
                with session.begin_nested():
                    stored.sqlmodel_update({**mapping.of_connection(saved), "version": saved.version, **codes})
            except IntegrityError as error:
                raise connection_conflicts.taken(tx, connection) from error
            _put(tx, connection.name, sealed)
            for secret, (blob, version) in resealed.items():
                secrets.put(tx, connection.name, secret, blob, version=version)
            return connection_rows.one(session, connection.name)[1]

    def get(self, name: str) -> Connection:
        """Return the connection of this name. Raises NotFound."""
        with self._database.reading() as tx, Session(tx) as session:
            return connection_rows.one(session, name)[1]

    def authentic(self, name: str) -> Connection:
        """Return the connection of this name, to act on it.

        Raises NotFound; Tampered where it was changed outside Keyturn; VaultLocked, SealBroken without the key that
        shows that.
        """
        self._vault.unlock()
        with self._database.reading() as tx, Session(tx) as session:
            stored, connection = connection_rows.one(session, name)
            connection_rows.ensure_authentic(tx, self._vault, connection, dict(stored))
            return connection

    def changed(self, names: Collection[str] | None = None) -> dict[str, Tampered]:
        """Return the errors for those connections that were changed outside Keyturn, by name; None: of all.

        Two codes are computed for each connection. Raises VaultLocked, SealBroken without the key that shows it.
        """
        self._vault.unlock()
        found: dict[str, Tampered] = {}
        for some in [names] if names is not None else ([each.name for each in page] for page in self._pages()):
            with self._database.reading() as tx:
                wrong = connection_rows.changed(tx, self._vault, some)
            found |= {name: authenticity.tampered_connection(name) for name in wrong}
        return found

    def remove(self, connection: Connection, now: datetime) -> None:
        """Destroy a connection's settings, secrets and private keys; its rotations and their journals are kept.

        Raises NotFound, Stale when it is not at ``connection.version`` any more, RotationOpen while it has an open
        rotation, HeldOff while a lost request of its newest rotation may take effect after ``now`` (UTC).
        """
        with self._database.writing() as tx, Session(tx) as session:
            connection_names.remove(session, connection, now)

    def rename(
        self,
        connection: Connection,
        name: str,
        sealed: Mapping[str, tuple[bytes, int]],
        resealed: Mapping[str, bytes],
    ) -> Connection:
        """Give a connection another name, with its rotations and journals; return what is stored.

        Args:
            connection: the connection as it was read.
            name: its new name.
            sealed: its secrets by their names with their versions, as they were read.
            resealed: the same secrets, sealed for the new name.

        Raises:
            NotFound: without such a connection.
            Stale: when the connection or one of its secrets was changed since it was read.
            RotationOpen: while it has an open rotation.
            AlreadyExists: where the name has a connection, or had one whose rotations are kept.
            Tampered: when the connection was changed outside Keyturn.
            VaultLocked, SealBroken: without the key that shows that.

        """
        self._vault.unlock()
        with self._database.writing() as tx, Session(tx) as session:
            return connection_names.rename(session, self._vault, connection, name, sealed, resealed)

    def check_known(self, name: str) -> None:
        """Raise NotFound unless there is a connection of this name, or was one whose rotations are kept."""
        with self._database.reading() as tx:
            if not tx.execute(connection_statements.KNOWN, {"name": name}).first():
                raise no_connection(tx, name)

    def page(
        self, wanted: ConnectionFilter = _EVERY, *, after: str | None = None, limit: int = 50
    ) -> Page[ConnectionSummary]:
        """Return up to ``limit`` connections, by name; ``after`` is the page before's ``following``."""
        with self._database.reading() as tx:
            return connection_page(tx, wanted, after, limit)

    def all(self) -> Iterator[ConnectionSummary]:
        """Return every connection, by name, page by page."""
        return chain.from_iterable(self._pages())

    def _pages(self) -> Iterator[list[ConnectionSummary]]:
        after = None
        while True:
            page = self.page(after=after, limit=_LONG)
            yield page.items
            if page.following is None:
                return
            after = page.following

    def count(self) -> int:
        """Return how many connections there are."""
        with self._database.reading() as tx:
            return tx.execute(connection_statements.COUNT).scalar_one()

    def confirmed_export(self, connection: str) -> Certificate | None:
        """Return the certificate that a person confirmed last for this connection, or None.

        None, too, where that was written outside Keyturn: the person is asked again.
        """
        self._vault.unlock()
        confirmed = (
            select(_Certificate, _Connection)
            .join(_Connection, col(_Certificate.fingerprint) == col(_Connection.confirmed_fingerprint))
            .where(_Connection.name == connection)
            .options(models.WITHOUT_KEY)
        )
        with self._database.reading() as tx, Session(tx) as session:
            found = session.exec(confirmed).one_or_none()
            if found is None:
                return None
            certificate, stored = mapping.from_certificate(found[0]), found[1]
            return certificate if connection_rows.is_confirmed(self._vault, certificate, stored) else None


def confirm(tx: Transaction, vault: Vault, name: str, fingerprint: str, *, by: str, at: datetime) -> None:
    """Write down, within the caller's transaction, which stored certificate OpenAir holds, as a person says."""
    code = vault.authenticate(authenticity.of_export(name, fingerprint, by, at))
    confirmed = {
        "confirmed_fingerprint": fingerprint,
        "confirmed_by": by,
        "confirmed_at": at,
        "confirmed_code": code,
    }
    CHANGE_CONNECTION.run(tx, {"b_name": name, **confirmed})


def _put(tx: Transaction, name: str, sealed: Mapping[str, bytes]) -> None:
    for secret, blob in sealed.items():
        secrets.put(tx, name, secret, blob, version=None)
