"""Brings the database's tables up to date, and checks whether they are.

Alembic is imported where it is used: a worker only checks, and saves its eight megabytes.
"""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import inspect, text

from persistence.database import Database
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


def migrate(database: Database) -> None:
    """Apply every migration that is missing, in one transaction: all of them, or none."""
    from alembic import command  # noqa: PLC0415 - see above

    database.make_file()
    with _TURN, database.writing() as tx:
        if not database.is_sqlite:
            tx.execute(_LOCK)
        command.upgrade(config(tx), "head")


def check(database: Database) -> None:
    """Raise InvalidSettings unless the database is there, and its newest migration is the newest there is; TryLater
    when it is away.
    """
    try:
        with database.reading() as tx:
            applied = tx.execute(_APPLIED).scalar() if inspect(tx).has_table("alembic_version") else None
    except TryLater as error:
        if database.is_missing(error):
            correct = by_hand("Correct the setting store.url instead.")
            raise InvalidSettings(
                error.message, next_action=NextAction(Verb.INIT, then=REPEAT, alternatives=(correct,))
            ) from error
        error.next_action = by_hand("Make sure that the database is up, and that this user may write to it.")
        raise
    known = revisions()
    if applied == known[-1]:
        return
    if applied is None or applied in known:
        raise InvalidSettings(
            f"The database {database.name} lacks tables, columns or indexes of this Keyturn.",
            next_action=by_hand("Back it up.", NextAction(Verb.INIT, then=REPEAT)),
        )
    raise InvalidSettings(
        f"The database {database.name} was made by a newer Keyturn.",
        next_action=by_hand("Install that version, or restore a backup from before the upgrade."),
    )


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
