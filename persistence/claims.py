"""The room of the claims: which worker holds a rotation, and until when."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection as Transaction

from persistence import authenticity, clock_repair, mapping, rotation_mapping, rotation_statements, rotation_writes
from persistence.database import Database
from persistence.journal import TAKEN_OVER, Head, append
from persistence.prepared import Prepared, Values
from persistence.shared_commit import undo
from persistence.vault import Vault
from states.errors import IllegalMove, Stale, Tampered
from states.rotation import Rotation
from states.state import State

_LAST_MOMENT: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""By then, every rotation is available."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A rotation, held by one worker until its lease runs out. Only the store makes one."""

    rotation: Rotation
    """As it was when it was claimed, or as this worker last wrote it."""
    worker: str
    fence: int
    """The fencing token: each claim of a rotation has a higher one, and the store refuses writes with a lower one."""
    journal: Head
    """Where the rotation's journal ends. Every entry changes the rotation's version too, so that a worker whose claim
    is valid knows the end without reading it."""


class Claims:
    """Which worker holds which rotation, and until when."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def claim(self, worker: str, *, lease: float, now: datetime, rotation_id: str | None = None) -> Claim | None:
        """Claim the next rotation for ``lease`` seconds, or the one with this id; return None if none is claimable.

        A rotation is claimable when it has a step left or Keyturn restores its previous certificate, is available by
        ``now``, and no worker holds it by the database's clock. UploadedToNetSuite and restores go first, because they
        are outages; then the one that has been available longest. A rotation that is taken over from a worker whose
        lease ran out is in doubt since that worker's last write. One that was changed outside Keyturn says so
        (``circumstances.broken``), for the engine to park it. Raises VaultLocked, SealBroken.
        """
        self._vault.unlock()
        wanted = {"now": now} if rotation_id is None else {"now": now, "id": rotation_id}
        statement = rotation_statements.LOCK_NEXT if rotation_id is None else rotation_statements.LOCK_ONE
        with self._database.writing() as tx:
            row = _lock(tx, statement, wanted)
            if row is None:
                undo(tx)
                return None
            return _claim_row(tx, self._vault, row, worker, lease=lease, now=now)

    def claim_postponed(self, worker: str, rotation_id: str, *, lease: float, now: datetime) -> Claim | None:
        """Like ``claim`` of this rotation, though it is postponed; return None while a worker holds it.

        It is available from ``now`` on, so that another worker takes over when this one dies. None, too, for one that
        is parked, and for one that has not begun: it may be held off by a lost write of the rotation before.
        """
        self._vault.unlock()
        with self._database.writing() as tx:
            row = _lock(tx, rotation_statements.LOCK_ONE, {"now": _LAST_MOMENT, "id": rotation_id})
            if row is None or row["state"] == State.FAILED:
                return None
            if row["state"] == State.REQUESTED and row["available_at"] > now:
                return None
            if row["worker"] is None and row["available_at"] > now:
                row["available_at"] = now
                rotation_statements.HASTEN.run(tx, {"b_id": rotation_id, "available_at": now})
            return _claim_row(tx, self._vault, row, worker, lease=lease, now=now)

    def hold(self, worker: str, parked: Rotation, *, lease: float) -> Claim:
        """Hold a parked rotation for ``lease`` seconds: until then no one else can resume or close it.

        Nothing is written to the journal, and nothing is in doubt when the lease runs out: the holder writes down what
        it is about to send before it sends it.

        Raises:
            NotFound: without such a rotation.
            IllegalMove: for one that is not parked.
            Stale: when another holder has it, or it was changed since ``parked`` was read.
            Tampered: when it was changed outside Keyturn.
            VaultLocked, SealBroken: without the key that shows that.

        """
        if parked.state is not State.FAILED or not parked.is_open:
            raise IllegalMove(f"Rotation {parked.id} is not parked.")
        self._vault.unlock()
        with self._database.writing() as tx:
            locked, parked = rotation_writes.lock(tx, self._vault, parked)
            if broken := parked.circumstances.broken:
                raise Tampered(broken)
            held = Claim(parked, worker, locked["fence"] + 1, rotation_writes.head_of(locked))
            rotation_statements.TAKE.run(tx, _taken(held, lease))
            return held

    def ensure_held(self, claim: Claim) -> None:
        """Raise Stale when another worker has the rotation. Nothing is written.

        A lease that ran out is no reason: until another worker claims the rotation, no other worker has acted on it.
        """
        with self._database.glancing() as tx:
            if rotation_statements.IS_HELD.first(tx, _fenced(claim)) is None:
                raise Stale

    def renew(self, claim: Claim, *, lease: float) -> None:
        """Hold the claim for another ``lease`` seconds from now. Raises Stale when another worker has the rotation."""
        self._update(rotation_statements.RENEW, {**_fenced(claim), "lease": lease})

    def release(self, claim: Claim) -> None:
        """Give the rotation back with nothing in doubt. Raises Stale when another worker has it."""
        self._update(rotation_statements.RELEASE, _fenced(claim))

    def repair_clocks(self, now: datetime) -> int:
        """Repair the timestamps that a worker whose clock ran ahead wrote; return for how many rotations.

        What a lost worker held is available at once. What was postponed by hours too many is available in three
        minutes, when what may be in flight has landed; nor does a parked rotation wait longer for a request that is in
        flight. Leases of hours run out. ``now`` is the caller's clock; the later of it and the database's clock decides
        what is too far ahead. Safe to repeat, and to run on several machines at once.
        """
        self._vault.unlock()
        with self._database.writing() as tx:
            repaired = clock_repair.repair(tx, self._vault, now)
            if not repaired:
                undo(tx)
            return repaired

    def _update(self, statement: Prepared, values: Values) -> None:
        with self._database.writing() as tx:
            if not statement.run(tx, values):
                raise Stale


def _lock(tx: Transaction, statement: Prepared, wanted: Values) -> Values | None:
    """Lock the rotation that ``statement`` finds claimable, and return it whole; None without one."""
    locked = statement.first(tx, wanted)
    return None if locked is None else rotation_statements.LOCKED.first(tx, {"id": locked["id"]})


def _claim_row(tx: Transaction, vault: Vault, row: Values, worker: str, *, lease: float, now: datetime) -> Claim:
    head = Head(row["journal_seq"], row["journal_hash"])
    rotation = rotation_mapping.to_rotation(row)
    rotation = authenticity.checked(vault, rotation, head, row["code"], last_seq=row["last_seq"] or 0)
    taken = Claim(rotation, worker, fence=row["fence"] + 1, journal=rotation_writes.head_of(row))
    # Who restores a parked rotation writes down what is sent before sending it: nothing else is in doubt.
    if row["worker"] is not None and taken.rotation.state is not State.FAILED:
        return _take_over(tx, vault, taken, lost=row["worker"], lease=lease, now=now)
    rotation_statements.TAKE.run(tx, _taken(taken, lease))
    return taken


def _take_over(tx: Transaction, vault: Vault, taken: Claim, *, lost: str, lease: float, now: datetime) -> Claim:
    """Claim a rotation that a lost worker held: any request that it sent since its last write is in doubt.

    The lost worker may be alive and slow. Its fencing token is old now, so it cannot write; but a request of its own
    can still reach the other systems, which know no tokens.
    """
    before = taken.rotation
    after = replace(before.with_doubt(before.updated_at, now), version=before.version + 1, updated_at=now)
    assert after.doubt.in_flight_until
    detail = {"from": lost, "until": after.doubt.in_flight_until.isoformat()}
    entry = append(
        vault, taken.journal, after, event=TAKEN_OVER, actor=taken.worker, source=before.state, detail=detail
    )
    changes = {**rotation_mapping.of_changes(before, after), "version": after.version}
    noted = {**changes, **rotation_writes.closing_with(vault, after, entry)}
    rotation_statements.TAKE.run(tx, {**_taken(taken, lease), **noted})
    rotation_statements.APPEND.run(tx, mapping.of_entry(entry))
    return replace(taken, rotation=after, journal=entry.head)


def _taken(claim: Claim, lease: float) -> Values:
    """Compare the fencing token before this claim, and set this claim's holder, token and lease."""
    return {
        "b_id": claim.rotation.id,
        "b_fence": claim.fence - 1,
        "worker": claim.worker,
        "fence": claim.fence,
        "lease": lease,
    }


def _fenced(claim: Claim) -> Values:
    return {"b_id": claim.rotation.id, "b_fence": claim.fence, "b_worker": claim.worker}
