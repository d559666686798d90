"""Copies SQLite's database into a file, at one moment, while others write."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from persistence.database import Database
from states.errors import InvalidInput, InvalidSettings, TryLater
from states.next_action import by_hand


@contextmanager
def copied(database: Database, file: Path) -> Iterator[Path]:
    """Copy the database; ``file`` has the copy once the block has ended without an error.

    Yields the copy under another name in the same folder, so that the block can look at it. No one else may read it.
    After an error nothing is left of it.

    Raises:
        InvalidInput: ``file`` exists, or cannot be made.
        InvalidSettings: the database is damaged.
        TryLater: the database is unavailable, or the copy cannot be written.

    """
    if os.path.lexists(file):
        raise _exists(file)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)  # mode 0600
    except OSError as error:
        raise InvalidInput(f"The file {file} cannot be made: {error.strerror}.") from error
    os.close(descriptor)
    made = Path(name)
    try:
        _copy(database, made)
        yield made
        _publish(made, file)
    finally:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(name + suffix).unlink()


def _copy(database: Database, made: Path) -> None:
    """One step of SQLite's backup reads one moment, and keeps no writer waiting."""
    with database.session() as session, closing(sqlite3.connect(made, isolation_level=None)) as target:
        source = session.connection.dbapi_connection
        assert isinstance(source, sqlite3.Connection)
        try:
            source.backup(target)
            found = target.execute("PRAGMA integrity_check(1)").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise TryLater(
                f"The copy of the database cannot be written: {error}.", next_action=by_hand("Make room for it.")
            ) from error
        except sqlite3.DatabaseError as error:
            found = str(error)
    if found != "ok":
        reason = found.strip().replace("\n", " ")
        raise InvalidSettings(
            f"The database {database.name} is damaged: {reason}.",
            next_action=by_hand("Restore the database from a backup."),
        )


def _publish(made: Path, file: Path) -> None:
    """Give the copy its name once it is on the disk, unless another file has that name by now."""
    try:
        _sync(made)
        try:
            os.link(made, file)  # unlike renaming, it replaces nothing
        except FileExistsError:
            raise _exists(file) from None
        except OSError:  # a file system without hard links
            if os.path.lexists(file):
                raise _exists(file) from None
            made.rename(file)
        _sync(file.parent)
    except OSError as error:
        raise TryLater(f"The file {file} cannot be written: {error.strerror}.") from error


def _sync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exists(file: Path) -> InvalidInput:
    return InvalidInput(f"The file {file} exists.", next_action=by_hand("Name another file: none is overwritten."))
