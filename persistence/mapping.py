"""Rows to domain objects and back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import RowMapping

from persistence import models
from persistence.clock import ILLEGIBLE
from persistence.journal import Entry
from states.certificate import Certificate, Challenge
from states.connection import Algorithm, Connection, NetSuiteSettings, OpenAirKind, OpenAirSettings, Options, Policy
from states.errors import InvalidInput, JournalBroken, NotConfirmed
from states.next_action import NextAction, Verb
from states.rotation import (
    Allowances,
    Candidate,
    Cause,
    Confirmation,
    Doubt,
    Ending,
    Failure,
    Proofs,
    Receipt,
    Rotation,
)
from states.state import State

Row = RowMapping | Mapping[str, Any]
"""A row by column names. The columns of a joined certificate begin with its role: previous_pem."""
_NOT_OURS: Final = (KeyError, TypeError, ValueError, InvalidInput)
"""What a stored object raises that lacks a field, has one too many, or has a value that Keyturn never writes."""
Values = dict[str, Any]


# --- certificates -----------------------------------------------------------------------------------------------------


def of_certificate(certificate: Certificate, sealed_key: bytes | None = None) -> Values:
    """The columns of a certificate."""
    return {
        "fingerprint": certificate.fingerprint,
        "pem": certificate.pem,
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "sealed_key": sealed_key,
    }


def to_certificate(row: Row, role: str) -> Certificate | None:
    """The certificate that was joined as ``role``, if there is one. It was parsed before it was stored."""
    fingerprint = row[f"{role}_fingerprint"]
    if fingerprint is None:
        return None
    return Certificate(
        pem=row[f"{role}_pem"],
        fingerprint=fingerprint,
        not_before=row[f"{role}_not_before"],
        not_after=row[f"{role}_not_after"],
    )


def from_certificate(stored: models.Certificates) -> Certificate:
    """The certificate of a model instance."""
    return Certificate(
        pem=stored.pem, fingerprint=stored.fingerprint, not_before=stored.not_before, not_after=stored.not_after
    )


# --- connections ------------------------------------------------------------------------------------------------------


def of_connection(connection: Connection) -> Values:
    """The columns that an administrator may change."""
    return {
        "netsuite": asdict(connection.netsuite),
        "openair": asdict(connection.openair),
        "options": asdict(connection.options),
        "policy": asdict(connection.policy),
        "bundles": dict(connection.bundles),
        "automatic": connection.is_automatic,
    }


def to_connection(row: Row) -> Connection:
    """A connection with the certificate joined as ``current``. Raises JournalBroken where it cannot be read."""
    return _to_connection(row, to_certificate(row, "current"))


def from_connection(stored: models.Connections, current: models.Certificates | None) -> Connection:
    """The connection of a model instance, with its current certificate. Raises JournalBroken likewise."""
    return _to_connection(dict(stored), from_certificate(current) if current else None)


def _to_connection(row: Row, current: Certificate | None) -> Connection:
    openair = row["openair"]
    try:
        return Connection(
            name=row["name"],
            netsuite=NetSuiteSettings(**row["netsuite"]),
            openair=OpenAirSettings(**{**openair, "kind": OpenAirKind(openair["kind"])}),
            options=Options(**row["options"]),
            policy=_to_policy(row["policy"]),
            bundles=row["bundles"],
            version=row["version"],
            current=current,
            due_at=row["due_at"],
        )
    except _NOT_OURS as error:
        raise JournalBroken(f"Connection {row['name']} holds what Keyturn never wrote.") from error


def _to_policy(stored: Mapping[str, Any]) -> Policy:
    return Policy(**{**stored, "algorithm": Algorithm(stored["algorithm"])})


# --- rotations --------------------------------------------------------------------------------------------------------


def of_request(rotation: Rotation) -> Values:
    """The columns of a new rotation; all others are empty, or the store's own."""
    return {
        "id": rotation.id,
        "connection": rotation.connection,
        "cause": rotation.cause.value,
        "actor": rotation.actor,
        "reason": rotation.reason,
        "policy": asdict(rotation.policy),
        "previous_fingerprint": rotation.previous.fingerprint if rotation.previous else None,
        "state": rotation.state.value,
        "version": rotation.version,
        "attempt": rotation.attempt,
        "tries": rotation.tries,
        "created_at": rotation.created_at,
        "updated_at": rotation.updated_at,
        "available_at": rotation.available_at,
        "may_create_record": rotation.allowed.create_record,
        "may_overwrite": rotation.allowed.overwrite,
        "waiting_for": rotation.waiting_for,
        "awaits_person": rotation.awaits_person,
    }


def of_changes(before: Rotation, after: Rotation) -> Values:
    """The columns of the fields that a move changed; the version is the store's to count.

    A move is a function from rotation to rotation, and a field that it leaves alone is the same object. So the move
    itself says what it changes, and cannot forget to.
    """
    changed: Values = {}
    for field, columns in _COLUMNS.items():
        value = getattr(after, field)
        if value is not getattr(before, field):
            changed |= columns(value)
    if after.proofs is not before.proofs:
        for proof, columns in _PROOFS.items():
            value = getattr(after.proofs, proof)
            if value is not getattr(before.proofs, proof):
                changed |= columns(value)
    return changed


def _of_candidate(candidate: Candidate | None) -> Values:
    return {"candidate_fingerprint": candidate.fingerprint if candidate else None}


def _of_confirmation(proof: Confirmation | None) -> Values:
    return {
        "confirmation_fingerprint": proof.fingerprint if proof else None,
        "challenge": proof.challenge.nonce if proof else None,
        "signature": proof.signature if proof else None,
        "asked_at": proof.asked_at if proof else None,
    }


def _of_saved(receipt: Receipt | None) -> Values:
    return {"saved_fingerprint": receipt.fingerprint if receipt else None, "saved_at": receipt.at if receipt else None}


def _of_verified(receipt: Receipt | None) -> Values:
    return {
        "verified_fingerprint": receipt.fingerprint if receipt else None,
        "verified_at": receipt.at if receipt else None,
    }


def _of_doubt(doubt: Doubt) -> Values:
    return {"doubt_since": doubt.since, "in_flight_until": doubt.in_flight_until}


def _of_allowed(allowed: Allowances) -> Values:
    return {"may_create_record": allowed.create_record, "may_overwrite": allowed.overwrite}


def _of_failure(failure: Failure | None) -> Values:
    return {
        "failed_from": failure.failed_from.value if failure else None,
        "failure_code": failure.code if failure else None,
        "failure_message": failure.message if failure else None,
        "failure_next_action": _of_action(failure.next_action) if failure else None,
        "failed_at": failure.at if failure else None,
    }


def _alone(column: str) -> Callable[[Any], Values]:
    return lambda value: {column: value}


_COLUMNS: Final[Mapping[str, Callable[[Any], Values]]] = {
    **{
        field: _alone(field)
        for field in (
            *("state", "attempt", "tries", "updated_at", "available_at"),
            *("skew_from", "waiting_for", "awaits_person", "restoring_since", "closed_at", "ending"),
        )
    },
    "doubt": _of_doubt,
    "allowed": _of_allowed,
    "failure": _of_failure,
}
"""The columns of each field of a rotation that a move may change; those of its proofs follow."""
_PROOFS: Final[Mapping[str, Callable[[Any], Values]]] = {
    "candidate": _of_candidate,
    "confirmation": _of_confirmation,
    "saved": _of_saved,
    "verified": _of_verified,
}


def to_rotation(row: Row) -> Rotation:
    """A rotation with the certificates joined as ``previous`` and ``candidate``.

    Its confirmation is verified anew. One that NetSuite never gave, and whatever else cannot have been written by
    Keyturn, is left out, and the rotation says so: an error here would stop every claim for one row.
    """
    certificate = to_certificate(row, "candidate")
    confirmation, broken = _to_confirmation(row, certificate)
    policy, cause, illegible = _to_request(row)
    if illegible:
        broken = f"Rotation {row['id']} holds what Keyturn never wrote: {', '.join(illegible)}."
    return Rotation(
        id=row["id"],
        connection=row["connection"],
        cause=cause,
        actor=row["actor"],
        reason=row["reason"],
        policy=policy,
        state=State(row["state"]),
        version=row["version"],
        attempt=row["attempt"],
        tries=row["tries"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        available_at=row["available_at"],
        previous=to_certificate(row, "previous"),
        previous_key_kept=row["previous_key_kept"],
        by_hand=row["openair_kind"] == OpenAirKind.EXPORT,
        proofs=Proofs(
            candidate=Candidate(certificate, row["candidate_sealed_key"] or b"") if certificate else None,
            confirmation=confirmation,
            saved=_to_receipt(row, "saved"),
            verified=_to_receipt(row, "verified"),
        ),
        broken=broken,
        skew_from=row["skew_from"],
        doubt=Doubt(since=row["doubt_since"], in_flight_until=row["in_flight_until"]),
        allowed=Allowances(create_record=row["may_create_record"], overwrite=row["may_overwrite"]),
        waiting_for=row["waiting_for"],
        awaits_person=row["awaits_person"],
        failure=_to_failure(row),
        restoring_since=row["restoring_since"],
        closed_at=row["closed_at"],
        ending=Ending(row["ending"]) if row["ending"] else None,
    )


def _to_request(row: Row) -> tuple[Policy, Cause, list[str]]:
    """What was asked for, and the columns of the whole row that cannot be read."""
    policy, cause = Policy(), Cause.MANUAL
    illegible = [name for name, value in row.items() if value == ILLEGIBLE]
    try:
        policy = _to_policy(row["policy"])
    except _NOT_OURS:
        illegible.append("policy")
    try:
        cause = Cause(row["cause"])
    except ValueError:
        illegible.append("cause")
    if row["failed_from"] is not None and _to_action(row["failure_next_action"]) is None:
        illegible.append("failure_next_action")
    return policy, cause, illegible


def _to_confirmation(row: Row, certificate: Certificate | None) -> tuple[Confirmation | None, str]:
    """The confirmation, and what is wrong where there should be one."""
    if row["confirmation_fingerprint"] is None or certificate is None:
        return None, ""
    try:
        confirmation = Confirmation(
            rotation_id=row["id"],
            certificate=certificate,
            challenge=Challenge(row["challenge"]),
            signature=row["signature"],
            asked_at=row["asked_at"],
        )
    except (NotConfirmed, InvalidInput):
        return None, f"Rotation {row['id']} holds a confirmation that NetSuite never gave."
    return confirmation, ""


def _to_receipt(row: Row, proof: str) -> Receipt | None:
    fingerprint = row[f"{proof}_fingerprint"]
    return Receipt(fingerprint, row[f"{proof}_at"]) if fingerprint else None


def _to_failure(row: Row) -> Failure | None:
    if row["failed_from"] is None:
        return None
    return Failure(
        failed_from=State(row["failed_from"]),
        code=row["failure_code"],
        message=row["failure_message"],
        next_action=_to_action(row["failure_next_action"]) or NextAction(Verb.EXPLAIN),
        at=row["failed_at"],
    )


def _of_action(action: NextAction) -> str:
    return json.dumps(action.to_data(), ensure_ascii=False)


def _to_action(stored: str) -> NextAction | None:
    """The action, or None where Keyturn never wrote this."""
    try:
        return NextAction.from_data(json.loads(stored))
    except (*_NOT_OURS, AttributeError):
        return None


# --- journal ----------------------------------------------------------------------------------------------------------


def of_entry(entry: Entry) -> Values:
    """The columns of a journal entry."""
    return {
        "rotation_id": entry.rotation_id,
        "seq": entry.seq,
        "at": entry.at,
        "actor": entry.actor,
        "event": entry.event,
        "source": entry.source.value if entry.source else None,
        "target": entry.target.value,
        "attempt": entry.attempt,
        "detail": dict(entry.detail),
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


def from_entry(stored: models.Journal) -> Entry:
    """The entry of a model instance."""
    return Entry(
        rotation_id=stored.rotation_id,
        seq=stored.seq,
        at=stored.at,
        actor=stored.actor,
        event=stored.event,
        source=State(stored.source) if stored.source else None,
        target=State(stored.target),
        attempt=stored.attempt,
        detail=stored.detail,
        previous_hash=stored.previous_hash,
        hash=stored.hash,
    )
