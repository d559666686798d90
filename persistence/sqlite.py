"""Opens SQLite: in WAL, durable, and for reading alone where this user may not write. Keeps connections open."""

import json
import os
import sqlite3
from operator import methodcaller
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine

from states.errors import InvalidSettings
from states.timing import DATABASE_WAIT

_PRAGMAS: Final = (
    "journal_mode = WAL",  # readers and the writer do not block each other
    "synchronous = FULL",  # a committed move survives a power cut; in WAL, anything less does not promise that
    "foreign_keys = ON",
    "secure_delete = ON",  # an erased key is overwritten, not only unlinked
)
_TEXT: Final = methodcaller("decode", "utf-8", "replace")
"""Reads a text. SQLite stores any bytes as one: those that are no text must not make their row unreadable, and what was
authenticated shows that it was changed."""
_READING: Final = ("schema_version",)
"""Reads the file's head, to see that it is a database."""


def open_engine(url: URL) -> Engine:
    """Prepare an engine; nothing is opened yet."""
    file = Path(str(url.database))
    return create_engine(
        url,
        creator=lambda: _connect(file),
        hide_parameters=True,
        pool_size=10,
        max_overflow=-1,
        json_deserializer=_legible,
    )


class KeptConnection:
    """A connection that is kept open, as getting one from the pool costs as much as a write; for one thread at a time.

    Kept while all goes well and the file is where it was: a file that was moved away can be written to as
    before, but no other process would see it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._file = str(engine.url.database)
        self._connection: Connection | None = None
        self._place: tuple[int, int] | None = None

    @property
    def has_moved(self) -> bool:
        """Whether the connection is to another file than the one that is at the database's path now."""
        return self._connection is not None and self._place != identity(self._file)

    def get(self) -> Connection:
        """Return the connection. Raises what SQLAlchemy does."""
        if not self._connection:
            self._connection = self._engine.connect()
            self._connection.detach()  # closing it closes the file
            self._place = identity(self._file)
        return self._connection

    def drop(self) -> None:
        """Close the connection; what it has not committed is undone. Safe to repeat."""
        if self._connection:
            self._connection.close()
            self._connection = None


def identity(file: str) -> tuple[int, int] | None:
    """The identity of the file at this path; None without one."""
    try:
        found = os.stat(file)  # noqa: PTH116 - before every write: Path takes twice as long
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connect(file: Path) -> sqlite3.Connection:
    try:
        return _opened(file, "mode=rw", _PRAGMAS)  # rw: a mistyped path is an error, not a new database
    except sqlite3.OperationalError:
        if not _is_for_reading(file):
            raise
    # In a folder that it may not write to, SQLite cannot make the files that readers of a WAL share. While a writer has
    # the database open they exist. Without a writer nothing changes, and SQLite reads a file that is called immutable.
    wal = file.with_name(f"{file.name}-wal")
    is_written = wal.exists() and wal.stat().st_size > 0
    return _opened(file, "mode=ro" if is_written else "mode=ro&immutable=1", _READING)


def _is_for_reading(file: Path) -> bool:
    """Whether this user may read the file, and may not write it or into its folder."""

    def may(place: Path, what: int) -> bool:
        return os.access(place, what, effective_ids=True)

    return may(file, os.R_OK) and not (may(file, os.W_OK) and may(file.parent, os.W_OK))


def _opened(file: Path, mode: str, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    # The name's bytes are quoted: a folder's name need not be UTF-8.
    # isolation_level=None: the driver begins no transactions of its own. Nor does an SQLAlchemy event: with one
    # listener, all the engine's statements pay for events.
    connection = sqlite3.connect(
        f"file:{quote(bytes(file))}?{mode}",
        uri=True,
        timeout=DATABASE_WAIT,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = _TEXT
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.DatabaseError as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise InvalidSettings(f"The file {file} is not an SQLite database.") from error
    return connection


def _legible(stored: str) -> Any:
    """SQLite takes any text as JSON. A value that is none must not make its row unreadable."""
    try:
        return json.loads(stored)
    except ValueError:
        return {"illegible": stored}
