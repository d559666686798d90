"""What is authenticated: all that decides what is sent, to whom, at whose word.

Each content begins with what it is, so that no code is valid for another thing. A code is written in the statement that
writes what it covers, and is checked where that is read to act on it. What only shows it does without the key, too, and
says that it was not checked then. Left out are:

- of a rotation: its version, who holds it, and from when on it is available. They change without the rest.
- of a connection: when it is due. Who changes that can start a rotation early or late, as a person can.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from persistence.journal import Head
from persistence.vault import Vault
from states.access import Account, OpenIdRequest, OpenIdSession, Session, Token
from states.certificate import Certificate
from states.connection import Connection, OpenAirSettings, Options, Policy
from states.errors import Tampered
from states.next_action import REPEAT, NextAction, Verb
from states.rotation import Confirmation, Failure, Receipt, Rotation
from states.silence import Silence


def authenticate_rotation(vault: Vault, rotation: Rotation, head: Head) -> str | None:
    """Return the code of ``rotation``, whose journal ends with ``head``; None for one that was changed outside Keyturn.

    Such a rotation never gets a valid code again: what Keyturn writes of it would vouch for what it did not write.
    """
    return None if rotation.circumstances.broken else vault.authenticate(of_rotation(rotation, head))


def checked(vault: Vault, rotation: Rotation, head: Head, code: str | None, *, last_seq: int | None = None) -> Rotation:
    """Return ``rotation``, marked as broken unless ``code`` is its own and its journal ends where it says.

    ``last_seq`` is the number of its journal's last entry, 0 without one, read while the rotation is locked at the
    version that the caller knows: each entry counts the version too.
    """
    if rotation.circumstances.broken:
        return rotation
    if last_seq is not None and last_seq > head.seq:
        broken = f"Rotation {rotation.id} was set back outside Keyturn: its journal goes on to entry {last_seq}."
    elif last_seq is not None and last_seq < head.seq:
        broken = f"The journal of rotation {rotation.id} was changed outside Keyturn: it ends before entry {head.seq}."
    elif code is not None and vault.is_authentic(of_rotation(rotation, head), code):
        return rotation
    else:
        broken = changed(rotation.id)
    return replace(rotation, circumstances=replace(rotation.circumstances, broken=broken))


def changed(rotation_id: str) -> str:
    """The sentence for a rotation whose code is missing or wrong."""
    return f"Rotation {rotation_id} was changed outside Keyturn."


def tampered_connection(name: str) -> Tampered:
    """Return the error for a connection that was changed outside Keyturn."""
    return Tampered(
        f"Connection {name} was changed outside Keyturn; its secrets were not used, and nothing was sent.",
        next_action=NextAction(
            Verb.EDIT_CONNECTION,
            {"connection": name, "given_again": True},
            because="Give all of the connection's settings and secrets again, or restore the database from a backup.",
            then=REPEAT,
        ),
    )


def of_rotation(rotation: Rotation, head: Head) -> bytes:
    """What is authenticated of a rotation: all that its steps act on, and where its journal ends."""
    proofs, allowed, doubt, failure = rotation.proofs, rotation.allowed, rotation.doubt, rotation.failure
    parts = (
        _items("keyturn rotation", rotation.id, rotation.connection, rotation.cause, rotation.actor, rotation.reason),
        _policy_text(rotation.policy),
        _certificate_text(rotation.previous),
        _items(
            *(rotation.state, rotation.attempt, rotation.tries),
            *(rotation.created_at, rotation.updated_at, rotation.skew_from),
        ),
        _certificate_text(proofs.candidate.certificate if proofs.candidate else None),
        _items(
            *(_confirmation(proofs.confirmation), _receipt(proofs.saved), _receipt(proofs.verified)),
            *(doubt.since, doubt.in_flight_until, allowed.create_record, allowed.overwrite),
            *(rotation.waiting_for, rotation.awaits_person, rotation.begun_at, _failure(failure)),
            *(rotation.restoring_since, rotation.closed_at, rotation.ending),
            *(head.seq, head.hash),
        ),
    )
    return f"[{','.join(parts)}]".encode()


def of_connection(connection: Connection, *, is_automatic: bool) -> bytes:
    """What is authenticated of a connection's settings; ``is_automatic`` is what is stored of that."""
    return _canonical(
        "keyturn connection",
        *(connection.name, connection.version, connection.netsuite.values(), _values(connection.openair)),
        *(_values(connection.options), _values(connection.policy), dict(connection.bundles), is_automatic),
    )


def of_current(name: str, current: Certificate | None, latest_rotation: str | None) -> bytes:
    """What is authenticated of a connection's certificate, and of the rotation that the next one follows."""
    parts = (_items("keyturn current certificate", name), _certificate_text(current), _items(latest_rotation))
    return f"[{','.join(parts)}]".encode()


def of_export(name: str, fingerprint: str, by: str, at: datetime) -> bytes:
    """What is authenticated of a person's word on the certificate that OpenAir holds."""
    return _canonical("keyturn confirmed export", name, fingerprint, by, at)


def of_token(token: Token) -> bytes:
    """What is authenticated of a token: all but its last use."""
    return _canonical(
        "keyturn token",
        *(token.name, token.digest, token.role, token.created_at, token.created_by, token.expires_at),
    )


def of_account(account: Account) -> bytes:
    """What is authenticated of an account: all of it."""
    return _canonical(
        "keyturn account",
        *(account.name, account.role, account.password, account.created_at, account.created_by, account.password_at),
    )


def of_session(session: Session) -> bytes:
    """What is authenticated of a session: all of it."""
    return _canonical("keyturn session", session.digest, session.account, session.password_at, session.expires_at)


def of_openid_session(session: OpenIdSession) -> bytes:
    """What is authenticated of a session by OpenID Connect: all of it."""
    return _canonical(
        "keyturn openid session", session.digest, session.actor, session.role, session.terms, session.expires_at
    )


def of_openid_request(request: OpenIdRequest) -> bytes:
    """What is authenticated of a sign-in that has not come back from the provider: all of it."""
    return _canonical("keyturn openid request", request.state, request.browser, request.expires_at)


def of_silence(silence: Silence) -> bytes:
    """What is authenticated of a silence: all of it."""
    return _canonical(
        "keyturn silence",
        *(silence.id, silence.connection, silence.kind, silence.reason, silence.created_at, silence.created_by),
        *(silence.until, silence.ended_at, silence.ended_by),
    )


def of_evidence(digest: str) -> bytes:
    """What is authenticated of an evidence file: the digest of all of it."""
    return _canonical("keyturn evidence", digest)


@lru_cache(maxsize=64)  # by its whole public value, which is frozen: each move authenticates its two certificates
def _certificate_text(certificate: Certificate | None) -> str:
    # All of it, not the fingerprint alone: the certificate is used as it is stored, without computing that again.
    return _ENCODER.encode(
        None
        if certificate is None
        else (certificate.fingerprint, certificate.pem, certificate.not_before, certificate.not_after)
    )


def _confirmation(proof: Confirmation | None) -> tuple[object, ...] | None:
    return None if proof is None else (proof.fingerprint, proof.challenge.nonce, proof.signature, proof.asked_at)


def _receipt(receipt: Receipt | None) -> tuple[object, ...] | None:
    return None if receipt is None else (receipt.fingerprint, receipt.at)


def _failure(failure: Failure | None) -> tuple[object, ...] | None:
    return (
        None
        if failure is None
        else (
            *(failure.failed_from, failure.code, failure.message),
            *(failure.next_action.to_data(), failure.at),
        )
    )


@lru_cache(maxsize=64)  # by its whole value, which is frozen; a fleet has few policies
def _policy_text(policy: Policy) -> str:
    return _ENCODER.encode(_values(policy))


def _values(settings: OpenAirSettings | Options | Policy) -> Mapping[str, object]:
    """The values by name; they are plain, so that nothing needs to be copied as `asdict` does."""
    return {each.name: getattr(settings, each.name) for each in fields(settings)}


def _moment(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat(timespec="microseconds")


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=_moment)


def _canonical(*content: object) -> bytes:
    """JSON in one form. Keyturn's moments are all in UTC."""
    return _ENCODER.encode(content).encode()


def _items(*content: object) -> str:
    """The same without the brackets: a part of the whole."""
    return _ENCODER.encode(content)[1:-1]
