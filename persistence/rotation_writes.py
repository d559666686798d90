"""Writing rotations: a compare-and-set and its journal entry, within the caller's transaction.

Every statement is built once, here: building one costs more than running it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from persistence import clock_repair, connections, mapping, models
from persistence.claims import Claim
from persistence.clock import database_now, database_now_plus, seconds
from persistence.journal import ORIGIN, REQUEST, Entry, Head, append
from persistence.prepared import Prepared
from persistence.upsert import insert_into
from states.certificate import Certificate
from states.connection import Connection
from states.errors import HeldOff, IllegalMove, JournalBroken, NotFound, RotationOpen, Stale
from states.next_action import REPEAT, NextAction, Verb
from states.rotation import Rotation
from states.state import State

_r: Final = models.rotations
_c: Final = models.connections
_certificates: Final = models.certificates

Make = Callable[[Connection], Rotation]
"""Makes a new rotation for a connection as it stands."""

_LATEST: Final = Prepared(
    connections.FULL.add_columns(_r.c.journal_hash, _r.c.closed_at, _r.c.in_flight_until)
    .outerjoin(_r, _r.c.id == _c.c.latest_rotation)
    .where(_c.c.name == bindparam("name"))
    .with_for_update(of=_c)
)
"""A connection, and how its latest rotation ended."""
_compared = update(_r).where(_r.c.id == bindparam("b_id"), _r.c.version == bindparam("b_version"))
_fenced = _compared.where(_r.c.fence == bindparam("b_fence"), _r.c.worker == bindparam("b_worker"))
_lease = {"lease_until": database_now_plus(seconds("lease"))}

_ADD: Final = Prepared(insert(_r).values(_lease))
_WRITE: Final = Prepared(_compared.values(_lease))
_ADVANCE: Final = Prepared(_fenced.values(_lease))
_APPEND: Final = Prepared(insert(models.journal))
_CHANGE_CONNECTION: Final = Prepared(update(_c).where(_c.c.name == bindparam("b_name")))
_KEEP_CERTIFICATE: Final = Prepared(insert(_certificates))
_ERASE_KEY: Final = Prepared(update(_certificates).where(_certificates.c.fingerprint == bindparam("b_fingerprint")))
_ERASE_CURRENT_KEY: Final = Prepared(
    update(_certificates).where(
        _certificates.c.fingerprint
        == select(_c.c.current_fingerprint).where(_c.c.name == bindparam("b_name")).scalar_subquery()
    )
)
_STANDING: Final = (
    select(
        _r.c.version,
        _r.c.worker,
        _r.c.fence,
        _r.c.journal_seq,
        _r.c.journal_hash,
        (_r.c.lease_until > database_now()).label("is_leased"),
    )
    .where(_r.c.id == bindparam("id"))
    .with_for_update()
)


@cache
def _know_certificate(dialect: str) -> Prepared:
    return Prepared(insert_into(_certificates, dialect).on_conflict_do_nothing())


def add(
    tx: Transaction, connection: str, make: Make, *, worker: str | None, lease: float
) -> tuple[Rotation, Claim | None]:
    """Insert a new rotation with its first journal entry, claimed at once for ``worker`` if that is given.

    While a write of the rotation before may still take effect, the new one is held off and not claimed.
    """
    latest = _LATEST.first(tx, {"name": connection})
    if latest is None:
        raise NotFound(f"There is no connection {connection}.")
    previous_hash = _ended(connection, latest["latest_rotation"], latest["journal_hash"], latest["closed_at"])
    before = mapping.to_connection(latest)
    rotation = make(before)
    if rotation.previous and rotation.previous != before.current:
        _know_certificate(tx.dialect.name).run(tx, mapping.of_certificate(rotation.previous))
    detail = _asked(rotation)
    until: datetime | None = latest["in_flight_until"]
    if until and until > rotation.available_at:
        until = clock_repair.within(tx, until, rotation.available_at)
        held_off = HeldOff(f"A write of rotation {latest['latest_rotation']} may take effect until {_second(until)}.")
        rotation = replace(rotation, available_at=until, waiting_for=held_off.message)
        detail |= {"code": held_off.code, "message": held_off.message, "until": until.isoformat()}
        worker = None
    entry = append(Head(0, previous_hash), rotation, event=REQUEST, actor=rotation.actor, source=None, detail=detail)
    values = {
        **mapping.of_request(rotation),
        **mapping.of_progress(rotation),
        "follows": latest["latest_rotation"],
        "version": rotation.version,
        "fence": 1 if worker else 0,
        **_hold(worker, lease),
        **_head(entry),
    }
    try:
        _ADD.run(tx, values)
        _APPEND.run(tx, mapping.of_entry(entry))
    except IntegrityError as error:
        raise IllegalMove(f"The store refuses rotation {rotation.id}: its id is taken, or it is not new.") from error
    _CHANGE_CONNECTION.run(tx, {"b_name": connection, "latest_rotation": rotation.id})
    return rotation, Claim(rotation, worker, fence=1, journal=entry.head) if worker else None


def advance(
    tx: Transaction,
    claim: Claim,
    after: Rotation,
    *,
    event: str,
    detail: Mapping[str, object],
    lease: float,
    due_at: datetime | None,
) -> Claim:
    """Write what a worker's step brought, and append it to the journal."""
    before = claim.rotation
    entry = append(claim.journal, after, event=event, actor=claim.worker, source=before.state, detail=detail)
    values = {"b_fence": claim.fence, "b_worker": claim.worker, **_hold(claim.worker if lease else None, lease)}
    _store(tx, _ADVANCE, before, after, entry, values)
    _settle(tx, after, None, due_at)
    return Claim(replace(after, version=before.version + 1), claim.worker, claim.fence, entry.head)


def hold(tx: Transaction, worker: str, parked: Rotation, *, lease: float) -> Claim:
    """Hold a parked rotation that nobody else holds."""
    if parked.state is not State.FAILED or not parked.is_open:
        raise IllegalMove(f"Rotation {parked.id} is not parked.")
    standing = _standing(tx, parked)
    fence = standing["fence"] + 1
    _WRITE.run(tx, {"b_id": parked.id, "b_version": parked.version, "worker": worker, "fence": fence, "lease": lease})
    return Claim(parked, worker, fence, Head(standing["journal_seq"], standing["journal_hash"]))


def write(
    tx: Transaction,
    before: Rotation,
    after: Rotation,
    *,
    event: str,
    actor: str,
    detail: Mapping[str, object],
    adopted: Certificate | None,
    due_at: datetime | None,
) -> Rotation:
    """Write what a person decided about a rotation that no worker holds."""
    standing = _standing(tx, before)
    # It died holding the rotation, and nobody knows what it had sent. Who holds a parked one notes that beforehand.
    if standing["worker"] and before.state is not State.FAILED:
        after = after.with_doubt(before.updated_at, after.updated_at)
    head = Head(standing["journal_seq"], standing["journal_hash"])
    entry = append(head, after, event=event, actor=actor, source=before.state, detail=detail)
    _store(tx, _WRITE, before, after, entry, _hold(None, 0))
    _settle(tx, after, adopted, due_at)
    return replace(after, version=before.version + 1)


def _standing(tx: Transaction, before: Rotation) -> mapping.Row:
    """How the rotation stands, locked. Raises NotFound; Stale when it is held, or not as ``before`` any more."""
    standing = tx.execute(_STANDING, {"id": before.id}).mappings().one_or_none()
    if standing is None:
        raise NotFound(f"There is no rotation {before.id}.")
    if standing["version"] != before.version or standing["is_leased"]:
        raise Stale(
            f"Rotation {before.id} is being worked on, or was changed meanwhile; nothing was changed.",
            next_action=NextAction(Verb.SHOW_ROTATION, {"rotation": before.id}, then=REPEAT),
        )
    return standing


def _second(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _asked(rotation: Rotation) -> dict[str, object]:
    """What the journal tells of a request."""
    return {
        "cause": rotation.cause.value,
        "reason": rotation.reason,
        "previous": rotation.previous.fingerprint if rotation.previous else None,
    }


def _ended(connection: str, latest: str | None, journal_hash: str | None, closed_at: datetime | None) -> str:
    """The hash at which the connection's latest rotation ended: the next one's journal continues it."""
    if latest is None:
        return ORIGIN
    if journal_hash is None:
        raise JournalBroken(f"Rotation {latest} of connection {connection} was removed.")
    if closed_at is None:
        raise RotationOpen(
            f"Connection {connection} has an open rotation already: {latest}.",
            next_action=NextAction(Verb.EXPLAIN, {"rotation": latest}),
        )
    return journal_hash


def _store(
    tx: Transaction, statement: Prepared, before: Rotation, after: Rotation, entry: Entry, values: mapping.Values
) -> None:
    """Compare and set, then append. Raises Stale when no row is as ``before`` was."""
    was = mapping.of_progress(before)
    # SQLite checks only the constraints and indexes of the columns that are written.
    changed = {column: value for column, value in mapping.of_progress(after).items() if value != was[column]}
    compared = {"b_id": before.id, "b_version": before.version}
    written = {**changed, "version": before.version + 1, **_head(entry)}
    try:
        if after.proofs.candidate and not before.proofs.candidate:
            _KEEP_CERTIFICATE.run(
                tx, mapping.of_certificate(after.proofs.candidate.certificate, after.proofs.candidate.sealed_key)
            )
        if not statement.run(tx, {**compared, **written, **values}):
            raise Stale
        _APPEND.run(tx, mapping.of_entry(entry))
    except IntegrityError as error:
        raise IllegalMove(
            f"The store refuses to take rotation {before.id} from {before.state} to {after.state} by {entry.event}."
        ) from error


def _settle(tx: Transaction, rotation: Rotation, adopted: Certificate | None, due_at: datetime | None) -> None:
    """Make the certificate that a rotation ended with the connection's current one, where that is a new one, and
    destroy the keys that nothing needs any more.
    """
    if rotation.is_open:
        return
    candidate, completed = rotation.proofs.candidate, rotation.state is State.COMPLETED
    if adopted:
        _know_certificate(tx.dialect.name).run(tx, mapping.of_certificate(adopted))
    if in_place := candidate.certificate if candidate and completed else adopted:
        _ERASE_CURRENT_KEY.run(tx, {"b_name": rotation.connection, "sealed_key": None})
        current = {"b_name": rotation.connection, "current_fingerprint": in_place.fingerprint, "due_at": due_at}
        _CHANGE_CONNECTION.run(tx, current)
    if candidate and not (completed and rotation.policy.keep_key):
        _ERASE_KEY.run(tx, {"b_fingerprint": candidate.fingerprint, "sealed_key": None})


def _head(entry: Entry) -> mapping.Values:
    return {"journal_seq": entry.seq, "journal_hash": entry.hash}


def _hold(worker: str | None, lease: float) -> mapping.Values:
    """Who holds the rotation, for how long by the database's clock; nobody, for no time, leaves both columns empty."""
    return {"worker": worker, "lease": lease if worker else None}
