"""Drafts the next migration: ``python -m persistence.migrations "what it is for"``. Read it before you keep it."""

import sys
import tempfile
from pathlib import Path

from alembic import command

from persistence import schema
from persistence.database import Database


def draft(message: str) -> None:
    """Write a migration that does what the tables in models.py have and the migrations so far have not."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'draft.db'}")
        database.make_file()
        with database.writing() as tx:
            command.upgrade(schema.config(tx), "head")
        with database.writing() as tx:
            number = int(schema.revisions()[-1]) + 1
            command.revision(schema.config(tx), message, autogenerate=True, rev_id=f"{number:04}")
        database.close()


if __name__ == "__main__":
    draft(sys.argv[1])
