"""Copies SQLite's database into an empty PostgreSQL database, row by row, and compares each.

The source's write lock is held meanwhile, so that nothing is written there that the copy lacks. The target's rows are
written and compared in one transaction: all of them, or none.

Two things are not copied, as they mean nothing in another database: where an entry comes in the feed of the journal
(`journal_feed`), and up to where monitoring has counted, which it does again from the beginning.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import zip_longest
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Table, Text, bindparam, exists, func, inspect, or_, select, update

from persistence import models
from persistence.clock import database_now, database_now_plus, seconds
from persistence.database import Database
from persistence.shared_commit import undo
from states.errors import AlreadyExists, InvalidSettings, TryLater
from states.next_action import by_hand
from states.timing import SILENT_AFTER

_PART: Final = 500
"""Rows that are sent at a time."""
_NOT_COPIED: Final[Mapping[str, Mapping[str, object]]] = {
    "journal": {"commit_number": 0},
    "monitoring": {"place": "0", "counts": {}},
}
_w: Final = models.workers
_r: Final = models.rotations
_AT_WORK: Final = (
    select(_w.c.name)
    .where(
        _w.c.ended_at.is_(None), or_(_w.c.lock_key.is_not(None), _w.c.seen_at > database_now_plus(seconds("silent")))
    )
    .order_by(_w.c.name)
    .limit(1)
)
_HELD: Final = select(_r.c.id).where(models.OPEN, _r.c.worker.is_not(None), _r.c.lease_until > database_now()).limit(1)
_STOP: Final = by_hand("Stop all workers, consoles and scheduled runs of this Keyturn.")

Row = dict[str, Any]


def copy(source: Database, target: Database) -> dict[str, int]:
    """Copy every row of ``source`` into ``target``, whose tables are of the same version; return how many, by table.

    Raises:
        TryLater: a worker is at work, or one of the databases is unavailable; the target has no row then.
        AlreadyExists: the target has rows.
        InvalidSettings: a row is not the same in the target, which has no row then.
        Unknown: the target went away during the commit.

    """
    with source.writing() as original:
        _ensure_idle(original)
        with target.writing() as made:
            _ensure_empty(made, target.name)  # again: another process may have been quicker
            for table in models.METADATA.sorted_tables:
                _copy(table, original, made)
            counts = {table.name: _compare(table, original, made) for table in models.METADATA.sorted_tables}
        undo(original)
    return counts


def ensure_empty(database: Database) -> None:
    """Raise AlreadyExists where a table of Keyturn's has a row, in a database of any version or none."""
    with database.reading() as tx:
        _ensure_empty(tx, database.name)


def _ensure_idle(tx: Transaction) -> None:
    name = tx.execute(_AT_WORK, {"silent": -SILENT_AFTER.total_seconds()}).scalar()
    if name is not None:
        raise TryLater(f"{name} works with this database.", next_action=_STOP)
    if held := tx.execute(_HELD).scalar():
        raise TryLater(f"A worker holds rotation {held}.", next_action=_STOP)


def _ensure_empty(tx: Transaction, name: str) -> None:
    present = set(inspect(tx).get_table_names())
    for table in (each for each in models.METADATA.sorted_tables if each.name in present):
        if tx.execute(select(exists().select_from(table))).scalar_one():
            raise AlreadyExists(
                f"The database {name} has rows already, in the table {table.name}.",
                next_action=by_hand("Name an empty database."),
            )


def _copy(table: Table, original: Transaction, made: Transaction) -> None:
    """Copy a table. A column that refers to the same table is filled in once all its rows are there."""
    later = [column.name for column in table.c if any(key.column.table is table for key in column.foreign_keys)]
    key = {column.name: column for column in table.primary_key}
    for part in _parts(_rows(table, original)):
        made.execute(table.insert(), [{**row, **dict.fromkeys(later)} for row in part])
    if later:
        where = [column == bindparam(f"key_{name}") for name, column in key.items()]
        fill = update(table).where(*where).values({name: bindparam(f"new_{name}") for name in later})
        for part in _parts(_rows(table, original)):
            values = [
                {f"key_{name}": row[name] for name in key} | {f"new_{name}": row[name] for name in later}
                for row in part
                if any(row[name] is not None for name in later)
            ]
            if values:
                made.execute(fill, values)
    number = table.autoincrement_column
    if number is not None:
        sequence = func.pg_get_serial_sequence(func.quote_ident(table.name), number.name)
        made.execute(select(func.setval(sequence, func.max(number))).where(sequence.is_not(None)).select_from(table))


def _compare(table: Table, original: Transaction, made: Transaction) -> int:
    """Compare a table's rows one by one; return how many they are."""
    count = 0
    with closing(_rows(table, original)) as rows, closing(_rows(table, made)) as copies:
        for before, after in zip_longest(rows, copies):
            if before != after:
                key = ", ".join(str((before or after or {})[column.name]) for column in table.primary_key)
                raise InvalidSettings(
                    f"The row {key} of the table {table.name} is not the same in the other database.",
                    next_action=by_hand("Name a database that Keyturn alone uses."),
                )
            count += 1
    return count


def _rows(table: Table, tx: Transaction) -> Generator[Row, None, None]:
    """The rows of a table as they are copied, in the order of their keys, which is the same in both databases."""
    instead = _NOT_COPIED.get(table.name, {})
    is_sqlite = tx.dialect.name == "sqlite"
    key = [
        column if is_sqlite or not isinstance(column.type, Text) else column.collate("C")
        for column in table.primary_key
    ]
    query = table.select().order_by(*key).execution_options(yield_per=_PART)
    with closing(tx.execute(query)) as result:
        for row in result.mappings():
            yield {**row, **instead}


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == _PART:
            yield part
            part = []
    if part:
        yield part
