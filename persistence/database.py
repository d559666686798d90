"""Opens the database: SQLite in WAL, or PostgreSQL by URL. Reading and writing are two kinds of transaction."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from persistence import database_url, postgresql, sqlite
from persistence.descriptors import descriptor_shortage
from persistence.prepared import Prepared
from persistence.shared_commit import CommitFailed, SharedCommit
from states.errors import Exhausted, InvalidSettings, KeyturnError, TryLater, Unknown
from states.next_action import by_hand

_AWAY: Final = (OperationalError, InterfaceError, InternalError)
"""What the drivers raise when a database is missing, cannot be used for the moment, or went away. psycopg raises
InternalError for a server that is read-only, or that ended a transaction which was idle for too long."""
_LACKS: Final = ("42P01", "42703", "42P10", "3F000", "42704", "42883")
"""PostgreSQL's codes for a table, a column, a unique index, a schema, a type or a function that is missing, all of the
class ProgrammingError.
https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_DENIED: Final = "42501"
_LACKS_IN_SQLITE: Final = (
    "no such table",
    "no such column",
    "has no column named",
    "ON CONFLICT clause does not match",
)
"""SQLite has one code for these and for a busy database's neighbours, and texts that have not changed in years."""
_UNDONE: Final = ("SQLITE_FULL", "SQLITE_BUSY")
"""SQLite's names for a COMMIT that did nothing: the disk is full, or another process kept its lock for too long."""

_LOOK: Final = by_hand(
    "Make sure that the database is up. Then look whether the change was made, before you repeat the command.", None
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
        self._url = database_url.parse(url)
        self.is_sqlite = self._url.drivername == "sqlite"
        self._engine = sqlite.open_engine(self._url) if self.is_sqlite else postgresql.open_engine(self._url)
        self._snapshots = self._engine if self.is_sqlite else self._engine.execution_options(**_SNAPSHOT)
        self._writer = sqlite.KeptConnection(self._engine)
        self._writes = SharedCommit(self._begin, self._commit, self._drop_writer)
        self._glancer = sqlite.KeptConnection(self._engine)
        self._glances = Lock()
        self.has_written = False
        """Whether a transaction was committed, or may have been."""
        self.committed = Event()
        """Set after each commit, for one thread that waits for it and clears it (`announcements`)."""

    @property
    def name(self) -> str:
        """What a message calls the database: the file, or the URL without its password."""
        return database_url.shown(self._url)

    @property
    def url(self) -> str:
        """The URL without its passwords."""
        return database_url.without_secrets(self._url)

    def is_missing(self, error: TryLater) -> bool:
        """Whether ``error``, raised on opening the database, will not go away by itself: there is no such file, or the
        server is up and refuses the connection.
        """
        if self.is_sqlite:
            return sqlite.identity(str(self._url.database)) is None
        return postgresql.refuses_for_good(error.message)

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

    def queue_access(self) -> tuple[dict[str, Any], bytes]:
        """Return psycopg's parameters and the first statement of a session for Procrastinate, on PostgreSQL."""
        return postgresql.queue_access(self._engine)

    @property
    def folder(self) -> Path:
        """The folder of SQLite's file."""
        return Path(str(self._url.database)).parent

    def open_session(self) -> Connection:
        """Open a session that no one else uses, and that commits each statement; the caller closes it.

        Raises TryLater when the database is unavailable.
        """
        try:
            session: Connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            session.detach()
        except (*_AWAY, ProgrammingError) as error:
            raise self._explained(TryLater, error) from error
        return session

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Open a session as ``open_session`` does, and close it at the end, also where the server has ended it."""
        session = self.open_session()
        # SQLAlchemy does not close a connection that is lost and no pool's: that is left to us.
        driver = session.connection.dbapi_connection
        try:
            yield session
        finally:
            with suppress(SQLAlchemyError):
                session.close()
            if driver is not None:
                driver.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the database as it was at one moment. Raises TryLater when it is unavailable."""
        try:
            with self._snapshots.connect() as tx:
                if self.is_sqlite:
                    _BEGIN.run(tx, {})
                yield tx
        except (*_AWAY, ProgrammingError) as error:
            raise self._explained(TryLater, error) from error

    @contextmanager
    def glancing(self) -> Iterator[Connection]:
        """For one short SELECT, which sees what is committed; never inside `writing`. On SQLite it uses a connection
        that is kept for it, and does not wait for a writer.

        Raises TryLater when the database is unavailable.
        """
        if self._glancer.has_moved:
            self.close()
        try:
            with self._one_glancer() if self.is_sqlite else self._engine.connect() as tx:
                yield tx
        except (*_AWAY, ProgrammingError) as error:
            raise self._explained(TryLater, error) from error

    @contextmanager
    def _one_glancer(self) -> Iterator[Connection]:
        with self._glances:
            try:
                glancer = self._glancer.get()
                yield glancer
                glancer.rollback()  # SQLite has not begun a transaction; SQLAlchemy has
            except BaseException:
                self._glancer.drop()
                raise

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends, and changes nothing when the block raises or calls `undo`.

        On SQLite, threads share a commit; the block has the writer alone (persistence/shared_commit.py). Raises
        TryLater when the database is unavailable, busy or read-only, Unknown when it went away during the commit: then
        the transaction may have been committed.
        """
        kind: type[KeyturnError] = TryLater
        try:
            with self._writes.move() if self.is_sqlite else self._engine.connect() as tx:
                if not self.is_sqlite:
                    tx.begin()
                yield tx
                if not self.is_sqlite and tx.in_transaction():  # unless the block called `undo`
                    kind = Unknown
                    self._commit(tx)
        except CommitFailed as failed:
            raise self._failed(failed) from failed.reason
        except (*_AWAY, ProgrammingError) as error:
            raise self._explained(kind, error) from error

    def _begin(self) -> Connection:
        """Begin a transaction with SQLite's one writer."""
        if self._writer.has_moved:
            with self._glances:
                self._drop_connections()
        try:
            tx = self._writer.get()
            tx.begin()
            _BEGIN_WRITING.run(tx, {})
        except BaseException:
            self._drop_writer()
            raise
        return tx

    def _drop_writer(self) -> None:
        """Close the writer, and the pool: after an error, no connection is trusted."""
        self._writer.drop()
        self._engine.dispose()

    def _drop_connections(self) -> None:
        """Close every connection; the caller has the writer, and the glances' lock.

        After a file was replaced, all are closed before one is opened: the last connection to a file deletes the log
        that is at its path, which may be the next file's by then.
        """
        self._glancer.drop()
        self._drop_writer()

    def _commit(self, tx: Connection) -> None:
        """Commit, and remember that something was written, or may have been: not where the commit did nothing."""
        had_written, self.has_written = self.has_written, True
        try:
            tx.commit()
        except OperationalError as error:
            # Only SQLite says so, and has one writer at a time: no other thread has written since.
            self.has_written = had_written or not _did_nothing(error)
            raise
        self.committed.set()

    def truncate_log(self) -> bool:
        """Copy SQLite's write-ahead log into the file, and empty it: what was erased is overwritten in both.

        Returns False where another process still reads from the log; then SQLite empties it later. On PostgreSQL
        nothing is done, and the answer is False. Raises TryLater when the database is unavailable.
        """
        if not self.is_sqlite:
            return False
        with self._writes.exclusive(), self._one_glancer() as tx:
            return not tx.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]

    def close(self) -> None:
        """Close every connection. Safe to repeat; the next transaction opens new ones."""
        with self._writes.exclusive(), self._glances:
            self._drop_connections()

    def _failed(self, failed: CommitFailed) -> KeyturnError:
        kind = Unknown if failed.is_unknown else TryLater
        if isinstance(failed.reason, DBAPIError):
            return self._explained(kind, failed.reason)
        return _lost(kind, f"The database {self.name} did not commit: {type(failed.reason).__name__}.")

    def _explained(self, kind: type[KeyturnError], error: DBAPIError) -> KeyturnError:
        """Return our own error for a driver's. Raises the driver's again where it is a mistake of ours."""
        reason = str(error.orig).partition("\n")[0]
        state = getattr(error.orig, "sqlstate", None)
        if state == _DENIED:
            return InvalidSettings(
                f"The database {self.name} does not permit what Keyturn needs: {reason}.",
                next_action=by_hand("Grant the permission to this role, or let the setting store.url name another."),
            )
        if state in _LACKS or (self.is_sqlite and any(words in reason for words in _LACKS_IN_SQLITE)):
            return InvalidSettings(
                f"The database {self.name} lacks what Keyturn made there: {reason}.",
                next_action=by_hand("Restore the database from a backup."),
            )
        if isinstance(error, ProgrammingError):
            if error.statement is None:  # raised on connecting, by the driver
                return InvalidSettings(f"The database {self.name} cannot be connected to: {reason}.")
            raise error
        if _did_nothing(error):
            kind = TryLater
        # SQLite says only that it cannot open a file, and libpq that it cannot make a socket.
        if kind is TryLater and (lacking := descriptor_shortage()):
            return Exhausted(f"{lacking.message} The database {self.name} cannot be opened: {reason}.")
        return _lost(kind, f"The database {self.name} is not available: {reason}.")


def _lost(kind: type[KeyturnError], message: str) -> KeyturnError:
    # What a lost commit changed is not read back by itself, unlike what a lost request to NetSuite or OpenAir changed.
    return Unknown(message, next_action=_LOOK) if kind is Unknown else kind(message)


def _did_nothing(error: DBAPIError) -> bool:
    """Whether the COMMIT that raised ``error`` did nothing for certain."""
    return getattr(error.orig, "sqlite_errorname", "") in _UNDONE
