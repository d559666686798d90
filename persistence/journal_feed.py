"""The journal as a feed: the entries of all rotations in an order in which none comes before one that was read already.

A number or a time that an entry gets when it is written gives no such order on PostgreSQL: of two transactions, the one
that began first can commit last, and a reader of "after the last one" has passed its entries by then. So an entry has
the id of its transaction, and is read once that transaction and all older ones are over: what commits later has a
higher id. SQLite has one writer at a time: there, the entries are counted as they are written.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, literal_column, text, tuple_
from sqlalchemy import Connection as Transaction
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Session, col, select

from persistence import mapping, models
from persistence.journal import Entry, renamed
from states.errors import InvalidInput, Stale

_j: Final = models.journal
_Journal = models.Journal
_PLACE: Final = re.compile(r"(\d{1,18})(?:\.([0-9A-Z]{26})\.(\d{1,9}))?", re.ASCII)
_SETTLED: Final = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint", BigInteger)
"""The oldest transaction of the server that is not over. A transaction of another database, or one that was prepared,
holds the feed back too; it loses nothing."""
_NEXT: Final = text(
    "SELECT pg_snapshot_xmin(c)::text::bigint, pg_snapshot_xmax(c)::text::bigint FROM pg_current_snapshot() c"
)
_LAST: Final = text("SELECT COALESCE(MAX(commit_number), 0) + 1 FROM journal")
_RENUMBER: Final = text(
    "UPDATE journal SET commit_number = 0 WHERE commit_number >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
)


class commit_number(FunctionElement[int]):  # noqa: N801 - an SQL function
    """The number that orders an entry among those of all rotations."""

    type = BigInteger()
    inherit_cache = True


@compiles(commit_number, "sqlite")
def _sqlite_number(_element: Any, _compiler: SQLCompiler, **_options: Any) -> str:
    return "(SELECT COALESCE(MAX(commit_number), 0) + 1 FROM journal)"


@compiles(commit_number, "postgresql")
def _postgresql_number(_element: Any, _compiler: SQLCompiler, **_options: Any) -> str:
    return "pg_current_xact_id()::text::bigint"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the feed: right after an entry, or where a transaction's entries begin."""

    number: int
    rotation: str = ""
    seq: int = 0

    def __str__(self) -> str:
        """As a program keeps it."""
        return f"{self.number}.{self.rotation}.{self.seq}" if self.rotation else str(self.number)

    @classmethod
    def parse(cls, place: str) -> "Place":
        """Read what ``str`` made. Raises InvalidInput."""
        found = _PLACE.fullmatch(place.strip())
        if found is None:
            raise InvalidInput("This is no place in the journal of all rotations.")
        return cls(int(found[1]), found[2] or "", int(found[3] or 0))


@dataclass(frozen=True, slots=True)
class FedEntry:
    """An entry, and the place right after it."""

    place: Place
    connection: str
    entry: Entry


def end(tx: Transaction) -> Place:
    """Return a place that everything comes after that is not in the database yet."""
    return Place(_bounds(tx)[0])


def check(tx: Transaction, place: Place) -> None:
    """Raise Stale for a place that this database never gave: it was restored from a backup since, or is another one.

    Entries may have been written under lower numbers since.
    """
    found: int | None = place.number
    if place.rotation:
        query = _j.select().with_only_columns(_j.c.commit_number)
        found = tx.execute(query.where(_j.c.rotation_id == place.rotation, _j.c.seq == place.seq)).scalar_one_or_none()
    if found != place.number or place.number > _bounds(tx)[1]:
        raise Stale("The journal has no such place: the database was restored since, or is another one.")


def after(session: Session, place: Place, limit: int) -> list[FedEntry]:
    """Return up to ``limit`` entries that come after ``place``, in order; fewer where there are no more by now."""
    query = (
        select(_Journal, col(models.Rotations.connection))
        .join(models.Rotations, col(models.Rotations.id) == col(_Journal.rotation_id))
        .where(
            tuple_(_j.c.commit_number, _j.c.rotation_id, _j.c.seq) > (place.number, place.rotation, place.seq),
        )
        .order_by(_j.c.commit_number, _j.c.rotation_id, _j.c.seq)
        .limit(limit)
    )
    if not _is_sqlite(session.connection()):
        query = query.where(_j.c.commit_number < _SETTLED)
    return [
        FedEntry(
            Place(stored.commit_number, stored.rotation_id, stored.seq), connection, renamed(mapping.from_entry(stored))
        )
        for stored, connection in session.exec(query)
    ]


def renumber(tx: Transaction) -> None:
    """Put the entries of another PostgreSQL server, from whose dump this database was restored, before all others.

    Their transactions' ids say nothing here. Safe to repeat.
    """
    if not _is_sqlite(tx):
        tx.execute(_RENUMBER)


def _bounds(tx: Transaction) -> tuple[int, int]:
    """The lowest and the highest number that the next entry can have."""
    if _is_sqlite(tx):
        following = int(tx.execute(_LAST).scalar_one())
        return following, following
    lowest, highest = tx.execute(_NEXT).one()
    return int(lowest), int(highest)


def _is_sqlite(tx: Transaction) -> bool:
    return tx.dialect.name == "sqlite"
