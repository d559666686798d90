"""The tables of Procrastinate, which carry hints between machines: on PostgreSQL, in a schema of their own.

The schema is named after Keyturn's, with ``_queue`` at its end, so that two Keyturns in one database do not share one.
Its comment says which version of Procrastinate's tables it has. Procrastinate itself is not imported: it is an extra.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import text

_FOLDER: Final = Path(__file__).parent / "migrations" / "procrastinate"
VERSIONS: Final = ("3.10.0",)
"""The versions of Procrastinate whose tables Keyturn has had, in order. The file of the first one makes the tables, and
that of each later one has what Procrastinate's own migrations change since the one before. To add a version, add its
file, its name here, and a migration that calls ``bring_up_to_date``."""

AS_QUEUE: Final = text(
    "SELECT set_config('search_path', concat_ws(', ', quote_ident(current_schema() || '_queue'),"
    " quote_ident(current_schema()), 'pg_temp'), true)"
)
"""Lets this transaction find Procrastinate's tables, and Keyturn's after them. Its functions name no schema."""
_FOUND: Final = text(
    "SELECT to_regnamespace(quote_ident(current_schema() || '_queue')) IS NOT NULL AS is_there,"
    " has_database_privilege(current_database(), 'CREATE') AS may_be_made,"
    " has_schema_privilege(to_regnamespace(quote_ident(current_schema() || '_queue')), 'USAGE') AS may_be_used,"
    " obj_description(to_regnamespace(quote_ident(current_schema() || '_queue')), 'pg_namespace') AS version,"
    " current_setting('search_path') AS search_path, quote_ident(current_schema() || '_queue') AS name"
)
_SET_PATH: Final = text("SELECT set_config('search_path', :path, true)")


def bring_up_to_date(tx: Transaction) -> None:
    """Make the schema and its tables, or bring them up to date; nothing on SQLite. Safe to repeat.

    Nothing is made where this role may not make a schema: the workers find their work without hints, a second later.
    """
    if tx.dialect.name == "sqlite":
        return
    found = tx.execute(_FOUND).one()
    if not (found.is_there or found.may_be_made):
        return
    if not found.is_there:
        tx.exec_driver_sql(f"CREATE SCHEMA {found.name}")
    missing = VERSIONS[VERSIONS.index(found.version) + 1 :] if found.version in VERSIONS else VERSIONS
    if not missing:
        return
    tx.execute(_SET_PATH, {"path": f"{found.name}, pg_temp"})
    for version in missing:
        _run(tx, (_FOLDER / f"{version}.sql").read_bytes())
    tx.exec_driver_sql(f"COMMENT ON SCHEMA {found.name} IS '{missing[-1]}'")
    tx.execute(_SET_PATH, {"path": found.search_path})


def version(tx: Transaction) -> str | None:
    """Return the version of Procrastinate that the tables are of; None without tables that this role may use."""
    found = tx.execute(_FOUND).one()
    return found.version if found.may_be_used else None


def _run(tx: Transaction, script: bytes) -> None:
    """Run many statements at once, with nothing in them taken for a parameter."""
    driver = tx.connection.driver_connection
    assert driver
    driver.cursor().execute(script)
