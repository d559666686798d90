"""Rows to rotations, and back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Final

from persistence import authenticity
from persistence.clock import ILLEGIBLE
from persistence.mapping import NOT_OURS, Row, Values, to_certificate, to_certificate_summary, to_policy
from states.certificate import Certificate, Challenge
from states.connection import OpenAirKind, Policy
from states.errors import InvalidInput, NotConfirmed
from states.next_action import NextAction, Verb
from states.rotation import (
    Allowances,
    Candidate,
    Cause,
    Circumstances,
    Confirmation,
    Doubt,
    Ending,
    Failure,
    Proofs,
    Receipt,
    Rotation,
)
from states.state import State
from states.summary import RotationSummary


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
            *("skew_from", "waiting_for", "awaits_person", "begun_at", "restoring_since", "closed_at", "ending"),
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
_SEALED: Final = "candidate_sealed_key"
"""The one column of bytes that is joined."""


def to_rotation(row: Row) -> Rotation:
    """A rotation with the certificates joined as ``previous`` and ``candidate``.

    Its confirmation is verified again: a row can be forged. A confirmation that NetSuite never gave, and any other
    value that Keyturn never writes, is left out, and ``broken`` says so. An error here would stop every claim for one
    row.
    """
    row, cause, illegible = _legible(row)
    certificate = to_certificate(row, "candidate")
    confirmation, broken = _to_confirmation(row, certificate)
    try:
        policy = to_policy(row["policy"])
    except NOT_OURS:
        policy, illegible = Policy(), [*illegible, "policy"]
    return Rotation(
        **_shown(row),
        cause=cause,
        policy=policy,
        previous=to_certificate(row, "previous"),
        proofs=Proofs(
            candidate=Candidate(certificate, row[_SEALED] or b"") if certificate else None,
            confirmation=confirmation,
            saved=_to_receipt(row, "saved"),
            verified=_to_receipt(row, "verified"),
        ),
        doubt=Doubt(since=row["doubt_since"], in_flight_until=row["in_flight_until"]),
        begun_at=row.get("begun_at"),
        allowed=Allowances(create_record=row["may_create_record"], overwrite=row["may_overwrite"]),
        circumstances=Circumstances(
            previous_key_kept=row["previous_key_kept"],
            by_hand=row["openair_kind"] == OpenAirKind.EXPORT,
            broken=_illegible(row["id"], illegible) or broken or _unauthenticated(row),
        ),
    )


def to_rotation_summary(row: Row) -> RotationSummary:
    """A rotation as lists show it, with the certificates joined likewise.

    Its confirmation is not verified: that takes the certificate itself, and nothing is decided by a list.
    """
    row, cause, illegible = _legible(row)
    return RotationSummary(
        **_shown(row),
        cause=cause,
        previous=to_certificate_summary(row, "previous"),
        candidate=to_certificate_summary(row, "candidate"),
        saved_at=row["saved_at"],
        doubt_since=row["doubt_since"],
        in_flight_until=row["in_flight_until"],
        by_hand=row["openair_kind"] == OpenAirKind.EXPORT,
        broken=_illegible(row["id"], illegible),
    )


def _shown(row: Row) -> Values:
    """The fields that a rotation and its summary have under the same names, except the cause."""
    return {
        "id": row["id"],
        "connection": row["connection"],
        "actor": row["actor"],
        "reason": row["reason"],
        "state": State(row["state"]),
        "version": row["version"],
        "attempt": row["attempt"],
        "tries": row["tries"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "available_at": row["available_at"],
        "skew_from": row["skew_from"],
        "waiting_for": row["waiting_for"],
        "awaits_person": row["awaits_person"],
        "failure": _to_failure(row),
        "restoring_since": row["restoring_since"],
        "closed_at": row["closed_at"],
        "ending": Ending(row["ending"]) if row["ending"] else None,
    }


def _legible(row: Row) -> tuple[Row, Cause, list[str]]:
    """The row, its cause, and the names of the columns that hold what Keyturn never wrote.

    SQLite stores bytes in a column of text, too: the row that is returned has a text in their place.
    """
    texts = {name: value for name, value in row.items() if isinstance(value, bytes) and name != _SEALED}
    illegible = [*texts, *(name for name, value in row.items() if value == ILLEGIBLE)]
    if texts:
        row = {**row, **{name: value.decode(errors="replace") for name, value in texts.items()}}
    if row["failed_from"] is not None and _to_action(row["failure_next_action"]) is None:
        illegible.append("failure_next_action")
    try:
        return row, Cause(row["cause"]), illegible
    except ValueError:
        return row, Cause.MANUAL, [*illegible, "cause"]


def _illegible(rotation_id: str, columns: list[str]) -> str:
    return f"Rotation {rotation_id} holds what Keyturn never wrote: {', '.join(columns)}." if columns else ""


def _unauthenticated(row: Row) -> str:
    """What shows without a key: a rotation that was found changed is stored without a code."""
    return authenticity.changed(row["id"]) if row.get("code", "") is None else ""


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


def action_renamed(stored: str, before: str, after: str) -> str:
    """Return a stored next action in which the connection ``before`` is named ``after``; an illegible one as it is."""
    action = _to_action(stored)
    return _of_action(action.renamed(before, after)) if action else stored


def _of_action(action: NextAction) -> str:
    return json.dumps(action.to_data(), ensure_ascii=False)


@lru_cache(maxsize=256)  # a list of parked rotations has the same few actions again and again
def _to_action(stored: str) -> NextAction | None:
    """The action, or None where Keyturn never wrote this."""
    try:
        return NextAction.from_data(json.loads(stored))
    except (*NOT_OURS, AttributeError):
        return None
