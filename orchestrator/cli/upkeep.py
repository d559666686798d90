"""`keyturn init`, `keyturn journal` and `keyturn vault`: the installation itself."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.cli import words
from orchestrator.cli.arguments import AnyRotation, DryRun
from orchestrator.cli.exits import Exit
from orchestrator.cli.session import Given
from states.errors import InvalidInput

journal = App(name="journal", help="Check that no journal was changed after it was written.")
vault = App(name="vault", help="Change the key-encryption key.")


def init(*, session: Given) -> int:
    """Make folders, settings file, key-encryption key and database, whatever is missing. Safe to repeat."""
    with session.keyturn(new=True) as app:
        done = app.upkeep.initialise()
        session.out.show({"done": done}, str(app.settings.config_file), [("", sentence) for sentence in done])
        session.out.note("Next: `keyturn connection add NAME …` (see `keyturn connection add --help`).")
    return Exit.FINE


@journal.command(name="verify")
def verify_journal(rotation: AnyRotation = None, /, *, session: Given) -> int:
    """Check the hash chain of one rotation's journal, or of all. Exits with 1 when an entry was changed."""
    with session.keyturn() as app:
        entries = app.upkeep.verify_journal(rotation)
    told = f"{words.count(entries, 'entry' if entries == 1 else 'entrie')} checked: the journal is as it was written."
    session.out.show({"entries": entries, "intact": True}, str(entries), [("", told)])
    return Exit.FINE


@vault.command
def rewrap(
    new_key_file: Annotated[Path, Parameter(help="The new key, as `openssl rand -base64 32` prints it; mode 0600.")],
    /,
    *,
    dry_run: DryRun = False,
    session: Given,
) -> int:
    """Wrap the data keys anew with another key-encryption key. No sealed record is touched."""
    if not new_key_file.is_file():
        raise InvalidInput(f"There is no key file {new_key_file}.")
    with session.keyturn() as app:
        app.vault.check()
        if dry_run:
            keys = len(app.store.data_keys())
            told = f"Would wrap {words.count(keys, 'data key')} anew with the key in {new_key_file}."
            session.out.show({"dry_run": True, "data_keys": keys}, str(keys), [("", told)])
            session.out.note("Nothing was changed.")
            return Exit.FINE
        session.confirm(f"From then on the old key opens nothing. Wrap the vault's keys with {new_key_file}?")
        keys = app.upkeep.rewrap(new_key_file)
        told = f"Wrapped {words.count(keys, 'data key')} anew with the key in {new_key_file}."
        session.out.show({"data_keys": keys}, str(keys), [("", told)])
        session.out.note(
            f"Now let the settings name the new key (vault.file), or replace {app.settings.kek_file} by it."
        )
    return Exit.FINE
