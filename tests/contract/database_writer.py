"""An attacker who can write the database and has no key: makes one change after another, each undone again.

Each change is made within one transaction, and undone by a savepoint: to make a database for each takes minutes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Delete,
    Insert,
    MetaData,
    String,
    Table,
    Update,
    and_,
    delete,
    insert,
    inspect,
    null,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, StatementError
from support.factories import NOW
from support.stores import KEK

from persistence import models, row_check, schema
from persistence.checkpoints import Checkpoints
from persistence.database import Database
from persistence.journal_check import Journal
from persistence.secrets import Secrets
from persistence.store import Role
from persistence.vault import Vault
from states import access
from states.errors import InvalidSettings, JournalBroken, SealBroken, VaultLocked
from states.rotation import Cause, Ending
from states.state import State

Row = Mapping[str, Any]
ALEMBIC: Final = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Alembic's own table: which migrations were applied."""
JOURNAL: Final = models.journal.name
DATA_KEYS: Final = models.data_keys.name
ROW_CHECKS: Final[Mapping[str, Callable[[Connection, Vault], None]]] = {
    models.rotations.name: row_check.verify,
    models.connections.name: row_check._verify_connections,
}
"""Checks of rows that have codes."""
KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "state": tuple(State),
    "failed_from": tuple(State),
    "ending": tuple(Ending),
    "cause": tuple(Cause),
    "source": tuple(State),
    "target": tuple(State),
    "role": (*Role, *access.Role),
    "version_num": tuple(schema.revisions()),
}
"""Columns whose values are names of ours."""
ILLEGIBLE: Final = text("'illegible'")
"""What SQLite takes in any column. PostgreSQL takes it only where it is as good as any other text."""


class OneTransaction(Database):
    """The database as ``tx`` sees it: what others have not committed does not exist, and what it changed does."""

    def __init__(self, url: str, tx: Connection) -> None:
        super().__init__(url)
        self._tx = tx

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The one transaction."""
        yield self._tx

    writing = reading


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a row."""

    row: Row
    """As it was."""
    after: Row | None
    """None for a row that was removed."""


class DatabaseWriter:
    """Changes the database of ``url``, and asks a new process each time whether it sees that."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def begun(self) -> Iterator["DatabaseWriter"]:
        """Work within one transaction, which is rolled back at the end."""
        database = Database(self._url)
        with database._engine.connect() as self._tx:
            self._tx.begin()
            self._tx.exec_driver_sql("BEGIN IMMEDIATE" if database.is_sqlite else "SELECT 1")
            self._tx.exec_driver_sql("SAVEPOINT change")
            self._database = OneTransaction(self._url, self._tx)
            self._vault = self._new_vault()
            yield self
            self._tx.rollback()
        database.close()

    def rows(self, table: Table) -> list[Row]:
        """Every row of ``table``."""
        return [dict(row) for row in self._tx.execute(select(table)).mappings()]

    def table_names(self) -> set[str]:
        """Every table that the database has."""
        return set(inspect(self._tx).get_table_names())

    def is_seen(self, changed: Table | None = None) -> bool:
        """Whether a new process that starts, and checks the journal, sees that something was changed.

        With the ``changed`` table, what most likely shows the change is asked first, and the rest only if that shows
        nothing; the check that each start makes, which reads no rows, is asked only for Alembic's table.
        """
        name = changed.name if changed is not None else ""
        vault = self._new_vault() if name in ("", DATA_KEYS) else self._vault
        looks: list[Callable[[], object]] = [
            Checkpoints(self._database, vault).verify,
            Journal(self._database, vault).verify,
        ]
        if name == JOURNAL:
            looks.reverse()
        if name in ROW_CHECKS:  # the journal's check ends with these
            looks.insert(0, lambda: ROW_CHECKS[name](self._tx, vault))
        if name in ("", ALEMBIC.name):
            looks.insert(0, lambda: schema.check(self._database))
        try:
            for look in looks:
                look()
        except (InvalidSettings, JournalBroken, SealBroken, VaultLocked):
            return True
        return False

    def unseen_values(self, table: Table, column: Column[Any]) -> Iterator[Change]:
        """Change ``column`` in every row to every other value that the database takes; yield what is not seen."""
        origin = next(iter(column.foreign_keys)).column if column.foreign_keys else column
        found = list({str(row[origin.name]): row[origin.name] for row in self.rows(origin.table)}.values())[:2]
        for row in self.rows(table):
            values = others(column, row, [] if isinstance(row[column.name], dict) else found)
            for other in (*values, ILLEGIBLE) if self._database.is_sqlite else values:
                statement = update(table).where(_is(table, row)).values({column: other})
                if self._is_unseen(table, statement):
                    yield Change(row, {**row, column.name: other})

    def unseen_removals(self, table: Table) -> Iterator[Change]:
        """Remove every row that the database lets go; yield what is not seen."""
        for row in self.rows(table):
            if self._is_unseen(table, delete(table).where(_is(table, row))):
                yield Change(row, None)

    def unseen_insertions(self, table: Table) -> Iterator[Change]:
        """Insert a copy of every row with another key; yield what is not seen."""
        for row in self.rows(table):
            for key in table.primary_key.columns:
                for other in (*KNOWN.get(key.name, ()), *changed(row[key.name])):
                    copy = {**row, key.name: other}
                    if self._is_unseen(table, insert(table).values(copy)):
                        yield Change(row, copy)

    def _is_unseen(self, table: Table, change: Insert | Update | Delete) -> bool:
        """Whether ``change`` is not seen; it is undone. One that the constraints refuse changes nothing."""
        try:
            self._tx.execute(change)
        except (DBAPIError, StatementError):
            is_unseen = False
        else:
            is_unseen = not self.is_seen(table)
        self._tx.exec_driver_sql("ROLLBACK TO SAVEPOINT change")
        return is_unseen

    def _new_vault(self) -> Vault:
        return Vault(Secrets(self._database), lambda: KEK)


def _is(table: Table, row: Row) -> ColumnElement[bool]:
    return and_(*(key == row[key.name] for key in table.primary_key.columns))


def others(column: Column[Any], row: Row, found: list[Any]) -> list[Any]:
    """Other values for ``column`` of ``row``, NULL too; ``found`` are those that the database has in such columns."""
    return list({str(each): each for each in _others(column, row[column.name], found)}.values())


def _others(column: Column[Any], value: Any, found: list[Any]) -> Iterator[Any]:
    yield from (each for each in found if each != value)
    yield from (each for each in KNOWN.get(column.name, ()) if each != value)
    if value is not None:
        yield null()
    if isinstance(column.type, JSON):
        yield None  # JSON's own
    kind = value if value is not None else {datetime: NOW, int: 7, str: "another"}.get(column.type.python_type)
    if value is None and kind is not None:
        yield kind
    yield from (each for each in changed(kind) if kind is not None and each != value)


def changed(value: Any) -> Iterator[Any]:
    """``value`` with one small change."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
        yield max(value - 1, 0)
    elif isinstance(value, str):
        yield f"{value}x"
    elif isinstance(value, bytes):
        yield value[:-1] + bytes([value[-1] ^ 1])
    elif isinstance(value, datetime):
        yield value + timedelta(hours=1)
    elif isinstance(value, dict):
        yield {**value, "unheard": "of"}
        yield from ({**value, name: other} for name, each in value.items() for other in changed(each))
        yield from ({other: each for other, each in value.items() if other != name} for name in value)
