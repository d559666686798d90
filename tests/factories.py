"""Ready-made domain objects for tests. Keys are EC P-256, which is quick; signatures are real."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from states import lifecycle
from states.certificate import Certificate, Challenge
from states.connection import Connection, NetSuiteSettings, OpenAirSettings, Options
from states.errors import CannotSign
from states.rotation import Candidate, Cause, Confirmation, Receipt, Rotation
from states.state import State
from states.table import NEXT

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)

_KEYS: dict[str, ec.EllipticCurvePrivateKey] = {}
"""The private key of each certificate made here, by fingerprint: what NetSuite would hold."""


def a_certificate(*, now: datetime = NOW, days: int = 365) -> Certificate:
    """A new self-signed certificate, valid from ``now`` for ``days``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "keyturn test")])
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    certificate = Certificate.parse(built.public_bytes(Encoding.PEM).decode())
    _KEYS[certificate.fingerprint] = key
    return certificate


def key_pem(certificate: Certificate) -> bytes:
    """The private key (PKCS#8 PEM) of a certificate that was made here."""
    return _KEYS[certificate.fingerprint].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signed(certificate: Certificate, message: bytes) -> str:
    """The Base64 signature that NetSuite would make with this certificate's key."""
    return base64.b64encode(_KEYS[certificate.fingerprint].sign(message, ec.ECDSA(hashes.SHA256()))).decode()


def a_candidate(**over: Any) -> Candidate:
    """A candidate; its sealed key is not really sealed."""
    return replace(Candidate(a_certificate(), b"sealed"), **over)


def a_connection(**over: Any) -> Connection:
    """A connection whose rotations are automatic."""
    defaults: dict[str, Any] = {
        "name": "acme",
        "netsuite": NetSuiteSettings(account="1234567_SB1", client_id="client", certificate_id="kid"),
        "openair": OpenAirSettings(url="https://acme.app.openair.com", company="Acme", user="keyturn"),
        "options": Options(),
        "bundles": {"369630": "4.02", "369637": "5.02"},
    }
    return Connection(**{**defaults, **over})


def a_rotation(**over: Any) -> Rotation:
    """A rotation that was just requested."""
    now = over.pop("now", NOW)
    defaults: dict[str, Any] = {
        "id": "01JDCCCCCC0000000000000000",
        "connection": "acme",
        "cause": Cause.MANUAL,
        "actor": "ada",
        "created_at": now,
        "updated_at": now,
        "available_at": now,
    }
    return Rotation(**{**defaults, **over})


def a_confirmation(rotation: Rotation, *, now: datetime = NOW) -> Confirmation:
    """NetSuite's true signature over a challenge for the rotation's candidate."""
    assert rotation.candidate
    challenge = Challenge.of(b"challenge".ljust(32, b"."))
    return Confirmation(
        rotation_id=rotation.id,
        certificate=rotation.candidate.certificate,
        challenge=challenge,
        signature=signed(rotation.candidate.certificate, challenge.text),
        asked_at=now,
    )


def next_move(rotation: Rotation, *, now: datetime = NOW, candidate: Candidate | None = None) -> Rotation:
    """The rotation one move further along, with the proof that the step would bring."""
    edge = NEXT[rotation.state]
    if edge.brings == "candidate":
        proved = replace(rotation, candidate=candidate or a_candidate())
    elif edge.brings == "confirmation":
        proved = replace(rotation, confirmation=a_confirmation(rotation, now=now), skew_from=now)
    else:
        assert rotation.candidate
        proved = replace(rotation, **{edge.brings: Receipt(rotation.candidate.fingerprint, now)})
    return lifecycle.advance(proved, edge, now)


def advance_to(rotation: Rotation, state: State, *, now: datetime = NOW) -> Rotation:
    """The rotation in ``state``, all its moves made by the lifecycle; Failed is reached from where it stands."""
    if state is State.FAILED:
        return lifecycle.fail(rotation, CannotSign(), now)
    while rotation.state is not state:
        rotation = next_move(rotation, now=now)
    return rotation
