"""Rows to domain objects and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import RowMapping

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
"""A row by column names. A joined certificate's columns have its role before them: previous_pem."""
_NOT_OURS: Final = (KeyError, TypeError, ValueError, InvalidInput)
"""What is raised where a stored object lacks something, has too much, or holds what it never could."""
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


# --- connections ------------------------------------------------------------------------------------------------------


def of_connection(connection: Connection) -> Values:
    """The columns of what an administrator may change."""
    return {
        "netsuite": asdict(connection.netsuite),
        "openair": asdict(connection.openair),
        "options": asdict(connection.options),
        "policy": asdict(connection.policy),
        "bundles": dict(connection.bundles),
        "automatic": connection.is_automatic,
    }


def to_connection(row: Row) -> Connection:
    """A connection with the certificate joined as ``current``. Raises JournalBroken where that cannot be read."""
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
            current=to_certificate(row, "current"),
            due_at=row["due_at"],
        )
    except _NOT_OURS as error:
        raise JournalBroken(f"Connection {row['name']} holds what Keyturn never wrote.") from error


def _to_policy(stored: Mapping[str, Any]) -> Policy:
    return Policy(**{**stored, "algorithm": Algorithm(stored["algorithm"])})


# --- rotations --------------------------------------------------------------------------------------------------------


def of_request(rotation: Rotation) -> Values:
    """The columns of a new rotation that never change."""
    return {
        "id": rotation.id,
        "connection": rotation.connection,
        "cause": rotation.cause.value,
        "actor": rotation.actor,
        "reason": rotation.reason,
        "policy": asdict(rotation.policy),
        "created_at": rotation.created_at,
        "previous_fingerprint": rotation.previous.fingerprint if rotation.previous else None,
    }


def of_progress(rotation: Rotation) -> Values:
    """The columns of a rotation that its moves change; its version is the store's to count."""
    proof, saved, verified, failure = (
        rotation.proofs.confirmation,
        rotation.proofs.saved,
        rotation.proofs.verified,
        rotation.failure,
    )
    return {
        "state": rotation.state.value,
        "attempt": rotation.attempt,
        "tries": rotation.tries,
        "updated_at": rotation.updated_at,
        "available_at": rotation.available_at,
        "candidate_fingerprint": rotation.proofs.candidate.fingerprint if rotation.proofs.candidate else None,
        "confirmation_fingerprint": proof.fingerprint if proof else None,
        "challenge": proof.challenge.nonce if proof else None,
        "signature": proof.signature if proof else None,
        "asked_at": proof.asked_at if proof else None,
        "saved_fingerprint": saved.fingerprint if saved else None,
        "saved_at": saved.at if saved else None,
        "verified_fingerprint": verified.fingerprint if verified else None,
        "verified_at": verified.at if verified else None,
        "skew_from": rotation.skew_from,
        "doubt_since": rotation.doubt.since,
        "in_flight_until": rotation.doubt.in_flight_until,
        "may_create_record": rotation.allowed.create_record,
        "may_overwrite": rotation.allowed.overwrite,
        "waiting_for": rotation.waiting_for,
        "awaits_person": rotation.awaits_person,
        "failed_from": failure.failed_from.value if failure else None,
        "failure_code": failure.code if failure else None,
        "failure_message": failure.message if failure else None,
        "failure_next_action": _of_action(failure.next_action) if failure else None,
        "failed_at": failure.at if failure else None,
        "restoring_since": rotation.restoring_since,
        "closed_at": rotation.closed_at,
        "ending": rotation.ending.value if rotation.ending else None,
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


def to_entry(row: Row) -> Entry:
    """A journal entry."""
    return Entry(
        rotation_id=row["rotation_id"],
        seq=row["seq"],
        at=row["at"],
        actor=row["actor"],
        event=row["event"],
        source=State(row["source"]) if row["source"] else None,
        target=State(row["target"]),
        attempt=row["attempt"],
        detail=row["detail"],
        previous_hash=row["previous_hash"],
        hash=row["hash"],
    )
