"""Opens the database: SQLite in WAL, or PostgreSQL by URL. Reading and writing are two kinds of transaction."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError

from states.errors import InvalidSettings, KeyturnError, TryLater, Unknown

PATIENCE: Final = 10
"""Seconds to wait for SQLite's one writer to finish, or for a PostgreSQL server to take a connection."""

_PRAGMAS: Final = (
    "journal_mode = WAL",  # readers and the writer do not block each other
    "synchronous = FULL",  # a committed move survives a power cut; in WAL, anything less does not promise that
    "foreign_keys = ON",
    "secure_delete = ON",  # an erased key is overwritten, not only unlinked
)
_WRITES: Final = "keyturn_writes"


class Database:
    """One database; safe to share between threads. Nothing is opened before it is needed."""

    def __init__(self, url: str) -> None:
        """``url`` is ``sqlite:///PATH`` or ``postgresql://…``. Raises InvalidSettings for anything else."""
        self._url = _parse(url)
        self.is_sqlite = self._url.drivername == "sqlite"
        engine = _open_sqlite(self._url) if self.is_sqlite else _open_postgresql(self._url)
        self._writing = engine.execution_options(**{_WRITES: True})
        self._reading = engine if self.is_sqlite else engine.execution_options(isolation_level="REPEATABLE READ")

    @property
    def name(self) -> str:
        """What a message calls the database: the file, or the URL without its password."""
        return str(self._url.database) if self.is_sqlite else self._url.render_as_string(hide_password=True)

    def make_file(self) -> None:
        """Make SQLite's file where there is none, for this user alone. Safe to repeat."""
        if self.is_sqlite:
            file = Path(str(self._url.database))
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the database as it was at one moment. Raises TryLater when it is away."""
        with self._told(TryLater), self._reading.begin() as transaction:
            yield transaction

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends, and changes nothing when the block raises.

        Raises TryLater when the database is away or busy, Unknown when it went away while committing.
        """
        with self._told(TryLater), self._writing.connect() as connection, connection.begin() as transaction:
            yield connection
            with self._told(Unknown):
                transaction.commit()

    def close(self) -> None:
        """Close every connection. Safe to repeat; the next transaction opens new ones."""
        self._writing.dispose()

    @contextmanager
    def _told(self, kind: type[KeyturnError]) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            reason = str(error.orig).partition("\n")[0]
            raise kind(f"The database {self.name} is not available: {reason}.") from error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidSettings("The store's URL is neither sqlite:///PATH nor postgresql://….") from None
    if parsed.drivername not in ("sqlite", "postgresql"):
        raise InvalidSettings(f"The store is SQLite (sqlite:///PATH) or postgresql://…, not {parsed.drivername}.")
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InvalidSettings(
            "The store needs a file: sqlite:///PATH. What is kept in memory is lost with the process."
        )
    return parsed


def _open_sqlite(url: URL) -> Engine:
    address = f"file:{quote(str(url.database))}?mode=rw"  # rw: a mistyped path is an error, not a new database

    def connect() -> sqlite3.Connection:
        # isolation_level=None: Python's driver begins no transactions of its own, _begin does.
        connection = sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    engine = create_engine(url, creator=connect, hide_parameters=True, pool_size=10, max_overflow=-1)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    # A writer that began by reading could not wait for another writer: it would fail, and its update be lost.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_postgresql(url: URL) -> Engine:
    options: dict[str, Any] = {"connect_args": {"connect_timeout": PATIENCE}, "pool_size": 10, "max_overflow": -1}
    try:
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, **options)
    except ImportError as error:
        raise InvalidSettings(
            "PostgreSQL needs the package psycopg.", next_action="Install Keyturn with its extra: keyturn[postgresql]."
        ) from error
