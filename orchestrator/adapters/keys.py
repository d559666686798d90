"""Generates candidates and opens their sealed private keys."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from states.certificate import Certificate, validity
from states.connection import Algorithm, Policy
from states.errors import KeyMismatch
from states.rotation import Candidate, PrivateKey
from states.timing import CERTIFICATE_BACKDATED

COMMON_NAME: Final = "OpenAir real-time import"
SIGN_IN_COMMON_NAME: Final = "Keyturn sign-in"
_SIGN_IN_LIFE: Final = timedelta(days=730) - CERTIFICATE_BACKDATED
"""NetSuite takes two years at most for a sign-in certificate, from its first moment to its last.
https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_162686838198.html"""
COLUMN: Final = "private_key"
"""The sealed key is bound to this column and to the rotation's id: the vault opens it for no other record."""

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Vault(Protocol):
    """Seals and opens secrets. persistence/vault.py implements it."""

    def seal(self, plain: bytes, *, owner: str, column: str) -> bytes:
        """Encrypt ``plain`` for one column of one record. Raises VaultLocked."""
        ...

    def open(self, sealed: bytes, *, owner: str, column: str) -> bytes:
        """Decrypt a value that was sealed for the same column and record. Raises SealBroken, VaultLocked."""
        ...


class VaultKeys:
    """Generates keys on this machine and keeps them sealed (states.ports.Keys)."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def generate(self, rotation_id: str, connection: str, policy: Policy, now: datetime) -> Candidate:
        """Generate a key pair and a self-signed certificate for it; seal the key for ``rotation_id``.

        Each call makes another candidate. The certificate is valid from CERTIFICATE_BACKDATED before ``now`` (UTC),
        so that a system whose clock is slow accepts it at once, until ``policy.days`` days after ``now``.
        Raises VaultLocked.
        """
        key = _GENERATORS[policy.algorithm]()
        certificate = _self_signed(key, COMMON_NAME, connection, now, timedelta(days=policy.days))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Candidate(
            certificate=Certificate.parse(certificate.public_bytes(Encoding.PEM).decode()),
            sealed_key=self._vault.seal(pem, owner=rotation_id, column=COLUMN),
        )

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        """Return the candidate's private key as unencrypted PKCS#8 PEM. Safe to repeat.

        Raises:
            KeyMismatch: The sealed value is no private key, or not the key of the candidate's certificate.
            SealBroken, VaultLocked: The vault cannot open it.
        """
        pem = self._vault.open(candidate.sealed_key, owner=rotation_id, column=COLUMN)
        try:
            public_key = load_pem_private_key(pem, password=None).public_key()
        except (ValueError, TypeError):
            # Not chained: a parser's message may quote its input, and that is a private key.
            raise KeyMismatch("What the vault holds for this certificate is not a private key.") from None
        certificate = x509.load_pem_x509_certificate(candidate.certificate.pem.encode())
        if _spki(public_key) != _spki(certificate.public_key()):
            raise KeyMismatch
        return PrivateKey(pem)


def throwaway_certificate(connection: str, policy: Policy, now: datetime) -> Certificate:
    """Make a certificate of the policy's size whose private key no one keeps: for a rehearsal."""
    key = _GENERATORS[policy.algorithm]()
    made = _self_signed(key, COMMON_NAME, connection, now, timedelta(days=policy.days))
    return Certificate.parse(made.public_bytes(Encoding.PEM).decode())


SIGN_IN_ALGORITHM: Final = "ES256"
"""What the keys that ``new_sign_in_key`` makes sign assertions with."""


def new_sign_in_key() -> bytes:
    """Generate a key (EC P-256) with which Keyturn signs in to NetSuite, as unencrypted PKCS#8 PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def sign_in_certificate(pem: bytes, connection: str, now: datetime) -> str:
    """Return a certificate (PEM) for the sign-in key ``pem``, valid for two years from ``now`` (UTC).

    Each call makes another certificate for the same key: NetSuite accepts any of them. Raises KeyMismatch.
    """
    made = _self_signed(_sign_in_key(pem), SIGN_IN_COMMON_NAME, connection, now, _SIGN_IN_LIFE)
    return made.public_bytes(Encoding.PEM).decode()


def is_certificate_of(pem: bytes, certificate: str) -> bool:
    """Whether ``certificate`` (PEM) is one of the sign-in key ``pem``. Raises KeyMismatch."""
    public_key = _sign_in_key(pem).public_key()
    try:
        return _spki(x509.load_pem_x509_certificate(certificate.encode()).public_key()) == _spki(public_key)
    except ValueError:
        return False


def _sign_in_key(pem: bytes) -> _Key:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None  # not chained: a parser's message may quote its input, and that is a private key
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise KeyMismatch("What the vault holds for this sign-in is not a private key.")
    return key


def _rsa(bits: int) -> Callable[[], _Key]:
    return lambda: rsa.generate_private_key(public_exponent=65537, key_size=bits)


_GENERATORS: Final[dict[Algorithm, Callable[[], _Key]]] = {
    Algorithm.RSA_2048: _rsa(2048),
    Algorithm.RSA_3072: _rsa(3072),
    Algorithm.RSA_4096: _rsa(4096),
    Algorithm.EC_P256: lambda: ec.generate_private_key(ec.SECP256R1()),
    Algorithm.EC_P384: lambda: ec.generate_private_key(ec.SECP384R1()),
}


def _self_signed(key: _Key, common_name: str, connection: str, now: datetime, life: timedelta) -> x509.Certificate:
    """Return an X.509 v3 end-entity certificate that may only sign data (RFC 5280)."""
    not_before, not_after = validity(now, life)
    # The connection's name has its own field: as part of the common name, it could exceed the limit of 64 characters.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, connection),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_digital_signature_only(), critical=True)
        .add_extension(key_id, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
        .sign(key, hashes.SHA256())
    )


def _digital_signature_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


class _PublicKey(Protocol):
    def public_bytes(self, encoding: Encoding, format: PublicFormat) -> bytes: ...  # noqa: A002 - cryptography's name


def _spki(key: _PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
