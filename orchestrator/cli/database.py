"""`keyturn db`: the database as a whole."""

import sys
from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.views import formatting

app = App(name="db", help="Move to another database.")
_LONGEST = 10_000
"""Characters of a URL."""


@app.command
def copy(
    *,
    to: Annotated[
        str,
        Parameter(help="The URL of an empty PostgreSQL database, or - for standard input.", allow_leading_hyphen=True),
    ],
    context: Given,
) -> int:
    """Copy everything from SQLite to PostgreSQL, and compare each row.

    Stop all workers, consoles and scheduled runs first. The database that you copy stays as it is, and in use until you
    change the setting `store.url`. Give a URL with a password on standard input: other users see arguments.

    ```
    keyturn db copy --to postgresql://keyturn@db.example.com/keyturn
    keyturn db copy --to - <url-file
    ```
    """
    url = sys.stdin.readline(_LONGEST).strip() if to == "-" else to
    with context.keyturn() as keyturn:
        copied = keyturn.database_copies.copy(url)
    rows = sum(copied.rows.values())
    record = {"database": copied.name, "rows": dict(copied.rows), "entries": copied.entries}
    entries = formatting.count(copied.entries, "entry" if copied.entries == 1 else "entrie")
    context.out.show(
        record,
        copied.name,
        [
            ("copied to", copied.name),
            ("rows", f"{rows}, each the same in both"),
            ("journal", f"{entries} checked there: none was changed"),
        ],
    )
    context.out.note(
        f"Now let the setting store.url name it, on each machine, in {keyturn.settings.config_file}. Then start the "
        "workers. Move the old database away, so that nothing works with it any more."
    )
    return Exit.FINE
