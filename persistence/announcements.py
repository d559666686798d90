"""Announcements of commits: wakes the watchers of other processes once something was committed, on PostgreSQL.

A NOTIFY in the transaction of a move would take a lock of the whole database until that commit is on disk, and so undo
PostgreSQL's group commit: with it, 16 writers fell from 7,500 to 400 commits a second. So a session of its own says
afterwards that something was committed, without waiting for the disk, and many commits are said once. An announcement
that is lost costs a watcher a second: it looks every second besides.
"""

from contextlib import ExitStack
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from persistence.database import Database
from states.errors import TryLater

CHANNEL: Final = "keyturn"
_NOTIFY: Final = f"BEGIN; SET LOCAL synchronous_commit = off; NOTIFY {CHANNEL}; COMMIT"
"""What is announced was committed before, and is on disk. LOCAL: behind a pool, the session is another client's next,
whose commits must wait for the disk."""


class Announcements:
    """Announces this process's commits; for one thread, except ``wake``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open = ExitStack()
        self._session: Connection | None = None

    @property
    def is_useful(self) -> bool:
        """Whether watchers listen: those of SQLite look at the file instead."""
        return not self._database.is_sqlite

    def wait(self) -> None:
        """Wait until this process has committed something since the last call, or ``wake`` is called."""
        self._database.committed.wait()
        self._database.committed.clear()  # before it is announced: what is committed meanwhile is announced again

    def wake(self) -> None:
        """Let ``wait`` return."""
        self._database.committed.set()

    def announce(self) -> None:
        """Wake the watchers. Raises TryLater where the database is unavailable."""
        try:
            if self._session is None:
                self._session = self._open.enter_context(self._database.session())
            self._session.exec_driver_sql(_NOTIFY)
        except SQLAlchemyError as error:
            self.close()
            raise TryLater("The database does not answer.") from error

    def close(self) -> None:
        """Close the session. Safe to repeat; the next announcement opens a new one."""
        self._session = None
        self._open.close()
