"""`keyturn version`: what is installed."""

from dataclasses import asdict

from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.views import formatting


def version(*, context: Given) -> int:
    """Show the version, the commit it was built from, Python's version and the database's schema.

    `keyturn --version` prints only the version, and reads nothing.

    ```
    keyturn version
    keyturn version -o json
    ```
    """
    with context.keyturn(any_database=True) as keyturn:
        shown = keyturn.installation.version()
    rows = [
        ("keyturn", shown.keyturn),
        ("commit", shown.commit or formatting.NOTHING),
        ("Python", shown.python),
        ("schema", shown.schema),
        ("database", shown.database or "none that can be read"),
    ]
    context.out.show(asdict(shown), shown.keyturn, rows)
    return Exit.FINE
