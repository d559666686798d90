"""Brings the database's tables up to date, and checks whether they are.

Alembic is imported where it is used: a worker only checks, and saves its eight megabytes.
"""

from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from sqlalchemy import CheckConstraint, inspect, text
from sqlalchemy import Connection as Transaction

from persistence.database import Database
from persistence.models import for_postgresql
from states.errors import InvalidSettings, TryLater
from states.next_action import REPEAT, NextAction, Verb, by_hand

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = text("SELECT pg_advisory_xact_lock(7120231123)")
"""A number of Keyturn's own. The second of two processes that migrate waits here, and finds nothing left to do."""
_TURN: Final = Lock()
"""Alembic's context is global to the process, so its threads take turns, even for different databases."""
_APPLIED: Final = text("SELECT version_num FROM alembic_version")
_SQLITE_INDEXES: Final = text("SELECT name FROM sqlite_master WHERE type = 'index'")
_POSTGRESQL_INDEXES: Final = text("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")
_WRITE_NOTHING: Final = text("DELETE FROM alembic_version WHERE false")
"""Unlike BEGIN IMMEDIATE, SQLite refuses this one in a file that may only be read."""
_BE_WRITABLE: Final = by_hand("Make sure that the database is up, and that this user may write to it.")


def migrate(database: Database) -> None:
    """Apply every migration that is missing, in one transaction: all of them, or none.

    Raises InvalidSettings for a database of a newer Keyturn, and for one that is damaged.
    """
    from alembic import command  # noqa: PLC0415 - see above

    database.make_file()
    with _TURN, database.writing() as tx:
        if not database.is_sqlite:
            tx.execute(_LOCK)
        _refuse_newer(database, _applied(tx))
        command.upgrade(config(tx), "head")
        _verify(database, tx)


def check(database: Database) -> None:
    """Raise InvalidSettings unless the database is there, and its newest migration is the newest there is; TryLater
    when it is away.
    """
    try:
        with database.reading() as tx:
            applied = _applied(tx)
    except TryLater as error:
        if database.is_missing(error):
            correct = by_hand("Correct the setting store.url instead.")
            raise InvalidSettings(
                error.message, next_action=NextAction(Verb.INIT, then=REPEAT, alternatives=(correct,))
            ) from error
        error.next_action = _BE_WRITABLE
        raise
    _refuse_newer(database, applied)
    if applied != revisions()[-1]:
        raise InvalidSettings(
            f"The database {database.name} lacks tables, columns or indexes of this Keyturn.",
            next_action=by_hand("Back it up.", NextAction(Verb.INIT, then=REPEAT)),
        )


def _applied(tx: Transaction) -> str | None:
    """Return the newest migration that was applied; None for a database that was never made."""
    return tx.execute(_APPLIED).scalar() if inspect(tx).has_table("alembic_version") else None


def applied(database: Database) -> str | None:
    """Return the newest migration that the database has; None where there is no database, or it cannot be read."""
    try:
        with database.reading() as tx:
            return _applied(tx)
    except TryLater:
        return None


def _refuse_newer(database: Database, applied: str | None) -> None:
    if applied is not None and applied not in revisions():
        raise InvalidSettings(
            f"The database {database.name} was made by a newer Keyturn.",
            next_action=by_hand("Install that version, or restore a backup from before the upgrade."),
        )


def check_writable(database: Database) -> None:
    """Raise TryLater where SQLite's file can be read, and not written.

    PostgreSQL is not asked: a server that is read-only after a failover becomes writable under a running worker.
    """
    if not database.is_sqlite:
        return
    try:
        with database.writing() as tx:
            tx.execute(_WRITE_NOTHING)
    except TryLater as error:
        error.next_action = _BE_WRITABLE
        raise


def verify(database: Database) -> None:
    """Raise InvalidSettings, as ``check`` does, and also where a table, a column, an index or a rule is missing.

    It reads the whole description of the database, so commands that only need its version do without it.
    """
    check(database)
    with database.reading() as tx:
        _verify(database, tx)


def _verify(database: Database, tx: Transaction) -> None:
    if missing := list(_missing(tx)):
        raise InvalidSettings(
            f"The database {database.name} is damaged. It lacks {', '.join(missing)}.",
            next_action=by_hand("Restore the database from a backup."),
        )


def _missing(tx: Transaction) -> Iterator[str]:
    """Yield what the models have and the database lacks. Rules are compared by name: each has one."""
    found = inspect(tx)
    tables = set(found.get_table_names())
    # Not get_indexes(): it skips SQLite's indexes of expressions.
    indexes = set(tx.execute(_SQLITE_INDEXES if tx.dialect.name == "sqlite" else _POSTGRESQL_INDEXES).scalars())
    for table in for_postgresql().tables.values():
        if table.name not in tables:
            yield f"the table {table.name}"
            continue
        columns = {column["name"] for column in found.get_columns(table.name)}
        rules = {rule["name"] for rule in found.get_check_constraints(table.name)}
        yield from (f"the column {table.name}.{each.name}" for each in table.columns if each.name not in columns)
        yield from (f"the index {each.name}" for each in table.indexes if each.name not in indexes)
        wanted = (str(each.name) for each in table.constraints if isinstance(each, CheckConstraint))
        yield from (f"the rule {name} of {table.name}" for name in wanted if name not in rules)


def revisions() -> list[str]:
    """Every migration's number, in order: its file's name begins with it."""
    return sorted(file.name.partition("_")[0] for file in MIGRATIONS.glob("versions/*_*.py"))


def config(tx: Transaction) -> "Config":
    """Alembic's configuration, for work within ``tx``."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.attributes["connection"] = tx
    return settings
