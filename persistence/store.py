"""The store: every transaction begins and ends here, and none of them holds a remote call.

The statements are in the modules beside this one, by what they are about. SQLite by default, PostgreSQL by URL.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import select

from persistence import claims, clock_repair, connections, journal_check, rotation_writes, rotations, schema, secrets
from persistence.claims import Claim
from persistence.clock import database_now
from persistence.database import Database
from persistence.journal import Entry
from persistence.vault import WrappedKey
from states.certificate import Certificate
from states.connection import Connection
from states.rotation import Candidate, Rotation
from states.state import State

__all__ = ["Claim", "Store"]

_NOW: Final = select(database_now())
_NO_SECRETS: Final[Mapping[str, bytes]] = {}


class Rotations:
    """Rotations: requested, read, moved."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(self, connection: str, make: rotation_writes.Make) -> Rotation:
        """Store the new rotation that ``make`` makes for the connection as it stands, and its first journal entry.

        While a write of the rotation before may still take effect, the new one is not available, and says so in
        ``waiting_for``. Returns it as it was stored. Raises NotFound without such a connection, RotationOpen while it
        has an open rotation.
        """
        with self._database.writing() as tx:
            rotation, _ = rotation_writes.add(tx, connection, make, worker=None, lease=0)
        return rotation

    def request_for(
        self, worker: str, connection: str, make: rotation_writes.Make, *, lease: float
    ) -> tuple[Rotation, Claim | None]:
        """Like `request`, and claims the new rotation for ``worker`` in the same transaction, if it is available."""
        with self._database.writing() as tx:
            return rotation_writes.add(tx, connection, make, worker=worker, lease=lease)

    def get(self, rotation_id: str) -> Rotation:
        """The rotation with this id, or the only one whose id begins with these six characters or more.

        Raises NotFound.
        """
        with self._database.reading() as tx:
            return rotations.one(tx, rotation_id)

    def newest(
        self, *, connection: str | None = None, states: Collection[State] = (), limit: int = 50
    ) -> list[Rotation]:
        """The newest rotations first: of one connection or all, in these states or any."""
        with self._database.reading() as tx:
            return rotations.newest(tx, connection, states, limit)

    def kept_key(self, certificate: Certificate) -> tuple[str, Candidate] | None:
        """The id of the rotation that made ``certificate``, and what it made; None without its key."""
        with self._database.reading() as tx:
            return rotations.kept(tx, certificate)

    def open_for(self, connection: str) -> Rotation | None:
        """The connection's open rotation, under way or parked, or None."""
        with self._database.reading() as tx:
            return rotations.open_one(tx, connection)

    def all_open(self) -> list[Rotation]:
        """Every open rotation, under way or parked, the oldest first: one for each connection at most."""
        with self._database.reading() as tx:
            return rotations.open_ones(tx)

    def advance(
        self,
        claim: Claim,
        after: Rotation,
        *,
        event: str,
        detail: Mapping[str, object],
        lease: float = 0,
        due_at: datetime | None = None,
        confirmed: str | None = None,
    ) -> Claim:
        """Store what a step brought, and its journal entry: compare and set on version and fencing token.

        ``event`` is the move's trigger, or a note that leaves the state as it is. ``lease`` above 0 holds the claim for
        so many more seconds, 0 gives it back. A new candidate is kept with its sealed key. Completed makes the
        candidate the connection's current certificate, due for rotation at ``due_at``, and destroys its predecessor's
        key, and its own unless the policy keeps it. Closed without being Completed, its candidate's key is destroyed.
        ``confirmed`` is the fingerprint of the stored certificate that OpenAir holds, as the claim's holder says.

        Raises Stale when another worker has the rotation, IllegalMove when the database refuses the move.
        """
        with self._database.writing() as tx:
            advanced = rotation_writes.advance(tx, claim, after, event=event, detail=detail, lease=lease, due_at=due_at)
            if confirmed:
                connections.confirm(tx, after.connection, confirmed, by=claim.worker, at=after.updated_at)
            return advanced

    def write(
        self,
        before: Rotation,
        after: Rotation,
        *,
        event: str,
        actor: str,
        detail: Mapping[str, object],
        adopted: Certificate | None = None,
        due_at: datetime | None = None,
        confirmed: str | None = None,
    ) -> Rotation:
        """Store what a person decided, and its journal entry: compare and set on version; return what was stored.

        Closing the rotation destroys its candidate's key. A certificate that is ``adopted`` with that becomes the
        connection's current one, due for rotation at ``due_at``; its predecessor's key is destroyed. ``confirmed`` is
        the fingerprint of the stored certificate that OpenAir holds, as ``actor`` says.

        Raises Stale when a worker holds the rotation or it was changed since ``before`` was read, IllegalMove when the
        database refuses the move, NotFound.
        """
        with self._database.writing() as tx:
            written = rotation_writes.write(
                tx, before, after, event=event, actor=actor, detail=detail, adopted=adopted, due_at=due_at
            )
            if confirmed:
                connections.confirm(tx, after.connection, confirmed, by=actor, at=after.updated_at)
            return written


class Claims:
    """Who holds which rotation, and until when."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, worker: str, *, lease: float, now: datetime, rotation_id: str | None = None) -> Claim | None:
        """Claim the next rotation for ``lease`` seconds, or that one, or return None when there is none to claim.

        Claimable is what has something left to do, is available by ``now``, and that no worker holds by the database's
        clock. UploadedToNetSuite goes first, then whatever has been available longest. Taken over from a worker whose
        lease ran out, the rotation is in doubt since that worker's last write.
        """
        with self._database.writing() as tx:
            return claims.claim(tx, worker, lease=lease, now=now, rotation_id=rotation_id)

    def repair_clocks(self, now: datetime) -> int:
        """Bring back what a clock that was ahead put out of reach; return how many rotations that were.

        What a lost worker held is available at once. What was put off for hours is available in three minutes, when
        what may be in flight has landed; nor does a parked rotation wait longer for what was sent. Leases of hours run
        out. ``now`` is the caller's clock; where the database's is later, that one tells what is too far ahead. Safe to
        repeat, and on several machines at once.
        """
        with self._database.writing() as tx:
            return clock_repair.bring_back(tx, now)

    def hold(self, worker: str, parked: Rotation, *, lease: float) -> Claim:
        """Hold a parked rotation for ``lease`` seconds: until then nobody resumes or closes it.

        Nothing is noted, and nothing is in doubt when the lease runs out: whoever holds it notes what it is about to
        send. Raises Stale when somebody else holds it or it was changed since ``parked`` was read, IllegalMove for one
        that is not parked, NotFound.
        """
        with self._database.writing() as tx:
            return rotation_writes.hold(tx, worker, parked, lease=lease)

    def ensure_held(self, claim: Claim) -> None:
        """Raise Stale when another worker has the rotation. Nothing is written."""
        with self._database.glancing() as tx:
            claims.ensure_held(tx, claim)

    def renew(self, claim: Claim, *, lease: float) -> None:
        """Hold the claim for another ``lease`` seconds. Raises Stale when another worker has the rotation."""
        with self._database.writing() as tx:
            claims.renew(tx, claim, lease=lease)

    def release(self, claim: Claim) -> None:
        """Give the rotation back with nothing in doubt. Raises Stale when another worker has it."""
        with self._database.writing() as tx:
            claims.release(tx, claim)


class Connections:
    """The connections and what is known of their certificates."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, connection: Connection, sealed: Mapping[str, bytes] = _NO_SECRETS) -> Connection:
        """Store a new connection, which has no certificate yet, with its sealed secrets.

        Raises AlreadyExists where there is one of that name, for that NetSuite account, or for that place in OpenAir.
        """
        with self._database.writing() as tx:
            return connections.add(tx, connection, sealed)

    def save(self, connection: Connection, sealed: Mapping[str, bytes] = _NO_SECRETS) -> Connection:
        """Store changed settings, options, policy and bundles, and whatever sealed secrets are given anew.

        Its current certificate and due moment are not touched: completing a rotation sets those. Raises NotFound,
        AlreadyExists where another connection has that NetSuite account or that place in OpenAir, RotationOpen where an
        open rotation does not allow it to go elsewhere (states.connection_changes), and Stale when the connection is
        not at ``connection.version`` any more.
        """
        with self._database.writing() as tx:
            return connections.save(tx, connection, sealed)

    def get(self, name: str) -> Connection:
        """The connection of this name. Raises NotFound."""
        with self._database.reading() as tx:
            return connections.one(tx, name)

    def all(self) -> list[Connection]:
        """Every connection, by name."""
        with self._database.reading() as tx:
            return connections.every(tx)

    def due(self, now: datetime, limit: int) -> list[str]:
        """Up to ``limit`` names of connections to rotate: automatic, due by ``now``, none open; longest due first."""
        with self._database.reading() as tx:
            return connections.due(tx, now, limit)

    def confirmed_export(self, connection: str) -> Certificate | None:
        """The certificate that a person confirmed last, or None."""
        with self._database.reading() as tx:
            return connections.confirmed(tx, connection)


class Journal:
    """What happened to each rotation, as a hash chain."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, rotation_id: str) -> list[Entry]:
        """The rotation's journal, in order; empty where there is no such rotation."""
        with self._database.reading() as tx:
            return journal_check.entries(tx, rotation_id)

    def verify(self, rotation_id: str | None = None) -> int:
        """Check the hash chain of one rotation's journal, or of all; return how many entries were checked.

        Raises JournalBroken naming the first entry or rotation that is not as it was written.
        """
        with self._database.reading() as tx:
            return journal_check.check(tx, rotation_id)


class Secrets:
    """Secrets and data keys, as the vault sealed them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, connection: str, name: str) -> tuple[bytes, int] | None:
        """A connection's secret as the vault sealed it, and its version; or None."""
        with self._database.reading() as tx:
            return secrets.get(tx, connection, name)

    def put(self, connection: str, name: str, sealed_secret: bytes, *, version: int | None) -> int:
        """Set a sealed secret, whatever was there, or with ``version`` only that one; return the new version.

        Raises NotFound without such a connection, Stale when somebody else replaced that version first.
        """
        with self._database.writing() as tx:
            return secrets.put(tx, connection, name, sealed_secret, version=version)

    def data_keys(self) -> list[WrappedKey]:
        """The vault's wrapped data keys."""
        with self._database.reading() as tx:
            return secrets.keys(tx)

    def add_data_key(self, key: WrappedKey) -> WrappedKey:
        """Keep a wrapped data key, unless there is one of that id already; return the one that is kept."""
        with self._database.writing() as tx:
            return secrets.add_key(tx, key)

    def rewrap(self, change: Callable[[WrappedKey], WrappedKey]) -> int:
        """Replace every wrapped data key by what ``change`` makes of it, all or none; return how many there are."""
        with self._database.writing() as tx:
            return secrets.rewrap(tx, change)


class Store:
    """The one door to what is remembered, divided into rooms; safe to share between threads.

    Any method may raise TryLater when the database is unavailable or busy and nothing was changed; a writing method
    may raise Unknown when the database went away during the commit.
    """

    def __init__(self, url: str) -> None:
        """Args:
            url: ``sqlite:///PATH`` or ``postgresql://…``; opened on first use.

        Raises:
            InvalidSettings: for any other URL.

        """
        self._database = Database(url)
        self.rotations = Rotations(self._database)
        self.claims = Claims(self._database)
        self.connections = Connections(self._database)
        self.journal = Journal(self._database)
        self.secrets = Secrets(self._database)

    def migrate(self) -> None:
        """Make the database, or bring it up to date. Safe to repeat, and on several machines at once."""
        schema.migrate(self._database)

    def check(self) -> None:
        """Raise InvalidSettings when there is no such database, or it is older or newer than this Keyturn."""
        schema.check(self._database)

    def close(self) -> None:
        """Close every connection to the database. Safe to repeat."""
        self._database.close()

    def now(self) -> datetime:
        """The database's clock, UTC."""
        with self._database.reading() as tx:
            return tx.execute(_NOW).scalar_one()
