"""The store: where Keyturn remembers. SQLite by default, PostgreSQL by URL.

Every transaction begins and ends in a method of one of its rooms, and none of them contains a remote call.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import select

from persistence import database_copy, journal_upgrade, schema, sqlite_copy, upgrade
from persistence.accounts import Accounts
from persistence.alerts import Alerts
from persistence.announcements import Announcements
from persistence.attempts import Attempts
from persistence.changes import Changes
from persistence.checkpoints import Checkpoints
from persistence.claims import Claim, Claims
from persistence.clock import database_now
from persistence.connections import Connections
from persistence.database import Database
from persistence.deadlines import Deadlines
from persistence.hints import Hints
from persistence.journal_check import Journal
from persistence.kek import KeyEncryptionKey
from persistence.monitoring import Monitoring
from persistence.openid import OpenIdRequests, OpenIdSessions
from persistence.rotations import Rotations
from persistence.saved_views import SavedViews
from persistence.secrets import Secrets
from persistence.sessions import Sessions
from persistence.silences import Silences
from persistence.tokens import Tokens
from persistence.upgrade import Authenticated, Reseal, as_it_was
from persistence.vault import Vault
from persistence.workers import Held, Presence, Role, Worker, Workers

__all__ = ["Claim", "Held", "Presence", "Role", "Store", "Worker"]

_NOW: Final = select(database_now())


class Store:
    """The one door to the database, divided into rooms; safe to share between threads.

    Any method of a room may raise TryLater when the database is unavailable or busy and nothing was changed. A method
    that writes may raise Unknown when the database went away during the commit.
    """

    def __init__(self, url: str, kek: Callable[[], KeyEncryptionKey]) -> None:
        """Args:
            url: ``sqlite:///PATH`` or ``postgresql://…``; opened on first use.
            kek: reads the key-encryption key; called when the vault first seals, opens or authenticates.

        Raises:
            InvalidSettings: for any other URL.

        """
        self._database = Database(url)
        self.secrets = Secrets(self._database)
        self.vault = Vault(self.secrets, kek)
        self.rotations = Rotations(self._database, self.vault)
        self.claims = Claims(self._database, self.vault)
        self.connections = Connections(self._database, self.vault)
        self.deadlines = Deadlines(self._database)
        self.journal = Journal(self._database, self.vault)
        self.checkpoints = Checkpoints(self._database, self.vault)
        self.tokens = Tokens(self._database, self.vault)
        self.accounts = Accounts(self._database, self.vault)
        self.sessions = Sessions(self._database, self.vault)
        self.openid_sessions = OpenIdSessions(self._database, self.vault)
        self.openid_requests = OpenIdRequests(self._database, self.vault)
        self.attempts = Attempts(self._database)
        self.alerts = Alerts(self._database, self.vault)
        self.silences = Silences(self._database, self.vault)
        self.monitoring = Monitoring(self._database)
        self.saved_views = SavedViews(self._database)
        # With connections of its own: presence neither waits for a worker's transaction nor takes its connection, nor
        # do hints, which say that something was committed.
        self._of_workers = Database(url)
        self.workers = Workers(self._of_workers)
        self.hints = Hints(self._of_workers)

    def changes(self) -> Changes:
        """Return a new look-out for changes of the database, for one thread; the caller closes it."""
        return Changes(self._database)

    def announcements(self) -> Announcements:
        """Return what announces this store's commits to the watchers of other processes; one is enough."""
        return Announcements(self._database)

    @property
    def name(self) -> str:
        """What a message calls the database: the file, or the URL without its password."""
        return self._database.name

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite's file."""
        return self._database.is_sqlite

    @property
    def url(self) -> str:
        """The database's URL without its passwords, as PostgreSQL's own programs take it."""
        return self._database.url

    def copied(self, file: Path) -> AbstractContextManager[Path]:
        """Copy SQLite's database into ``file``, as `sqlite_copy.copied` says."""
        return sqlite_copy.copied(self._database, file)

    def ensure_empty(self) -> None:
        """Raise AlreadyExists where a table of Keyturn's has a row, in a database of any version or none."""
        database_copy.ensure_empty(self._database)

    def copy_to(self, other: "Store") -> dict[str, int]:
        """Copy every row of SQLite's database into PostgreSQL's, as `database_copy.copy` says."""
        return database_copy.copy(self._database, other._database)  # noqa: SLF001 - of this class, too

    @property
    def has_written(self) -> bool:
        """Whether a transaction of this store was committed, or may have been; those about workers aside."""
        return self._database.has_written

    def migrate(self, reseal: Reseal = as_it_was) -> Authenticated | None:
        """Create the database, or bring it up to date. Safe to repeat, and to run on several machines at once.

        Args:
            reseal: seals the secrets of an earlier Keyturn for their hosts.

        Returns:
            What it authenticated, in a database of a Keyturn that authenticated nothing.

        Raises:
            VaultLocked, SealBroken: for a database of a Keyturn that authenticated less than this one.

        """
        before = schema.before_migrating(self._database)
        if journal_upgrade.is_wanted(before) or upgrade.is_wanted(before):
            self.vault.unlock()  # before the transaction: making the first data key is one of its own
        authenticated: Authenticated | None = None

        def authenticate(tx: Transaction, before: str | None) -> None:
            nonlocal authenticated
            if journal_upgrade.is_wanted(before):
                journal_upgrade.authenticate(tx, self.vault)
            if upgrade.is_wanted(before):  # after the journal, whose end a rotation's code covers
                authenticated = upgrade.authenticate(tx, self.vault, reseal)

        schema.migrate(self._database, authenticate)
        return authenticated

    def check(self) -> None:
        """Raise InvalidSettings when there is no such database, or it is older or newer than this Keyturn."""
        schema.check(self._database)

    def verify(self) -> None:
        """Raise InvalidSettings as ``check`` does, and where a table, a column, an index or a rule is missing."""
        schema.verify(self._database)

    def versions(self) -> tuple[str, str | None]:
        """Return the newest migration of this Keyturn, and the database's; None where there is no database to read."""
        return schema.revisions()[-1], schema.applied(self._database)

    def check_writable(self) -> None:
        """Raise TryLater where SQLite's file may only be read. Writes nothing."""
        schema.check_writable(self._database)

    def overwrite_erased(self) -> bool:
        """Overwrite in SQLite's files what was erased; return False where some of it can be left, as on PostgreSQL.

        Safe to repeat. Raises TryLater when the database is unavailable.
        """
        return self._database.truncate_log()

    def close(self) -> None:
        """Close every connection to the database. Safe to repeat."""
        self._database.close()
        self._of_workers.close()

    def now(self) -> datetime:
        """Return the database's clock (UTC), the one by which leases are judged."""
        with self._database.reading() as tx:
            return tx.execute(_NOW).scalar_one()
