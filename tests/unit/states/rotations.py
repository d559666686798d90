"""Made-up pairs of key and certificate, proofs by them, and rotations that got anywhere."""

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from support.factories import changed

from states import table
from states.certificate import Certificate, Challenge
from states.errors import KeyturnError, Refused
from states.rotation import Candidate, Cause, Confirmation, Failure, Receipt, Rotation
from states.state import State

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ID = "01KAZ6J5V0ROTATION00000001"
SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and its certificate."""

    key: SigningKey
    certificate: Certificate

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint

    def sign(self, message: bytes) -> str:
        return sign(self.key, message)


def sign(key: SigningKey, message: bytes) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
    return base64.b64encode(signature).decode()


def a_pair(*, key: Any = None, not_before: datetime | None = None, not_after: datetime | None = None) -> Pair:
    """A fresh pair: EC P-256, since it is made in a moment, unless ``key`` is given."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    digest = hashes.SHA256() if isinstance(key, SigningKey) else None
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or NOW - timedelta(days=1))
        .not_valid_after(not_after or NOW + timedelta(days=365))
        .sign(key, digest)
    )
    return Pair(key, Certificate.parse(certificate.public_bytes(Encoding.PEM).decode()))


def a_challenge(seed: int = 0) -> Challenge:
    return Challenge.of(hashlib.sha256(str(seed).encode()).digest())


def a_confirmation(pair: Pair, *, rotation_id: str = ID, asked_at: datetime = NOW) -> Confirmation:
    challenge = a_challenge()
    return Confirmation(
        rotation_id=rotation_id,
        certificate=pair.certificate,
        challenge=challenge,
        signature=pair.sign(challenge.text),
        asked_at=asked_at,
    )


def a_proof(name: str, pair: Pair) -> Candidate | Confirmation | Receipt:
    """The proof that a step brings, for ``pair``'s certificate."""
    if name == "candidate":
        return Candidate(pair.certificate, b"sealed")
    return a_confirmation(pair) if name == "confirmation" else Receipt(pair.fingerprint, NOW)


def a_rotation(pair: Pair, position: State = State.REQUESTED, **changes: Any) -> Rotation:
    """A rotation that got to ``position``, with every proof that it has there."""
    proofs: dict[str, Any] = {name: a_proof(name, pair) for name in table.proofs_at(position)}
    if "confirmation" in proofs:
        proofs["skew_from"] = NOW
    rotation = Rotation(
        id=ID,
        connection="acme",
        cause=Cause.MANUAL,
        actor="ada",
        state=position,
        created_at=NOW,
        updated_at=NOW,
        available_at=NOW,
        closed_at=NOW if position is State.COMPLETED else None,
    )
    return changed(rotation, **{**proofs, **changes})


def parked(rotation: Rotation, error: KeyturnError | None = None) -> Rotation:
    """The rotation, parked where it stands."""
    failure = Failure.of(error or Refused(), failed_from=rotation.state, at=NOW)
    return replace(rotation, state=State.FAILED, failure=failure)


def unreadable() -> dict[str, str]:
    """Certificates in good PEM and DER that `cryptography` cannot take, by what is wrong with each."""
    der = base64.b64decode("".join(a_pair().certificate.pem.splitlines()[1:-1]))
    version, curve, point = (
        der.index(bytes.fromhex(start)) for start in ("a003020102", "06082a8648ce3d030107", "03420004")
    )
    changes = {"version": (version + 4, 15), "curve": (curve + 9, 0x55), "point": (point + 9, der[point + 9] ^ 1)}
    return {name: _pem(der[:at] + bytes([value]) + der[at + 1 :]) for name, (at, value) in changes.items()}


def _pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"
