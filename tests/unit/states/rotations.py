"""Proofs made with a key and its certificate, and rotations in any state."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from support.factories import changed
from support.pairs import NOW, Pair, a_pair

from states import table
from states.certificate import Challenge
from states.errors import KeyturnError, Refused
from states.rotation import Candidate, Cause, Confirmation, Failure, Receipt, Rotation
from states.state import State

ID = "01KAZ6J5V0ROTATION00000001"


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
        is_firsthand=True,
    )


def a_proof(name: str, pair: Pair) -> Candidate | Confirmation | Receipt:
    """Return the proof that a step returns, for ``pair``'s certificate."""
    if name == "candidate":
        return Candidate(pair.certificate, b"sealed")
    return a_confirmation(pair) if name == "confirmation" else Receipt(pair.fingerprint, NOW)


def a_rotation(pair: Pair, position: State = State.REQUESTED, **changes: Any) -> Rotation:
    """Return a rotation in ``position``, with the proofs that it has there."""
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
    """Return the rotation, parked in its current state; it waits for a person."""
    failure = Failure.of(error or Refused(), failed_from=rotation.state, at=NOW)
    return replace(rotation, state=State.FAILED, failure=failure, awaits_person=True)


def unreadable() -> dict[str, str]:
    """Return well-formed certificates that `cryptography` cannot read, by what is wrong with each."""
    der = base64.b64decode("".join(a_pair().certificate.pem.splitlines()[1:-1]))
    version, curve, point = (
        der.index(bytes.fromhex(start)) for start in ("a003020102", "06082a8648ce3d030107", "03420004")
    )
    changes = {"version": (version + 4, 15), "curve": (curve + 9, 0x55), "point": (point + 9, der[point + 9] ^ 1)}
    changed = {name: _pem(der[:at] + bytes([value]) + der[at + 1 :]) for name, (at, value) in changes.items()}
    return {**changed, "year": _of_the_year_0()}


def _of_the_year_0() -> str:
    """Return a certificate that is valid from the year 0 on, which no clock can hold."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    begins, ends = datetime(2051, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1).not_valid_before(begins).not_valid_after(ends)
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return _pem(der.replace(b"20510101", b"00000101"))


def _pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"
