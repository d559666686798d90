"""`keyturn backup`: a copy of the database that is whole."""

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from orchestrator.bootstrap import Keyturn
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.views import formatting


def backup(
    file: Annotated[Path, Parameter(help="The file to make. None is overwritten.")],
    /,
    *,
    context: Given,
) -> int:
    """Copy the database into a file while workers are at work, and check the copy.

    For SQLite; on PostgreSQL it prints the command that does the same. The copy's journal is checked with the vault's
    key. The copy does not have that key: keep one elsewhere.

    ```
    keyturn backup /mnt/backups/keyturn-2026-11-27.db
    ```
    """
    with context.keyturn(any_database=True) as keyturn:
        made = keyturn.backups.make(file)
        without = _without(keyturn)
    checked = (
        f"{formatting.count(made.entries, 'entry' if made.entries == 1 else 'entrie')} of the journal: none was changed"
        if made.entries is not None
        else "whole; its journal was not checked, because its tables are of an earlier Keyturn"
    )
    record = {"file": str(made.file), "bytes": made.size, "schema": made.schema, "entries": made.entries}
    size = f"{made.size / 1_000_000:.1f} MB"
    context.out.show(record, str(made.file), [("backup", str(made.file)), ("size", size), ("checked", checked)])
    context.out.note(f"It does not have {without}. Without that key no one can open it: keep a copy elsewhere.")
    return Exit.FINE


def _without(keyturn: Keyturn) -> str:
    """What the backup lacks, and where that is."""
    settings = keyturn.settings
    key = {
        "file": f"the key-encryption key {shlex.quote(str(settings.kek_file))}",
        "environment": "the key-encryption key of the variable KEYTURN_KEK",
        "credential": "the key-encryption key of systemd's credential keyturn-kek",
        "keyring": "the key-encryption key of the keyring",
    }[settings.vault.source]
    return f"the settings {shlex.quote(str(settings.config_file))} and {key}"
