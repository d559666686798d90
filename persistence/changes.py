"""The room of the changes: a number that differs once the database was written to.

A watcher looks at it many times a second, so a look is one short statement on a session that is kept open.
"""

from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from persistence.database import Database
from states.errors import TryLater

_SQLITE: Final = text("PRAGMA data_version")
"""Counts the commits of all other sessions, in this process and in others. https://www.sqlite.org/pragma.html"""
_POSTGRESQL: Final = text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
"""The next transaction id of the server: it counts the writes to its other databases, too, and no read."""


class Changes:
    """Whether anything was written; for one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Connection | None = None

    def look(self) -> int:
        """Return a number that differs from the last look's if anything was committed in between.

        Only differences tell something. Raises TryLater when the database is unavailable; the next look tries again.
        """
        session = self._session or self._database.open_session()
        self._session = session
        try:
            return int(session.execute(_SQLITE if self._database.is_sqlite else _POSTGRESQL).scalar_one())
        except DBAPIError as error:
            self.close()
            raise TryLater("The database does not answer.") from error

    def close(self) -> None:
        """Close the session. Safe to repeat; the next look opens a new one."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
