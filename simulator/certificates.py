"""Creates certificates, signs and verifies for both simulated systems, using the `cryptography` library."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key. `repr` does not show the key."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate's DER encoding, as 64 lower-case hex digits."""
        return fingerprint(self.certificate)

    def certificate_pem(self) -> str:
        """Return the certificate as PEM, without the key."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def pem(self) -> str:
        """Return the certificate, then the unencrypted PKCS#8 key, as a NetSuite certificate record takes them."""
        return self.certificate_pem() + private_key_pem(self.key)


def private_key_pem(key: PrivateKey) -> str:
    """Return the key as unencrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def new_rsa_key() -> rsa.RSAPrivateKey:
    """Create an RSA-2048 key. Takes tens of milliseconds."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def new_ec_key() -> ec.EllipticCurvePrivateKey:
    """Create a P-256 key. Takes well under a millisecond, so tests that do not need RSA use it."""
    return ec.generate_private_key(ec.SECP256R1())


def self_signed(key: PrivateKey, name: str, valid_from: datetime, valid_for: timedelta) -> KeyPair:
    """Create a self-signed certificate for `key` with the common name `name`."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_from + valid_for)
    )
    return KeyPair(builder.sign(key, hashes.SHA256()), key)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the certificate's DER encoding, as 64 lower-case hex digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def sign(key: PrivateKey, text: bytes) -> bytes:
    """Sign like NetSuite's `createSigner` with SHA256: PKCS#1 v1.5 for RSA (assumption), DER-encoded ECDSA for EC."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(text, ec.ECDSA(hashes.SHA256()))


def verifies(certificate: x509.Certificate, signature: bytes, text: bytes) -> bool:
    """Return whether the key of `certificate` made `signature` over `text`."""
    public_key = certificate.public_key()
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
        else:
            return False
    except InvalidSignature:
        return False
    return True
