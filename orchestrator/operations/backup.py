"""Backing up the database, and checking the copy."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.operations.journal import JournalChecks
from persistence.kek import KeyEncryptionKey
from persistence.store import Store
from states.errors import InvalidInput
from states.next_action import NextAction, Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A copy of the database that was checked."""

    file: Path
    size: int
    """Bytes."""
    schema: str
    """The newest migration of its tables."""
    entries: int | None
    """How many entries of the journal were checked; None where its tables are older than this Keyturn's."""


class Backups:
    """Backs up the database, also while workers are at work."""

    def __init__(self, store: Store, kek: Callable[[], KeyEncryptionKey]) -> None:
        self._store = store
        self._kek = kek

    def make(self, file: Path) -> Backup:
        """Copy SQLite's database into ``file``, and check the copy: its pages, and the journal with the vault's key.

        ``file`` appears once it is whole, checked and on the disk, with mode 0600. Tables of an earlier Keyturn are
        copied too, without a check of the journal: a backup comes before an upgrade.

        Raises:
            InvalidInput: ``file`` exists or cannot be made; or the database is PostgreSQL.
            InvalidSettings: there is no database, a newer Keyturn's, or a damaged one.
            JournalBroken, VaultLocked, SealBroken: the copy's journal does not hold, or cannot be checked.
            TryLater: the database is unavailable, or there is no room.

        """
        if not self._store.is_sqlite:
            raise InvalidInput(
                "PostgreSQL is backed up by its own program, also while workers are at work.",
                next_action=NextAction(Verb.DUMP_POSTGRESQL, {"url": self._store.url, "file": str(file)}),
            )
        known, schema = self._store.versions()
        if schema is None or schema > known:
            self._store.check()  # raises
        with self._store.copied(file) as made:
            entries = self._check(made) if schema == known else None
            size = made.stat().st_size
        return Backup(file=file, size=size, schema=schema or known, entries=entries)

    def _check(self, made: Path) -> int:
        copy = Store(f"sqlite:///{made.resolve()}", self._kek)
        try:
            return JournalChecks(copy).verify().entries
        finally:
            copy.close()
