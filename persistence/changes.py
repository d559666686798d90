"""Changes of the database: a number that differs once the database was written to.

A watcher looks at it many times a second, so a look is one short statement on a session that is kept open.
"""

import secrets
import time
from contextlib import ExitStack
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from persistence import presence
from persistence.announcements import CHANNEL
from persistence.database import Database
from states.errors import TryLater

_SQLITE: Final = text("PRAGMA data_version")
"""Counts the commits of all other sessions, in this process and in others. https://www.sqlite.org/pragma.html"""
_LISTEN: Final = text(f"LISTEN {CHANNEL}")
_POSTGRESQL: Final = text("SELECT hashtextextended(pg_current_snapshot()::text, 0)")
"""Which transactions of the server are over: those of its other databases, too, and no read. The whole snapshot: its
next transaction id alone stays as it is where an older transaction commits after a younger one."""


def _driver_error() -> type[Exception]:
    """What PostgreSQL's driver raises. It is imported where it is used: SQLite needs none of it."""
    from psycopg import Error  # noqa: PLC0415 - see above

    return Error


class Changes:
    """Whether anything was written; for one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open = ExitStack()
        self._session: Connection | None = None
        self._hears_any: bool | None = None
        """Whether announcements arrive; None where that is not known yet."""
        self._is_listening = False

    def look(self) -> int:
        """Return a number that differs from the last look's if anything was committed in between.

        Only differences tell something. Raises TryLater when the database is unavailable; the next look tries again.
        """
        session = self._opened()
        try:
            return int(session.execute(_SQLITE if self._database.is_sqlite else _POSTGRESQL).scalar_one())
        except SQLAlchemyError as error:
            self.close()
            raise TryLater("The database does not answer.") from error

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, or as soon as another process announces that it has committed something.

        On SQLite, and behind a pool of sessions, nothing is announced. Raises TryLater as ``look``.
        """
        if not self._hears():
            time.sleep(seconds)
            return
        session = self._opened()
        try:
            if not self._is_listening:  # only where it is waited for: what is not read would pile up
                session.execute(_LISTEN)
                self._is_listening = True
            driver: Any = session.connection.dbapi_connection
            for _ in driver.notifies(timeout=seconds, stop_after=1):
                pass
        except (SQLAlchemyError, _driver_error()) as error:
            self.close()
            raise TryLater("The database does not answer.") from error

    def _hears(self) -> bool:
        """Whether announcements arrive: behind a pool, a session that listens is another client's next."""
        if self._hears_any is None:
            try:
                is_pooled = not self._database.is_sqlite and presence.is_pooled(self._database, secrets.token_hex(8))
            except SQLAlchemyError as error:
                raise TryLater("The database does not answer.") from error
            self._hears_any = not (self._database.is_sqlite or is_pooled)
        return self._hears_any

    def _opened(self) -> Connection:
        if self._session is None:
            self._session = self._open.enter_context(self._database.session())
        return self._session

    def close(self) -> None:
        """Close the session. Safe to repeat; the next look opens a new one."""
        self._session, self._is_listening = None, False
        self._open.close()
