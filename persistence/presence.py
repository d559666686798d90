"""Locks that show whether a worker lives: the system releases them at once when its process ends, however it ends.

On PostgreSQL each worker has a session with an advisory lock, on SQLite a lock on a file of its own next to the
database. Each lock has a key of its own, so that a free lock says that this process ended, and never that it began.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection as Transaction
from sqlalchemy import bindparam, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from persistence.database import Database
from states.errors import TryLater

_TRY_LOCK: Final = select(func.pg_try_advisory_lock(bindparam("key")))
_TRY_LOCK_BRIEFLY: Final = select(func.pg_try_advisory_xact_lock(bindparam("key")))
_LOCK_BRIEFLY: Final = select(func.pg_advisory_xact_lock(bindparam("key")))
_UNLOCK: Final = select(func.pg_advisory_unlock(bindparam("key")))
_IS_LOCKED: Final = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid::bigint = :high AND objid::bigint = :low)"
)
_WAIT: Final = text("SET LOCAL lock_timeout = '500ms'")
"""The server releases the lock of a session that was closed within that time."""


class Lock(Protocol):
    """A lock that ends with this process."""

    key: int

    def is_held(self) -> bool:
        """Whether this process still has it."""
        ...

    def release(self) -> None:
        """Give it up."""
        ...


def _key(name: str, number: int | str) -> int:
    """A number for a lock of this process, unlike any other's: 62 bits, as PostgreSQL's are signed."""
    return int.from_bytes(hashlib.sha256(f"keyturn {name} {number}".encode()).digest()[:8]) >> 2


def take(database: Database, name: str, number: int) -> Lock | None:
    """Take a lock that ends with this process; None where there can be none. ``number`` tells its locks apart."""
    key = _key(name, number)
    return _FileLock.take(database.folder, key) if database.is_sqlite else _SessionLock.take(database, key)


@contextmanager
def locking(database: Database, others: Mapping[str, int]) -> Iterator[tuple[Transaction, Sequence[str]]]:
    """A transaction, and those of ``others`` whose lock was free. Their locks are held until it ends."""
    if database.is_sqlite:
        with ExitStack() as held:
            dead = [name for name, key in others.items() if held.enter_context(_file_lock(database.folder, key))]
            with database.writing() if dead else database.glancing() as tx:
                yield tx, dead
    else:
        with database.writing() as tx:
            yield tx, [name for name, key in others.items() if tx.execute(_TRY_LOCK_BRIEFLY, {"key": key}).scalar()]


# --- SQLite -----------------------------------------------------------------------------------------------------------


def _file(folder: Path, key: int) -> Path:
    return folder / f"worker-{key:016x}.lock"


class _FileLock:
    """A lock on a file of its own next to the database; the kernel releases it when the process ends."""

    def __init__(self, file: Path, descriptor: int, key: int) -> None:
        self.key = key
        self._file = file
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path, key: int) -> "_FileLock | None":
        file = _file(folder, key)
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            return None  # a full disk, or a folder that cannot be written to
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # a file system without locks
            os.close(descriptor)
            file.unlink(missing_ok=True)
            return None
        return cls(file, descriptor, key)

    def is_held(self) -> bool:
        return self._file.exists()  # without its file, no other process can see the lock

    def release(self) -> None:
        with suppress(OSError):
            self._file.unlink()
        os.close(self._descriptor)


@contextmanager
def _file_lock(folder: Path, key: int) -> Iterator[bool]:
    """Whether the lock was free; it is held then, and its file removed at the end."""
    file = _file(folder, key)
    try:
        descriptor = os.open(file, os.O_RDWR)
    except OSError:
        yield False  # not known: someone removed the file, or it is another user's. The lease decides
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_free = True
    except OSError:
        is_free = False
    try:
        yield is_free
        if is_free:
            file.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


class _SessionLock:
    """An advisory lock of a session of its own; the server releases it when the connection breaks."""

    def __init__(self, session: Transaction, key: int) -> None:
        self.key = key
        self._session = session

    @classmethod
    def take(cls, database: Database, key: int) -> "_SessionLock | None":
        session = database.open_session()
        try:
            if session.execute(_TRY_LOCK, {"key": key}).scalar():
                return cls(session, key)
        except SQLAlchemyError:
            pass  # a server that knows no such locks: the lease decides
        _close(session)
        return None

    def is_held(self) -> bool:
        try:
            return bool(self._session.execute(_IS_LOCKED, _halves(self.key)).scalar())
        except SQLAlchemyError:
            return False

    def release(self) -> None:
        _close(self._session)


def _close(session: Transaction) -> None:
    with suppress(SQLAlchemyError):
        session.close()


def _halves(key: int) -> dict[str, int]:
    """A key as pg_locks shows it."""
    return {"high": key >> 32, "low": key & 0xFFFF_FFFF}


def is_pooled(database: Database, name: str) -> bool:
    """Whether a lock outlives the connection that took it, as it does behind a pool of sessions: try, and look.

    Such a lock would show a dead worker as alive; and any client of the pool could release it.
    """
    key = _key(name, "probe")
    first = database.open_session()
    first.execute(_TRY_LOCK, {"key": key})
    _close(first)
    # A server needs a moment to end a session. Only the pool's own session could still take the lock at once.
    with suppress(TryLater), database.writing() as tx:
        tx.execute(_WAIT)
        tx.execute(_LOCK_BRIEFLY, {"key": key})
    second = database.open_session()
    try:
        is_locked = bool(second.execute(_IS_LOCKED, _halves(key)).scalar())
        if is_locked:
            second.execute(_UNLOCK, {"key": key})  # it may be the session that has it
    finally:
        _close(second)
    return is_locked
