"""Moving the installation from SQLite to PostgreSQL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.operations.journal import JournalChecks
from persistence.kek import KeyEncryptionKey
from persistence.store import Store
from states.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A copy of the whole database in another one."""

    name: str
    """What a message calls the other database: its URL without the password."""
    rows: Mapping[str, int]
    """How many rows were copied and compared, by table."""
    entries: int
    """How many entries of the journal were checked there with the vault's key."""


class DatabaseCopies:
    """Copies the database into another one."""

    def __init__(self, store: Store, kek: Callable[[], KeyEncryptionKey]) -> None:
        self._store = store
        self._kek = kek

    def copy(self, url: str) -> Copied:
        """Copy SQLite's database into the empty PostgreSQL database of ``url``, whose tables are made; check both.

        Not while workers are at work. The settings name the same database as before afterwards.

        Raises:
            InvalidInput: this database is not SQLite, or the other one is not PostgreSQL.
            InvalidSettings: a ``url`` that cannot be used, or a row that is not the same there.
            AlreadyExists: the other database has rows.
            TryLater: workers are at work, or one of the databases is unavailable.
            JournalBroken, VaultLocked, SealBroken: a journal does not hold, or cannot be checked.

        """
        other = Store(url, self._kek)
        try:
            if not self._store.is_sqlite or other.is_sqlite:
                raise InvalidInput("Keyturn copies a database from SQLite to PostgreSQL only.")
            other.ensure_empty()  # before its tables are brought up to date
            JournalChecks(self._store).verify()
            self._store.workers.end_dead("")
            other.migrate()
            rows = self._store.copy_to(other)
            return Copied(name=other.name, rows=rows, entries=JournalChecks(other).verify().entries)
        finally:
            other.close()
