"""Brings the database's tables up to date, and tells whether they are."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as Transaction
from sqlalchemy import text

from persistence.database import Database
from states.errors import InvalidSettings, TryLater

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = text("SELECT pg_advisory_xact_lock(7120231123)")
"""The number is only Keyturn's own; whoever comes second waits, and finds nothing left to do."""


def migrate(database: Database) -> None:
    """Apply every migration that is missing, in one transaction: all of them, or none."""
    database.make_file()
    with database.writing() as tx:
        if not database.is_sqlite:
            tx.execute(_LOCK)
        command.upgrade(config(tx), "head")


def check(database: Database) -> None:
    """Raise InvalidSettings unless the database can be reached and has every migration, and no other."""
    try:
        with database.reading() as tx:
            applied = set(MigrationContext.configure(tx).get_current_heads())
            scripts = ScriptDirectory.from_config(config(tx))
    except TryLater as error:
        raise InvalidSettings(
            error.message, next_action="Make the database with `keyturn init`, or correct the setting `store.url`."
        ) from error
    if applied == set(scripts.get_heads()):
        return
    if applied <= {script.revision for script in scripts.walk_revisions()}:
        raise InvalidSettings(
            f"The database {database.name} lacks tables or columns of this Keyturn.",
            next_action="Back it up, then run `keyturn init`, which keeps what is there.",
        )
    raise InvalidSettings(
        f"The database {database.name} was made by a newer Keyturn.",
        next_action="Install that version, or restore a backup from before the upgrade.",
    )


def config(tx: Transaction) -> Config:
    """Alembic's configuration, for work within ``tx``."""
    settings = Config()
    settings.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    settings.attributes["connection"] = tx
    return settings
