"""Both systems in memory, without any delay: what is measured is Keyturn.

What NetSuite does takes no time here, so its signatures are made beforehand, like the keys; Keyturn verifies each one.
"""

import base64
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from states.certificate import Certificate, Challenge
from states.connection import Policy
from states.ports import Clock, Ports, Report
from states.rotation import Candidate, Confirmation, PrivateKey

KEYS: Final = 3
"""So many RSA-3072 keys take turns; each certificate is another one."""
CHALLENGES: Final = 3
"""How many signatures NetSuite makes in a rotation that goes well: who is there, after the install, at the end."""


@dataclass(frozen=True)
class Made:
    """What is made beforehand for one rotation."""

    candidate: Candidate
    randomness: tuple[bytes, ...]
    signatures: tuple[str, ...]
    """Over the challenges of ``randomness``: the first by the previous key, the others by the candidate's."""


class Workshop:
    """Makes rotations' keys, certificates and signatures beforehand."""

    def __init__(self) -> None:
        self._keys = [rsa.generate_private_key(65537, 3072) for _ in range(KEYS)]
        self._made = 0

    def make(self, number: int) -> list[Made]:
        """What ``number`` rotations need, one after another."""
        return [self._one() for _ in range(number)]

    def _one(self) -> Made:
        self._made += 1
        previous, key = (self._keys[(self._made + step) % KEYS] for step in (-1, 0))
        randomness = tuple(secrets.token_bytes(32) for _ in range(CHALLENGES))
        signers = (previous, *[key] * (CHALLENGES - 1))
        signatures = tuple(_sign(signer, nonce) for signer, nonce in zip(signers, randomness, strict=True))
        return Made(Candidate(_certificate(key), sealed_key=secrets.token_bytes(2600)), randomness, signatures)


def _sign(key: rsa.RSAPrivateKey, randomness: bytes) -> str:
    signature = key.sign(Challenge.of(randomness).text, padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode()


def _certificate(key: rsa.RSAPrivateKey) -> Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return Certificate.parse(certificate.public_bytes(Encoding.PEM).decode())


@dataclass
class World:
    """Both systems, the keys and the randomness, playing what was made beforehand."""

    made: Iterator[Made] = field(default_factory=lambda: iter(()))
    openair: Certificate | None = None
    randomness: Iterator[bytes] = field(default_factory=lambda: iter(()))
    signatures: Iterator[str] = field(default_factory=lambda: iter(()))

    def ports(self, clock: Clock) -> Ports:
        """The outside world in memory."""
        return Ports(_NetSuite(self), _OpenAir(self), _Keys(self), clock, _Random(self))


class _NetSuite:
    def __init__(self, world: World) -> None:
        self._world = world

    def report(self) -> Report:
        return Report(record=None, server_time=datetime.now(UTC), bundles={})

    def sign(self, challenge: Challenge) -> str:
        del challenge
        return next(self._world.signatures)

    def install(
        self, certificate: Certificate, key: PrivateKey, challenge: Challenge, *, deadline: datetime, create: bool
    ) -> str:
        del certificate, key, deadline, create
        return self.sign(challenge)


class _OpenAir:
    def __init__(self, world: World) -> None:
        self._world = world

    def read(self) -> Certificate | None:
        return self._world.openair

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
        check()
        self._world.openair = confirmation.certificate


class _Keys:
    def __init__(self, world: World) -> None:
        self._world = world

    def generate(self, rotation_id: str, connection: str, policy: Policy, now: datetime) -> Candidate:
        del rotation_id, connection, policy, now
        made = next(self._world.made)
        self._world.randomness, self._world.signatures = iter(made.randomness), iter(made.signatures)
        return made.candidate

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        del rotation_id, candidate
        return PrivateKey(b"")


class _Random:
    def __init__(self, world: World) -> None:
        self._world = world

    def bytes(self, count: int) -> bytes:
        del count
        return next(self._world.randomness)

    def fraction(self) -> float:
        return 0.5
