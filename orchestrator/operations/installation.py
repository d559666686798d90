"""The verbs of whoever looks after the installation: setting up, checking the journal, changing the key."""

import os
from pathlib import Path
from typing import Final

from orchestrator.settings import Settings
from persistence.kek import create_kek_file, read_kek_file
from persistence.store import Store
from persistence.vault import Vault
from states.errors import InvalidSettings

_SETTINGS_FILE: Final = """\
# Keyturn's settings. Every value has a default; what is commented out shows it.
# Each can be overridden by an environment variable, such as KEYTURN_STORE__URL.

[store]
# url = ""                  # empty: SQLite in the data folder; or postgresql://…

[vault]
# source = "file"           # file, environment (KEYTURN_KEK), credential (systemd) or keyring
# file = "kek"              # beside this file; keep it out of the database's backup

[worker]
# threads = 2
# lease = 15.0              # seconds after which a silent worker is taken for dead
# poll = 1.0                # seconds between two looks for work

[http]
# timeout = 20.0            # seconds for a whole call
# ca_bundle = ""            # certification authorities instead of the usual ones

[log]
# level = "info"            # debug, info, warning, error
# format = "auto"           # auto (text on a terminal, JSON elsewhere), json, text

[export]
# folder = ""               # where certificates are handed over; default: export in the data folder
"""


class Installation:
    """What keeps the installation itself in order."""

    def __init__(self, settings: Settings, store: Store, vault: Vault) -> None:
        self._settings = settings
        self._store = store
        self._vault = vault

    def initialise(self) -> list[str]:
        """Make whatever is missing: folders, settings file, key-encryption key, database. Safe to repeat.

        Returns one sentence for each thing; nothing that exists is replaced.
        """
        settings = self._settings
        done = [_folder(settings.config_file.parent), _folder(settings.data), _settings_file(settings.config_file)]
        if settings.vault.source == "file":
            done.append(_kek(settings.kek_file))
        self._store.migrate()
        done.append("The database is ready.")
        self._vault.check()
        done.append("The vault opens.")
        return done

    def check_database(self) -> None:
        """Raise InvalidSettings when there is no database of this version; TryLater when it is away."""
        self._store.check()

    def check(self) -> None:
        """Raise where this process cannot carry rotations: as ``check_database``, or VaultLocked.

        To be called before a rotation is requested or resumed only to be parked.
        """
        self._store.check()
        self._vault.check()

    def verify_journal(self, rotation_id: str | None = None) -> int:
        """Check the hash chain of one rotation's journal, or of all; return how many entries were checked.

        Raises JournalBroken naming the first entry that was changed.
        """
        full = self._store.rotations.get(rotation_id).id if rotation_id else None
        return self._store.journal.verify(full)

    def count_data_keys(self) -> int:
        """How many data keys ``rewrap`` would wrap. Raises VaultLocked when the present key does not open them."""
        self._vault.check()
        return len(self._store.secrets.data_keys())

    def rewrap(self, new_file: Path) -> int:
        """Wrap the data keys anew with the key-encryption key in ``new_file``; return how many there were.

        The sealed records are not touched. From then on the settings must name the new key; the old one opens nothing.
        Raises VaultLocked when the old or the new key cannot be read.
        """
        return self._vault.rewrap(read_kek_file(new_file))


def _folder(folder: Path) -> str:
    if folder.is_dir():
        return f"The folder {folder} is there."
    folder.mkdir(mode=0o700, parents=True)
    return f"Made the folder {folder}."


def _settings_file(file: Path) -> str:
    if file.exists():
        return f"The settings file {file} is there."
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:  # follows no link
            made.write(_SETTINGS_FILE)
    except OSError as error:
        raise InvalidSettings(f"The settings file {file} cannot be written: {error.strerror}.") from error
    return f"Wrote the settings file {file}."


def _kek(file: Path) -> str:
    if file.exists():
        return f"The key-encryption key {file} is there."
    create_kek_file(file)
    return f"Made the key-encryption key {file}. Keep a copy of it apart from the database's backup."
