"""Both systems in memory, without any delay: what is measured is Keyturn. Signatures are real."""

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.adapters.system import SystemRandom
from states.certificate import Certificate, Challenge
from states.connection import Policy
from states.ports import Clock, Ports, Report
from states.rotation import Candidate, Confirmation, PrivateKey


@dataclass
class Side:
    """What both systems hold, and the candidates still to be handed out."""

    candidates: Iterator[tuple[Candidate, ec.EllipticCurvePrivateKey]] = field(default_factory=lambda: iter(()))
    next_key: ec.EllipticCurvePrivateKey | None = None
    netsuite: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    openair: Certificate | None = None


class NetSuite:
    """Signs with the key it holds."""

    def __init__(self, side: Side) -> None:
        self._side = side

    def report(self) -> Report:
        """Nothing to tell."""
        return Report(record=None, server_time=datetime.now(UTC), bundles={})

    def sign(self, challenge: Challenge) -> str:
        """A real signature."""
        return base64.b64encode(self._side.netsuite.sign(challenge.text, ec.ECDSA(hashes.SHA256()))).decode()

    def install(
        self, certificate: Certificate, key: PrivateKey, challenge: Challenge, *, deadline: datetime, create: bool
    ) -> str:
        """Take the key of the candidate that was handed out last."""
        del certificate, key, deadline, create
        assert self._side.next_key
        self._side.netsuite = self._side.next_key
        return self.sign(challenge)


class OpenAir:
    """Holds a certificate."""

    def __init__(self, side: Side) -> None:
        self._side = side

    def read(self) -> Certificate | None:
        """What it holds."""
        return self._side.openair

    def save(self, confirmation: Confirmation) -> None:
        """Hold it."""
        self._side.openair = confirmation.certificate


class Keys:
    """Hands out what was made beforehand."""

    def __init__(self, side: Side) -> None:
        self._side = side

    def generate(self, rotation_id: str, connection: str, policy: Policy, now: datetime) -> Candidate:
        """The next candidate."""
        del rotation_id, connection, policy, now
        candidate, self._side.next_key = next(self._side.candidates)
        return candidate

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        """Nothing secret here."""
        del rotation_id, candidate
        return PrivateKey(secrets.token_bytes(16))


def ports(side: Side, clock: Clock) -> Ports:
    """The outside world in memory."""
    return Ports(NetSuite(side), OpenAir(side), Keys(side), clock, SystemRandom())
