"""Opens the database: SQLite in WAL, or PostgreSQL by URL. Reading and writing are two kinds of transaction."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, InterfaceError, InternalError, OperationalError

from persistence.prepared import Prepared
from states.errors import InvalidSettings, KeyturnError, TryLater, Unknown
from states.next_action import REPEAT, NextAction, Verb, by_hand
from states.timing import DATABASE_WAIT

_AWAY: Final = (OperationalError, InterfaceError, InternalError)
"""What the drivers raise when a database is missing, cannot be used for the moment, or went away. psycopg raises
InternalError for a server that is read-only, or that ended a transaction which was idle for too long."""
_PASSING: Final = ("the database system is", "too many", "connection slots", "terminating connection")
"""What PostgreSQL says when it accepts no connection for the moment. After any other refusal, it refuses again."""
_UNDONE: Final = ("SQLITE_FULL", "SQLITE_BUSY")
"""SQLite's names for a COMMIT that did nothing: the disk is full, or another process kept its lock for too long."""

_PRAGMAS: Final = (
    "journal_mode = WAL",  # readers and the writer do not block each other
    "synchronous = FULL",  # a committed move survives a power cut; in WAL, anything less does not promise that
    "foreign_keys = ON",
    "secure_delete = ON",  # an erased key is overwritten, not only unlinked
)
_BEGIN: Final = Prepared(text("BEGIN"))
_BEGIN_WRITING: Final = Prepared(text("BEGIN IMMEDIATE"))
"""Takes the write lock at once. A transaction that begins with a read cannot wait for another writer later: what it has
read would be out of date, so SQLite makes it fail."""
_SNAPSHOT: Final = {"isolation_level": "REPEATABLE READ"}
"""How PostgreSQL is read, so that one transaction sees one moment; SQLite's transactions do so anyway. READ ONLY is not
set: SQLAlchemy would set READ WRITE on the connection afterwards, which overrides a server that was made read-only, and
which a standby refuses."""


class Database:
    """One database; safe to share between threads. Nothing is opened before it is needed."""

    def __init__(self, url: str) -> None:
        """``url`` is ``sqlite:///PATH`` or ``postgresql://…``. Raises InvalidSettings for anything else."""
        self._url = _parse(url)
        self.is_sqlite = self._url.drivername == "sqlite"
        self._engine = _open_sqlite(self._url) if self.is_sqlite else _open_postgresql(self._url)
        self._snapshots = self._engine if self.is_sqlite else self._engine.execution_options(**_SNAPSHOT)
        self._turn = Lock()
        self._writer: Connection | None = None
        self._opened: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """What a message calls the database: the file, or the URL without its password."""
        return str(self._url.database) if self.is_sqlite else self._url.render_as_string(hide_password=True)

    def is_missing(self, error: TryLater) -> bool:
        """Whether ``error``, raised on opening the database, will not go away by itself: there is no such file, or the
        server is up and refuses the connection.
        """
        if self.is_sqlite:
            return self._place() is None
        return "FATAL" in error.message and not any(words in error.message for words in _PASSING)

    def make_file(self) -> None:
        """Make SQLite's file where there is none, for this user alone. Safe to repeat.

        Raises InvalidSettings where it cannot be made.
        """
        if not self.is_sqlite:
            return
        file = Path(str(self._url.database))
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not file.is_file():  # a link to a file is followed; one that dangles is not: anyone may have made it
                os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            if file.is_file():  # another process was first
                return
            raise InvalidSettings(
                f"The database {file} cannot be made: {error.strerror}.",
                next_action=by_hand(
                    "Let this user make it, or name another place with the environment variable KEYTURN_DATA or the "
                    "setting store.url."
                ),
            ) from error

    @property
    def folder(self) -> Path:
        """The folder of SQLite's file."""
        return Path(str(self._url.database)).parent

    def open_session(self) -> Connection:
        """Open a session of PostgreSQL that no one else uses, and that commits each statement; the caller closes it.

        Raises TryLater when the database is unavailable.
        """
        try:
            session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            session.detach()
        except _AWAY as error:
            raise self._unavailable(TryLater, error) from error
        return session

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the database as it was at one moment. Raises TryLater when it is unavailable."""
        try:
            with self._snapshots.connect() as tx:
                if self.is_sqlite:
                    _BEGIN.run(tx, {})
                yield tx
        except _AWAY as error:
            raise self._unavailable(TryLater, error) from error

    @contextmanager
    def glancing(self) -> Iterator[Connection]:
        """For one short SELECT. On SQLite it uses the writer's connection, whose cache has what it has just written.

        Raises TryLater when the database is unavailable.
        """
        try:
            with self._one_writer() if self.is_sqlite else self._engine.connect() as tx:
                yield tx
        except _AWAY as error:
            raise self._unavailable(TryLater, error) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends, and changes nothing when the block raises.

        Raises TryLater when the database is unavailable, busy or read-only, Unknown when it went away during the
        commit: then the transaction may have been committed.
        """
        kind: type[KeyturnError] = TryLater
        try:
            with self._one_writer() if self.is_sqlite else self._engine.connect() as tx:
                tx.begin()
                if self.is_sqlite:
                    _BEGIN_WRITING.run(tx, {})
                yield tx
                kind = Unknown
                tx.commit()
        except _AWAY as error:
            raise self._unavailable(kind, error) from error

    def close(self) -> None:
        """Close every connection. Safe to repeat; the next transaction opens new ones."""
        with self._turn:
            self._drop_connections()

    def _drop_connections(self) -> None:
        if self._writer:
            self._writer.close()
            self._writer = None
        self._engine.dispose()

    @contextmanager
    def _one_writer(self) -> Iterator[Connection]:
        """The connection of the one writer that SQLite has at a time. This process's threads queue for it here, because
        SQLite has no queue: it sleeps and tries again. One connection is kept, as getting one from the pool costs as
        much as a write.

        It is kept while all goes well and the file is where it was: a file that was moved away can be written to as
        before, but no other process would see it.
        """
        with self._turn:
            if self._writer and self._opened != self._place():
                self._drop_connections()
            if not self._writer:
                self._writer, self._opened = self._engine.connect(), self._place()
            try:
                yield self._writer
            except _AWAY:
                self._drop_connections()
                raise
            finally:
                if self._writer:
                    self._writer.rollback()  # after a commit, there is nothing to roll back

    def _place(self) -> tuple[int, int] | None:
        """The identity of the file at the database's path."""
        try:
            found = os.stat(str(self._url.database))  # noqa: PTH116 - before every write: Path takes twice as long
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _unavailable(
        self, kind: type[KeyturnError], error: OperationalError | InterfaceError | InternalError
    ) -> KeyturnError:
        reason = str(error.orig).partition("\n")[0]
        if getattr(error.orig, "sqlite_errorname", "") in _UNDONE:
            kind = TryLater
        return kind(f"The database {self.name} is not available: {reason}.")


def _parse(url: str) -> URL:
    scheme, _, path = url.partition(":///")
    if scheme == "sqlite" and path not in ("", ":memory:"):
        return URL.create("sqlite", database=path)  # taken literally: a folder's name may have any character
    if not url.startswith("postgresql://"):
        raise InvalidSettings("The store's URL is sqlite:///PATH or postgresql://…: a file, or a server.")
    if url.count("@") > 1:  # the rest of the password would be taken for the server's name, and shown
        raise InvalidSettings("In the store's URL, write an @ of the password as %40.")
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidSettings("The store's postgresql:// URL cannot be read.") from None  # it may hold a password


def _open_sqlite(url: URL) -> Engine:
    address = f"file:{quote(str(url.database))}?mode=rw"  # rw: a mistyped path is an error, not a new database

    def connect() -> sqlite3.Connection:
        # isolation_level=None: the driver begins no transactions of its own. Nor does an SQLAlchemy event: with one
        # listener, all the engine's statements pay for events.
        connection = sqlite3.connect(
            address, uri=True, timeout=DATABASE_WAIT, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.DatabaseError as error:
            connection.close()
            if isinstance(error, sqlite3.OperationalError):
                raise
            raise InvalidSettings(f"The file {url.database} is not an SQLite database.") from error
        return connection

    return create_engine(
        url, creator=connect, hide_parameters=True, pool_size=10, max_overflow=-1, json_deserializer=_legible
    )


_decode: Final = json.JSONDecoder().decode
"""Like json.loads, which checks at each call whether it was given bytes: a page decodes hundreds of values."""


def _legible(stored: str) -> Any:
    """SQLite takes any text as JSON. A value that is none must not make its row unreadable."""
    try:
        return _decode(stored)
    except (ValueError, TypeError):
        return {"illegible": stored}


def _open_postgresql(url: URL) -> Engine:
    try:
        return create_engine(
            url,
            connect_args={"connect_timeout": DATABASE_WAIT},
            isolation_level="READ COMMITTED",  # a writer that waited for a row sees it as it is then
            hide_parameters=True,
            pool_pre_ping=True,  # a server that was restarted costs a new connection, not a lost step
            pool_size=10,
            max_overflow=-1,
        )
    except ImportError as error:
        raise InvalidSettings(
            "PostgreSQL needs the package psycopg.",
            next_action=NextAction(Verb.INSTALL_EXTRA, {"extra": "postgresql"}, then=REPEAT),
        ) from error
