"""What time brings: when certificates end, and when the schedule begins rotations."""

from datetime import datetime

from persistence import connection_statements
from persistence.database import Database
from persistence.read_model import connections_until
from persistence.rotation_statements import TRY_AGAIN
from states.summary import ConnectionSummary


class Deadlines:
    """The moments of all connections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def until(self, moment: datetime, *, by_hand: datetime | None = None) -> list[ConnectionSummary]:
        """Return the connections whose certificate expires, or whose automatic rotation begins, before then (UTC).

        And those that no schedule rotates, whose certificate expires before ``by_hand`` (UTC).
        """
        with self._database.reading() as tx:
            return connections_until(tx, moment, by_hand or moment)

    def expiries(self, until: datetime) -> list[tuple[datetime, str]]:
        """Return when certificates expire before ``until`` (UTC), and of which connections, the first first."""
        with self._database.reading() as tx:
            return [(row.not_after, row.name) for row in tx.execute(connection_statements.EXPIRIES, {"until": until})]

    def sign_in_ends(self) -> list[tuple[datetime, str]]:
        """Return when sign-in certificates end (UTC), and of which connections, the first first; where it is known."""
        with self._database.reading() as tx:
            rows = list(tx.execute(connection_statements.SIGN_IN_ENDS))
        return [(datetime.fromisoformat(row.until), row.name) for row in rows]

    def coming(self, limit: int) -> list[tuple[datetime, str]]:
        """Return when the next automatic rotations begin (UTC), and of which connections: the first ``limit``.

        One with an open rotation does not count.
        """
        with self._database.reading() as tx:
            return [(row.due_at, row.name) for row in tx.execute(connection_statements.COMING, {"limit": limit})]

    def due(self, now: datetime, limit: int) -> list[str]:
        """Return up to ``limit`` names of connections to rotate: automatic, due by ``now``, without an open rotation.

        The one that has been due longest comes first.
        """
        with self._database.reading() as tx:
            return list(tx.execute(connection_statements.DUE, {"now": now, "limit": limit}).scalars())

    def postpone(self, name: str, until: datetime) -> None:
        """Postpone the connection's next automatic rotation to ``until`` (UTC); a later one stays. Safe to repeat."""
        with self._database.writing() as tx:
            TRY_AGAIN.run(tx, {"b_name": name, "b_due_at": until, "due_at": until})
