"""Requesting a rotation: it is inserted with its first journal entry, while its connection is locked."""

from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy.exc import IntegrityError

from persistence import (
    authenticity,
    clock_repair,
    connection_rows,
    mapping,
    rotation_mapping,
    rotation_statements,
    rotation_writes,
)
from persistence.claims import Claim
from persistence.journal import ORIGIN, REQUEST, Head, append
from persistence.prepared import Values
from persistence.unknown_names import no_connection
from persistence.vault import Vault
from states.errors import HeldOff, IllegalMove, JournalBroken, RotationOpen, Stale
from states.next_action import NextAction, Verb
from states.request import Request
from states.rotation import Rotation


def add(
    tx: Transaction, vault: Vault, request: Request, worker: str | None, lease: float
) -> tuple[Rotation, Claim | None]:
    """Insert a new rotation with its first journal entry, claimed for ``worker`` if one is given.

    Raises as `Rotations.request` does.
    """
    rotation_statements.LOCK_CONNECTION.first(tx, {"name": request.connection})
    latest = rotation_statements.LATEST.first(tx, {"name": request.connection})
    if latest is None:
        raise no_connection(tx, request.connection)
    previous_hash = _ended(latest)
    if request.due_by and not _is_due(latest, request.due_by):
        raise Stale(f"Connection {request.connection} is not due any more; no rotation was requested.")
    if request.follows is not None and request.follows != (latest["latest_rotation"] or ""):
        raise Stale(f"Connection {request.connection} was rotated meanwhile; no rotation was requested.")
    connection = mapping.to_connection(latest)
    connection_rows.ensure_authentic(tx, vault, connection, latest)
    rotation = request.rotation(connection, previous_key_kept=latest["current_key_kept"])
    detail: dict[str, object] = {
        "cause": rotation.cause.value,
        "reason": rotation.reason,
        "previous": rotation.previous.fingerprint if rotation.previous else None,
        "policy": asdict(rotation.policy),
    }
    if request.key:
        detail["idempotency_key"] = request.key
    until: datetime | None = latest["in_flight_until"]
    if until and until > rotation.available_at:
        # A lost write of the rotation before may still reach NetSuite or OpenAir, on top of what this one would send.
        until = clock_repair.within(tx, until, rotation.available_at)
        held_off = HeldOff(f"A write of rotation {latest['latest_rotation']} may take effect until {_second(until)}.")
        rotation = replace(rotation, available_at=until, waiting_for=held_off.message)
        detail |= {"code": held_off.code, "message": held_off.message, "until": until.isoformat()}
        worker = None
    start = Head(0, previous_hash)
    entry = append(vault, start, rotation, event=REQUEST, actor=rotation.actor, source=None, detail=detail)
    values: Values = {
        **rotation_mapping.of_request(rotation),
        "follows": latest["latest_rotation"],
        "fence": 1 if worker else 0,
        **rotation_writes.held_by(worker, lease),
        **rotation_writes.closing_with(vault, rotation, entry),
    }
    try:
        rotation_statements.ADD.run(tx, values)
        rotation_statements.APPEND.run(tx, mapping.of_entry(entry))
    except IntegrityError as error:
        raise IllegalMove(f"The store refuses rotation {rotation.id}: its id is taken.") from error
    code = vault.authenticate(authenticity.of_current(connection.name, connection.current, rotation.id))
    followed = {"b_name": connection.name, "latest_rotation": rotation.id, "current_code": code}
    rotation_statements.CHANGE_CONNECTION.run(tx, followed)
    return rotation, Claim(rotation, worker, fence=1, journal=entry.head) if worker else None


def _is_due(latest: Values, now: datetime) -> bool:
    """Whether the schedule still wants a rotation of the connection: another machine may have completed one."""
    return bool(latest["automatic"] and latest["due_at"] and latest["due_at"] <= now)


def _ended(latest: Values) -> str:
    """The hash at which the connection's latest rotation ended: the next one's journal continues it."""
    rotation_id, connection = latest["latest_rotation"], latest["name"]
    if rotation_id is None:
        return ORIGIN
    if latest["journal_hash"] is None:
        raise JournalBroken(f"Rotation {rotation_id} of connection {connection} was removed.")
    if latest["closed_at"] is None:
        raise RotationOpen(
            f"Connection {connection} has an open rotation already: {rotation_id}.",
            next_action=NextAction(Verb.EXPLAIN, {"rotation": rotation_id}),
        )
    return str(latest["journal_hash"])


def _second(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
