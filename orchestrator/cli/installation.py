"""`keyturn init` and `keyturn vault`: the installation itself."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.cli.arguments import DryRun
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.views import formatting
from states.errors import InvalidInput, KeyturnError

vault = App(name="vault", help="Change the keys of the vault.")


def init(*, context: Given) -> int:
    """Make the folders, settings file, key-encryption key and database.

    Only what is missing is made: safe to repeat.

    ```
    keyturn init
    keyturn init --config /etc/keyturn/keyturn.toml
    ```
    """
    done: list[str] = []
    with context.keyturn(new=True) as keyturn:
        try:
            keyturn.installation.initialise(done.append)
        except KeyturnError as error:
            return context.fail(error, kept=" ".join(done))
        context.out.show({"done": done}, str(keyturn.settings.config_file), [("", sentence) for sentence in done])
        context.out.note("Next: `keyturn setup NAME` (see `keyturn setup --help`).")
    return Exit.FINE


@vault.command
def rewrap(
    new_key_file: Annotated[Path, Parameter(help="The new key, as `openssl rand -base64 32` prints it; mode 0600.")],
    /,
    *,
    dry_run: DryRun = False,
    context: Given,
) -> int:
    """Wrap the data keys with another key-encryption key. No sealed record is touched.

    ```
    openssl rand -base64 32 | install -m 600 /dev/stdin new-key && keyturn vault rewrap new-key
    ```
    """
    if not new_key_file.is_file():
        raise InvalidInput(f"There is no key file {new_key_file}.")
    with context.keyturn() as keyturn:
        keys = keyturn.installation.count_data_keys(new_key_file)
        if dry_run:
            text = f"Would wrap {formatting.count(keys, 'data key')} with the key in {new_key_file}."
            context.out.show({"dry_run": True, "data_keys": keys}, str(keys), [("", text)])
            context.note_unchanged()
            return Exit.FINE
        context.confirm(f"The old key opens nothing after that. Wrap the vault's keys with {new_key_file}?")
        keys = keyturn.installation.rewrap(new_key_file)
        text = f"Wrapped {formatting.count(keys, 'data key')} with the key in {new_key_file}."
        context.out.show({"data_keys": keys}, str(keys), [("", text)])
        context.out.note(
            f"Now let the settings name the new key (vault.file), or replace {keyturn.settings.kek_file} with it."
        )
    return Exit.FINE


@vault.command
def rekey(*, dry_run: DryRun = False, context: Given) -> int:
    """Seal every secret and private key with a new data key, and destroy the old one.

    Workers go on meanwhile. Safe to repeat; a change that was interrupted is continued.

    ```
    keyturn vault rekey
    keyturn vault rekey --yes
    ```
    """
    with context.keyturn() as keyturn:
        if dry_run:
            count = keyturn.rekey.count()
            text = f"Would seal {formatting.count(count, 'record')} with a new data key."
            context.out.show({"dry_run": True, "records": count}, str(count), [("", text)])
            context.out.note("Nothing was changed.")
            return Exit.FINE
        context.confirm("Seal every secret and private key with a new data key, and destroy the old one?")
        done = keyturn.rekey.change()
        sealed = formatting.count(done.records, "record")
        text = f"Sealed {sealed} with data key {done.data_key}. The older ones are destroyed."
        context.out.show(asdict(done), str(done.data_key), [("", text)])
        if not done.is_overwritten:
            context.out.note("The database's files can still have old copies, as its backups do.")
        context.out.note(
            "Old copies open with the key-encryption key of their time. "
            "To make them unreadable, change it (`keyturn vault rewrap NEW_KEY_FILE`), and destroy the old one."
        )
    return Exit.FINE
