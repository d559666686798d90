"""The verbs of administrators: setting up, changing the key-encryption key."""

import os
import platform
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import metadata, resources
from pathlib import Path

from orchestrator.secrets import resealed
from orchestrator.settings import Settings, template
from persistence.kek import create_kek_file, read_kek_file
from persistence.store import Store
from persistence.vault import Vault
from states.errors import InvalidSettings
from states.next_action import by_hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What an installation is."""

    keyturn: str
    commit: str | None
    """The Git commit that it was built from; None where the build did not know it."""
    python: str
    schema: str
    """The newest migration that this Keyturn knows."""
    database: str | None
    """The newest migration that the database has; None where there is no database to read."""


class Installation:
    """What administrators do with the installation itself."""

    def __init__(self, settings: Settings, store: Store, vault: Vault) -> None:
        self._settings = settings
        self._store = store
        self._vault = vault

    def initialise(self, report: Callable[[str], None] = lambda _: None) -> None:
        """Make what is missing of folders, settings file, key-encryption key and database. Safe to repeat.

        ``report`` is called with one sentence for each, once it is done; nothing that exists is replaced. What was done
        before an error is kept.
        """
        settings = self._settings
        report(_folder(settings.config_file.parent, "KEYTURN_CONFIG"))
        report(_folder(settings.data, "KEYTURN_DATA"))
        report(_settings_file(settings.config_file))
        if settings.vault.source == "file":
            report(_kek(settings.kek_file))
        self._migrate(report)
        self._vault.check()
        report("The vault opens.")
        if is_open := open_to_others(settings.private):
            report(f"Close to other users of this machine: {', '.join(map(str, is_open))}.")

    def _migrate(self, report: Callable[[str], None]) -> None:
        taken = self._store.migrate(partial(resealed, self._vault))
        report("The database is ready.")
        if taken and taken.connections:
            report(
                "From now on, Keyturn notices what others write into the database. It took what is stored of these "
                f"connections as it is: {', '.join(taken.connections)}. Look through their settings once."
            )
        if taken and taken.refused:
            report(
                f"It did not take these, whose secrets are missing or do not open: {', '.join(taken.refused)}. Give "
                "all of their settings and secrets again."
            )

    def version(self) -> Version:
        """What this installation is. Never raises because of the database."""
        schema, database = self._store.versions()
        return Version(
            keyturn=metadata.version("keyturn"),
            commit=_commit(),
            python=platform.python_version(),
            schema=schema,
            database=database,
        )

    def check_database(self) -> None:
        """Raise InvalidSettings when there is no database of this version; TryLater when it is away."""
        self._store.check()

    def check(self) -> None:
        """Raise where this process cannot carry rotations: as ``check_database``, VaultLocked, or TryLater where it may
        only read the database.

        Raises InvalidSettings also where an index or a rule of the database is missing: they enforce one open rotation
        per connection, and no save without NetSuite's confirmation. To be called before a rotation is requested or
        resumed only to be parked.
        """
        self._store.verify()
        self._store.check_writable()
        self._vault.check()

    def count_data_keys(self, new_file: Path) -> int:
        """How many data keys ``rewrap`` would wrap with the key in ``new_file``.

        Raises VaultLocked when the present key does not open them, or the new one cannot be read.
        """
        self._vault.check()
        read_kek_file(new_file)
        return len(self._store.secrets.data_keys())

    def rewrap(self, new_file: Path) -> int:
        """Wrap the data keys with the key-encryption key in ``new_file``; return how many they are.

        The sealed records are not touched. From then on the settings must name the new key: the old one opens nothing.
        Raises VaultLocked when the old or the new key cannot be read.
        """
        return self._vault.rewrap(read_kek_file(new_file))


def open_to_others(private: Sequence[Path]) -> list[Path]:
    """Return those of the files and folders that exist and that other users of this machine can read or change."""
    found = []
    for path in private:
        with suppress(OSError):  # it does not exist, or this user cannot look at it
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                found.append(path)
    return found


def _commit() -> str | None:
    """The commit that the wheel's build wrote into it."""
    file = resources.files("orchestrator").joinpath("commit.txt")
    return file.read_text("utf-8").strip() if file.is_file() else None


def _folder(folder: Path, variable: str) -> str:
    try:
        if folder.is_dir():
            return f"The folder {folder} exists."
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise _not_made(f"The folder {folder}", error, variable) from error
    return f"Made the folder {folder}."


def _settings_file(file: Path) -> str:
    try:
        if file.exists():
            return f"The settings file {file} exists."
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:  # follows no link
            made.write(template().encode())
    except OSError as error:
        raise _not_made(f"The settings file {file}", error, "KEYTURN_CONFIG") from error
    return f"Wrote the settings file {file}."


def _not_made(what: str, error: OSError, variable: str) -> InvalidSettings:
    return InvalidSettings(
        f"{what} cannot be made: {error.strerror}.",
        next_action=by_hand(f"Let this user make it, or name another place with the environment variable {variable}."),
    )


def _kek(file: Path) -> str:
    try:
        if file.exists():
            return f"The key-encryption key {file} exists."
    except OSError as error:
        raise _not_made(f"The key-encryption key {file}", error, "KEYTURN_VAULT__FILE") from error
    create_kek_file(file)
    return f"Made the key-encryption key {file}. Keep a copy of it, apart from the database's backup."
