"""Brings the database's tables up to date, and checks whether they are.

Alembic is imported where it is used: a worker only checks, and saves its eight megabytes.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Inspector, Table, inspect, text
from sqlalchemy import Connection as Transaction

from persistence import journal_feed, queue_schema, schema_digest
from persistence.database import Database
from persistence.models import for_postgresql
from persistence.shared_commit import undo
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
_SQLITE_INDEXES: Final = text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
_POSTGRESQL_INDEXES: Final = text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()")
_WRITE_NOTHING: Final = text("DELETE FROM alembic_version WHERE false")
"""Unlike BEGIN IMMEDIATE, SQLite refuses this one in a file that may only be read."""
_BE_WRITABLE: Final = by_hand("Make sure that the database is up, and that this user may write to it.")


def migrate(database: Database, then: Callable[[Transaction, str | None], None] = lambda *_: None) -> None:
    """Apply every migration that is missing, in one transaction: all of them, or none.

    ``then`` is called in the same transaction, with the newest migration that the database had before.
    Raises InvalidSettings for a database of a newer Keyturn, and for one that is damaged.
    """
    from alembic import command  # noqa: PLC0415 - see above

    database.make_file()
    with _TURN, database.writing() as tx:
        if not database.is_sqlite:
            tx.execute(_LOCK)
        before = _applied(tx)
        _refuse_newer(database, before)
        command.upgrade(config(tx), "head")
        queue_schema.bring_up_to_date(tx)  # where its migration lacked the permission, or a backup lacked the schema
        then(tx, before)
        _verify(database, tx)
        journal_feed.renumber(tx)
        schema_digest.note(tx)


def before_migrating(database: Database) -> str | None:
    """Return the newest migration of the database, which is made where there is none; None for a new one.

    It asks as a writer, who waits: SQLite refuses to change a new file's journal mode while another process reads it.
    """
    database.make_file()
    with database.writing() as tx:
        return _applied(tx)


def check(database: Database) -> None:
    """Raise InvalidSettings unless the database is there, its newest migration is the newest there is, and its tables
    are as that migration left them; TryLater when it is away.
    """
    try:
        with database.reading() as tx:
            applied = _applied(tx)
            is_current = applied == revisions()[-1]
            missing = [] if not is_current or schema_digest.is_as_noted(tx) else list(_missing(tx))
    except TryLater as error:
        if database.is_missing(error):
            correct = by_hand("Or correct the setting store.url.")
            raise InvalidSettings(
                error.message, next_action=NextAction(Verb.INIT, then=REPEAT, alternatives=(correct,))
            ) from error
        error.next_action = _BE_WRITABLE
        raise
    _refuse_newer(database, applied)
    if not is_current:
        raise InvalidSettings(
            f"The database {database.name} lacks tables, columns or indexes of this Keyturn.",
            next_action=by_hand("Back it up.", NextAction(Verb.INIT, then=REPEAT)),
        )
    _refuse_damaged(database, missing)


def _applied(tx: Transaction) -> str | None:
    """Return the newest migration that was applied; None for a database that was never made."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    # Keyturn's migrations are one line, with one end. Of several rows, whichever is read first would decide.
    applied = tx.execute(_APPLIED).scalars().all()
    return " and ".join(sorted(applied)) or None


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
            f"The database {database.name} was made by a newer Keyturn: its version is {applied}.",
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
            undo(tx)
    except TryLater as error:
        error.next_action = _BE_WRITABLE
        raise


def verify(database: Database) -> None:
    """Raise InvalidSettings as ``check`` does. It always reads the whole description of the database."""
    check(database)
    with database.reading() as tx:
        _verify(database, tx)


def _verify(database: Database, tx: Transaction) -> None:
    _refuse_damaged(database, list(_missing(tx)))


def _refuse_damaged(database: Database, missing: list[str]) -> None:
    if missing:
        raise InvalidSettings(
            f"The database {database.name} is damaged. It lacks {', '.join(missing)}.",
            next_action=by_hand("Restore the database from a backup."),
        )


def _missing(tx: Transaction) -> Iterator[str]:
    """Yield what the models have and the database lacks, or has in another form."""
    found = inspect(tx)
    tables = set(found.get_table_names())
    # Not get_indexes(): it skips SQLite's indexes of expressions.
    rows = tx.execute(_SQLITE_INDEXES if tx.dialect.name == "sqlite" else _POSTGRESQL_INDEXES)
    indexes = {str(row[0]): str(row[1]) for row in rows}
    for table in for_postgresql().tables.values():
        if table.name not in tables:
            yield f"the table {table.name}"
            continue
        yield from _missing_columns(table, found)
        yield from (f"the index {each.name}" for each in table.indexes if not _is_index(each, indexes))
        yield from _missing_rules(table, found)


def _missing_columns(table: Table, found: Inspector) -> Iterator[str]:
    columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
    for each in table.columns:
        if each.name not in columns:
            yield f"the column {table.name}.{each.name}"
        elif columns[each.name] and not each.nullable:
            yield f"the rule NOT NULL of {table.name}.{each.name}"
    if found.get_pk_constraint(table.name)["constrained_columns"] != [each.name for each in table.primary_key]:
        yield f"the primary key of {table.name}"


def _is_index(wanted: Index, definitions: Mapping[str, str]) -> bool:
    """Whether there is such an index: unique where it should be, and of all rows unless it should not be."""
    definition = definitions.get(str(wanted.name), "").upper()
    is_partial = wanted.dialect_options["sqlite"]["where"] is not None
    return (
        definition.startswith("CREATE UNIQUE INDEX" if wanted.unique else "CREATE INDEX")
        and (" WHERE " in definition) is is_partial
    )


def _missing_rules(table: Table, found: Inspector) -> Iterator[str]:
    """Yield the checks and foreign keys that are missing. Checks are compared by name: each has one."""
    checks = {rule["name"] for rule in found.get_check_constraints(table.name)}
    keys = {(*key["constrained_columns"], key["referred_table"]) for key in found.get_foreign_keys(table.name)}
    for each in table.constraints:
        if isinstance(each, CheckConstraint) and str(each.name) not in checks:
            yield f"the rule {each.name} of {table.name}"
        if isinstance(each, ForeignKeyConstraint) and (*each.column_keys, each.referred_table.name) not in keys:
            yield f"the rule {each.name} of {table.name}"


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
