"""The room of the rotations: requested, read, moved."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select

from persistence import (
    connections,
    models,
    queries,
    rotation_request,
    rotation_statements,
    rotation_writes,
)
from persistence.claims import Claim
from persistence.database import Database
from persistence.journal import APPROVAL_ASKED, APPROVAL_WITHDRAWN, append
from persistence.queries import ROTATION
from persistence.read_model import Page, RotationFilter, rotation_count, rotation_page
from persistence.vault import Vault
from states.certificate import Certificate
from states.errors import Tampered
from states.request import Request
from states.rotation import Candidate, Rotation
from states.state import State
from states.summary import RotationSummary
from states.table import ABANDON, FAIL

_r: Final = models.rotations
_candidate: Final = models.certificates

_OF_BROKEN: Final = (FAIL, ABANDON, APPROVAL_ASKED, APPROVAL_WITHDRAWN)
"""What may happen to a rotation that was changed outside Keyturn. Requests of approval are for abandoning it."""
_EVERY: Final = RotationFilter()
_ALL_OPEN: Final = ROTATION.where(models.OPEN)
_ALL_OPEN_ENDS: Final = rotation_statements.WITH_END.where(models.OPEN)
_KEPT: Final = (
    select(_r.c.id, _candidate.c.sealed_key)
    .select_from(_r.join(_candidate, _candidate.c.fingerprint == _r.c.candidate_fingerprint))
    .where(
        _r.c.candidate_fingerprint == bindparam("fingerprint"),
        _candidate.c.sealed_key.is_not(None),
    )
)
"""Asked when a rotation is restored, which is too seldom for an index that every rotation would have to keep."""


class Rotations:
    """Rotations: requested, read, moved."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def request(self, request: Request) -> Rotation:
        """Store the rotation that is requested, and its first journal entry; return it as it was stored.

        While a write of the rotation before may still take effect, the new one is not available, and says so in
        ``waiting_for``.

        Raises:
            NotFound: without such a connection.
            RotationOpen: while the connection has an open rotation.
            Stale: when it is not due by ``request.due_by``, or does not follow ``request.follows``.
            IllegalMove: when the id is taken.
            Tampered: when the connection was changed outside Keyturn.
            VaultLocked, SealBroken: without the key that shows that.

        """
        self._vault.unlock()
        with self._database.writing() as tx:
            return rotation_request.add(tx, self._vault, request, None, 0)[0]

    def request_for(self, worker: str, request: Request, *, lease: float) -> tuple[Rotation, Claim | None]:
        """Like `request`, and claims the new rotation for ``worker`` in the same transaction.

        ``lease`` is in seconds. There is no claim while the rotation is not available.
        """
        self._vault.unlock()
        with self._database.writing() as tx:
            return rotation_request.add(tx, self._vault, request, worker, lease)

    def get(self, wanted: str) -> Rotation:
        """Return the rotation with this id, the newest of the connection with this name, or the only one whose id
        begins with these six characters or more.

        A connection's open rotation is its newest. Raises NotFound, which names the candidates where several ids begin
        so.
        """
        with self._database.reading() as tx:
            return queries.find_rotation(tx, wanted)

    def checked(self, wanted: str) -> Rotation:
        """Like ``get``, for a verb: what was changed outside Keyturn says so (``circumstances.broken``).

        Raises VaultLocked, SealBroken, too.
        """
        self._vault.unlock()
        with self._database.reading() as tx:
            return rotation_writes.checked(tx, self._vault, queries.find_rotation(tx, wanted).id)

    def page(
        self, wanted: RotationFilter = _EVERY, *, after: str | None = None, limit: int = 50
    ) -> Page[RotationSummary]:
        """Return up to ``limit`` rotations, the newest first; ``after`` is the page before's ``following``."""
        with self._database.reading() as tx:
            return rotation_page(tx, wanted, after, limit)

    def count(self, wanted: RotationFilter = _EVERY) -> int:
        """Return how many rotations are ``wanted``. Reads them all: only a list that was cut needs it."""
        with self._database.reading() as tx:
            return rotation_count(tx, wanted)

    def newest(self, *, connection: str | None = None, limit: int = 50) -> list[Rotation]:
        """Return the newest rotations, whole, of one connection or of all. Lists need no more than `page`."""
        query = ROTATION.order_by(_r.c.id.desc()).limit(limit)
        if connection is not None:
            query = query.where(_r.c.connection == connection)
        with self._database.reading() as tx:
            return queries.rotations(tx, query)

    def kept_key(self, certificate: Certificate) -> tuple[str, Candidate] | None:
        """Return the id of the rotation that made ``certificate``, and its candidate; None unless its key is kept."""
        with self._database.reading() as tx:
            row = tx.execute(_KEPT, {"fingerprint": certificate.fingerprint}).one_or_none()
        return (row.id, Candidate(certificate, row.sealed_key)) if row else None

    def open_for(self, connection: str) -> Rotation | None:
        """Return the connection's open rotation, under way or parked; None without one."""
        with self._database.reading() as tx:
            return queries.open_rotation(tx, connection)

    def all_open(self) -> list[Rotation]:
        """Return every open rotation, under way or parked, the oldest first: at most one for each connection."""
        with self._database.reading() as tx:
            return sorted(queries.rotations(tx, _ALL_OPEN), key=lambda rotation: rotation.id)

    def all_open_checked(self) -> list[Rotation]:
        """Like ``all_open``, and what was changed outside Keyturn says so, as with ``checked``.

        Raises VaultLocked, SealBroken.
        """
        self._vault.unlock()
        with self._database.reading() as tx:
            found = [rotation_writes.check(self._vault, row) for row in tx.execute(_ALL_OPEN_ENDS).mappings()]
        return sorted(found, key=lambda rotation: rotation.id)

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
        """Store the result of a worker's step, and its journal entry; compare and set on version and fencing token.

        A new candidate is stored with its sealed key. Completed makes the candidate the connection's current
        certificate, and destroys its predecessor's key, and its own unless the policy keeps it. Closed without being
        Completed, its candidate's key is destroyed.

        Args:
            claim: the claim, as it was returned last.
            after: the rotation with the step's result; what differs from the claim's rotation is written.
            event: the trigger of the move, or a note that leaves the state as it is.
            detail: the evidence, as plain JSON; nothing secret.
            lease: for how many more seconds the worker keeps the claim; with 0 it is given back.
            due_at: when the new current certificate is due for rotation; of a restored one, when it is due at the
                earliest.
            confirmed: the fingerprint of the stored certificate that OpenAir holds, as the worker says.

        Raises:
            Stale: when another worker has the rotation.
            IllegalMove: when the database refuses the move.
            VaultLocked, SealBroken: without the key that authenticates the result.

        """
        self._vault.unlock()
        before = claim.rotation
        entry = append(
            self._vault, claim.journal, after, event=event, actor=claim.worker, source=before.state, detail=detail
        )
        held = rotation_writes.held_by(claim.worker if lease else None, lease)
        fenced = {"b_fence": claim.fence, "b_worker": claim.worker, **held}
        with self._database.writing() as tx:
            rotation_writes.store(tx, self._vault, rotation_statements.ADVANCE, before, after, entry, fenced)
            rotation_writes.settle(tx, self._vault, after, None, due_at)
            if confirmed:
                connections.confirm(tx, self._vault, after.connection, confirmed, by=claim.worker, at=after.updated_at)
        return Claim(replace(after, version=before.version + 1), claim.worker, claim.fence, entry.head)

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
        """Store what a person decided, and its journal entry; compare and set on version. Return what was stored.

        Closing the rotation destroys its candidate's key.

        Args:
            before: the rotation as the person saw it.
            after: the rotation as it was decided.
            event: the trigger of the move, or a note that leaves the state as it is.
            actor: the person.
            detail: the evidence, as plain JSON; nothing secret.
            adopted: the certificate that becomes the connection's current one; its predecessor's key is destroyed.
            due_at: when the adopted certificate is due for rotation.
            confirmed: the fingerprint of the stored certificate that OpenAir holds, as the person says.

        Raises:
            NotFound: without such a rotation.
            Stale: when a worker holds the rotation, or it was changed since ``before`` was read.
            IllegalMove: when the database refuses the move.
            Tampered: when the rotation was changed outside Keyturn, unless it is parked or abandoned, or a request to
                abandon it is noted.
            VaultLocked, SealBroken: without the key that shows that.

        """
        self._vault.unlock()
        with self._database.writing() as tx:
            locked, before = rotation_writes.lock(tx, self._vault, before)
            if before.circumstances.broken:
                if event not in _OF_BROKEN:
                    raise Tampered(before.circumstances.broken)
                after = replace(after, circumstances=before.circumstances)
            # The row names a worker whose lease ran out: it died while it held the rotation, and may have sent a
            # request since its last write. A parked rotation's holder notes what it sends before it sends it.
            if locked["worker"] and before.state is not State.FAILED:
                after = after.with_doubt(before.updated_at, after.updated_at)
            head = rotation_writes.head_of(locked)
            entry = append(self._vault, head, after, event=event, actor=actor, source=before.state, detail=detail)
            released = rotation_writes.held_by(None, 0)
            rotation_writes.store(tx, self._vault, rotation_statements.WRITE, before, after, entry, released)
            rotation_writes.settle(tx, self._vault, after, adopted, due_at)
            if confirmed:
                connections.confirm(tx, self._vault, after.connection, confirmed, by=actor, at=after.updated_at)
        return replace(after, version=before.version + 1)
