"""Pairs of a private key and its certificate. Keys are EC P-256 by default, which take a moment to make."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from states.certificate import Certificate

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and its certificate."""

    key: SigningKey
    certificate: Certificate

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint

    def key_pem(self) -> bytes:
        """The private key as PKCS#8 PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, message: bytes) -> str:
        """The Base64 signature that NetSuite makes with this key."""
        return sign(self.key, message)


def sign(key: SigningKey, message: bytes) -> str:
    """The Base64 signature of ``message`` with SHA-256."""
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
    return base64.b64encode(signature).decode()


def a_pair(*, key: Any = None, not_before: datetime | None = None, not_after: datetime | None = None) -> Pair:
    """A new pair, self-signed; ``key`` may be of a kind that Keyturn does not take."""
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
