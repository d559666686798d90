"""Certificates and challenges: what is public of a key, and how possession of its private half is proved.

Parsing and verifying are pure computations, in states/x509.py; there is no I/O here.
"""

import base64
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from states.errors import InvalidInput
from states.timing import CERTIFICATE_BACKDATED

CHALLENGE_PREFIX = "keyturn-challenge-v1:"
"""The prefix of every signed challenge. A real-time import trigger begins with ``action=``, so a signature over a
challenge can never be passed off as one."""

_NONCE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Challenge:
    """32 random bytes that NetSuite is asked to sign, as 43 characters of base64url."""

    nonce: str

    def __post_init__(self) -> None:
        if not _NONCE.fullmatch(self.nonce):
            raise InvalidInput("A challenge is 32 bytes, written as 43 characters of base64url.")

    @classmethod
    def of(cls, random_bytes: bytes) -> "Challenge":
        """Make a challenge of 32 random bytes."""
        return cls(base64.urlsafe_b64encode(random_bytes).decode().rstrip("="))

    @property
    def text(self) -> bytes:
        """The very bytes that are signed."""
        return (CHALLENGE_PREFIX + self.nonce).encode()


@dataclass(frozen=True, slots=True)
class Certificate:
    """An X.509 certificate: public, and all that OpenAir ever sees of a candidate."""

    pem: str = field(repr=False)
    fingerprint: str
    """SHA-256 of the DER encoding, 64 lower-case hex digits."""
    not_before: datetime
    not_after: datetime
    """Both UTC. The certificate is valid from the first to the second, inclusive."""

    @classmethod
    def parse(cls, pem: str) -> "Certificate":
        """Read one PEM certificate; anything that follows it (another certificate, a key) is dropped.

        Raises InvalidInput when there is none.
        """
        from states import x509  # noqa: PLC0415 - see there

        try:
            return cls(*x509.parse(pem))
        except ValueError as error:
            raise InvalidInput("This is not a PEM certificate.") from error

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether ``moment`` (aware, UTC) lies within the validity period."""
        return self.not_before <= moment <= self.not_after

    def verifies(self, signature: str, message: bytes) -> bool:
        """Whether ``signature`` (standard Base64) over ``message`` was made with this certificate's private key.

        SHA-256 with PKCS#1 v1.5 for RSA keys, with ECDSA (DER) for EC keys: what `N/crypto/certificate` is assumed to
        make (assumption: Oracle's pages name the hash, not the padding). False for malformed Base64, and for a
        certificate that was changed where it is stored so that it cannot be read.
        """
        from states import x509  # noqa: PLC0415 - see there

        return x509.verifies(self.pem, signature, message)


def validity(made_at: datetime, life: timedelta) -> tuple[datetime, datetime]:
    """From when to when (UTC) a certificate is valid that Keyturn makes at ``made_at`` for ``life``: in whole seconds.

    It begins CERTIFICATE_BACKDATED before, so that a system whose clock is slow accepts it at once.
    """
    made_at = made_at.replace(microsecond=0)
    return made_at - CERTIFICATE_BACKDATED, made_at + life


def plain(fingerprint: str) -> str:
    """A fingerprint as Keyturn has it: colons, case and space around it do not matter."""
    return fingerprint.replace(":", "").strip().lower()
