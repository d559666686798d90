"""Rows to certificates, connections and journal entries, and back; rotations have a module of their own."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import RowMapping

from persistence import models
from persistence.journal import Entry
from states.certificate import Certificate
from states.connection import (
    Algorithm,
    Connection,
    NetSuiteSettings,
    OnRefusal,
    OpenAirKind,
    OpenAirSettings,
    Options,
    Policy,
)
from states.errors import InvalidInput, JournalBroken
from states.state import State
from states.summary import CertificateSummary, ConnectionSummary

Row = RowMapping | Mapping[str, Any]
"""A row by column names. The columns of a joined certificate begin with its role: previous_pem."""
NOT_OURS: Final = (KeyError, TypeError, ValueError, InvalidInput)
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


def to_certificate_summary(row: Row, role: str) -> CertificateSummary | None:
    """The certificate that was joined as ``role``, as lists show it."""
    fingerprint = row[f"{role}_fingerprint"]
    if fingerprint is None:
        return None
    return CertificateSummary(fingerprint, row[f"{role}_not_before"], row[f"{role}_not_after"])


def from_certificate(stored: models.Certificates) -> Certificate:
    """The certificate of a model instance."""
    return Certificate(
        pem=stored.pem, fingerprint=stored.fingerprint, not_before=stored.not_before, not_after=stored.not_after
    )


# --- connections ------------------------------------------------------------------------------------------------------


def of_connection(connection: Connection) -> Values:
    """The columns that an administrator may change."""
    return {
        "netsuite": connection.netsuite.values(),
        "openair": asdict(connection.openair),
        "options": asdict(connection.options),
        "policy": asdict(connection.policy),
        "bundles": dict(connection.bundles),
        "automatic": connection.is_automatic,
    }


def to_connection(row: Row) -> Connection:
    """A connection with the certificate joined as ``current``. Raises JournalBroken where it cannot be read."""
    return _whole(_settings(row), to_certificate(row, "current"))


def from_connection(stored: models.Connections, current: models.Certificates | None) -> Connection:
    """The connection of a model instance, with its current certificate. Raises JournalBroken likewise."""
    return _whole(_settings(dict(stored)), from_certificate(current) if current else None)


def to_connection_summary(row: Row) -> ConnectionSummary:
    """A connection as lists show it, with its certificate joined likewise."""
    current = to_certificate_summary(row, "current")
    return ConnectionSummary(**_settings(row), is_automatic=row["automatic"], current=current)


def _whole(settings: Values, current: Certificate | None) -> Connection:
    try:
        return Connection(**settings, current=current)
    except InvalidInput as error:
        raise _illegible(settings["name"]) from error


def _illegible(name: str) -> JournalBroken:
    return JournalBroken(f"Connection {name} holds what Keyturn never wrote.")


def _settings(row: Row) -> Values:
    openair = row["openair"]
    try:
        return {
            "name": row["name"],
            "netsuite": NetSuiteSettings(**row["netsuite"]),
            "openair": OpenAirSettings(**{**openair, "kind": OpenAirKind(openair["kind"])}),
            "options": Options(**row["options"]),
            "policy": to_policy(row["policy"]),
            "bundles": dict(row["bundles"]),
            "version": row["version"],
            "due_at": row["due_at"],
        }
    except NOT_OURS as error:
        raise _illegible(row["name"]) from error


def to_policy(stored: Mapping[str, Any]) -> Policy:
    """A policy. Raises one of NOT_OURS where it cannot be read."""
    return Policy(
        **{**stored, "algorithm": Algorithm(stored["algorithm"]), "on_refusal": OnRefusal(stored["on_refusal"])}
    )


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
        # Not a table only where someone else wrote it: then no reader finds a field in it, and it is another one still.
        detail=stored.detail if isinstance(stored.detail, dict) else {"": stored.detail},
        previous_hash=stored.previous_hash,
        hash=stored.hash,
    )
