"""Reads X.509 certificates and verifies signatures with them, by `cryptography`. Pure computation, no I/O.

Apart from states/certificate.py, which imports this module where it needs it: a command that only lists rotations
neither parses nor verifies, and importing `cryptography` is a twentieth of its time.
"""

import base64
import warnings
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

# It warns on stderr of serial number 0 and the like, with its own source: nothing that an operator can correct.
warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning)


class Parsed(NamedTuple):
    """What Keyturn needs of a certificate."""

    pem: str
    """The certificate alone."""
    fingerprint: str
    """SHA-256 of the DER encoding, 64 lower-case hex digits."""
    not_before: datetime
    not_after: datetime
    """Both UTC."""


def parse(pem: str) -> Parsed:
    """Read one PEM certificate; drop what follows it, such as another certificate or a key.

    Raises ValueError when there is none.
    """
    try:
        parsed = x509.load_pem_x509_certificate(pem.encode())
        # `cryptography` reads the rest only when asked: a key that it cannot read is useless, a year 0 fits no clock.
        parsed.public_key()
        return Parsed(
            pem=parsed.public_bytes(Encoding.PEM).decode(),
            fingerprint=parsed.fingerprint(hashes.SHA256()).hex(),
            not_before=parsed.not_valid_before_utc,
            not_after=parsed.not_valid_after_utc,
        )
    except Exception as error:  # its errors have no common class, and another party wrote the text
        raise ValueError("This is not a PEM certificate.") from error


def verifies(pem: str, signature: str, message: bytes) -> bool:
    """Whether the private key of the certificate ``pem`` made ``signature`` (standard Base64) over ``message``.

    SHA-256 with PKCS#1 v1.5 for RSA keys, with ECDSA (DER) for EC keys. False for malformed Base64, and for a
    certificate that was changed where it is stored so that it cannot be read.
    """
    try:
        key = _public_key(pem)
        raw = base64.b64decode(signature, validate=True)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(raw, message, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, message, ec.ECDSA(hashes.SHA256()))
        else:
            return False
    except Exception:  # noqa: BLE001 - InvalidSignature, and as for ``parse``
        return False
    return True


@lru_cache(maxsize=64)
def _public_key(pem: str) -> CertificatePublicKeyTypes:
    """Parse once: a rotation verifies several signatures with the same certificate.

    Only what ``parse`` returned comes here. The text that it was given may hold a private key, which a cache would
    keep.
    """
    return x509.load_pem_x509_certificate(pem.encode()).public_key()
