"""Both systems in memory, without delay, so that a benchmark measures Keyturn alone.

The keys, the certificates and NetSuite's signatures are made before the clock starts. Keyturn verifies each signature.
"""

import base64
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from orchestrator.adapters.system import SystemClock, SystemRandom
from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from orchestrator.operations.rotations import Rotations
from persistence.kek import KeyEncryptionKey
from persistence.store import Store
from states.certificate import Certificate, Challenge
from states.connection import Connection, NetSuiteSettings, OpenAirSettings, Policy
from states.errors import CannotSign
from states.ports import Clock, Ports, Report
from states.rotation import Candidate, Confirmation, PrivateKey
from states.state import State

KEYS: Final = 2
"""The number of RSA keys that alternate. Every rotation has a certificate of its own."""
CHALLENGES: Final = 3
"""How often NetSuite signs in a rotation without errors: before the install, with it, and to verify."""
NAME: Final = "bench"
"""The name of the connection."""


@dataclass(frozen=True)
class Prepared:
    """What one rotation needs of the systems."""

    candidate: Candidate
    randomness: tuple[bytes, ...]
    signatures: tuple[str, ...]
    """Over the challenges of ``randomness``: the previous key signs the first, the candidate's key the others."""


class Preparation:
    """Makes the certificates and signatures of consecutive rotations before they run."""

    def __init__(self, key_size: int) -> None:
        """``key_size`` is the length of the RSA keys, in bits."""
        self._keys = [rsa.generate_private_key(65537, key_size) for _ in range(KEYS)]
        self._count = 0

    def prepare(self, count: int) -> list[Prepared]:
        """Prepare the next ``count`` rotations."""
        return [self._prepare_next() for _ in range(count)]

    def _prepare_next(self) -> Prepared:
        self._count += 1
        previous, key = (self._keys[(self._count + step) % KEYS] for step in (-1, 0))
        randomness = tuple(secrets.token_bytes(32) for _ in range(CHALLENGES))
        signers = (previous, *[key] * (CHALLENGES - 1))
        signatures = tuple(_sign(signer, nonce) for signer, nonce in zip(signers, randomness, strict=True))
        return Prepared(Candidate(_certificate(key), sealed_key=secrets.token_bytes(2600)), randomness, signatures)


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
    """NetSuite, OpenAir, the keys and the randomness: they answer with what was prepared, in order."""

    prepared: Iterator[Prepared] = field(default_factory=lambda: iter(()))
    openair: Certificate | None = None
    is_installed: bool = False
    """Whether NetSuite has a key: before its first certificate it cannot sign."""
    randomness: Iterator[bytes] = field(default_factory=lambda: iter(()))
    signatures: Iterator[str] = field(default_factory=lambda: iter(()))

    def ports(self, clock: Clock) -> Ports:
        """The ports of a connection between the systems in memory."""
        return Ports(_NetSuite(self), _OpenAir(self), _Keys(self), clock, _Random(self))


class _NetSuite:
    def __init__(self, world: World) -> None:
        self._world = world

    def report(self) -> Report:
        return Report(record=None, server_time=datetime.now(UTC), bundles={})

    def sign(self, challenge: Challenge) -> str:
        del challenge
        signature = next(self._world.signatures)
        if not self._world.is_installed:
            raise CannotSign
        return signature

    def install(
        self,
        certificate: Certificate,
        key: PrivateKey,
        challenge: Challenge,
        *,
        deadline: datetime,
        create: bool,
        warn: Callable[[str], None],
    ) -> str:
        del certificate, key, deadline, create, warn
        self._world.is_installed = True
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
        prepared = next(self._world.prepared)
        self._world.randomness, self._world.signatures = iter(prepared.randomness), iter(prepared.signatures)
        return prepared.candidate

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


class EngineOnStore:
    """The whole engine on a new SQLite store, with automatic connections between systems in memory."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """``folder`` gets the database, ``keyturn.db``. Each of the ``threads`` has a connection of its own."""
        self.file, kek = folder / "keyturn.db", KeyEncryptionKey(secrets.token_bytes(32))
        self.store = Store(f"sqlite:///{self.file}", lambda: kek)
        self.store.migrate()
        clock = SystemClock()
        self.rotations = Rotations(self.store, clock, SystemRandom(), worker="bench", lease=15)
        self._clock = clock
        self._worlds = {name: World() for name in (NAME, *(f"{NAME}-{number}" for number in range(2, threads + 1)))}
        self._ports = {name: world.ports(clock) for name, world in self._worlds.items()}
        bundles: Mapping[str, str] = {"369630": "4.02", "369637": "5.02"}
        for number, name in enumerate(self._worlds, 1):
            netsuite = NetSuiteSettings(account=str(number), client_id="c", certificate_id="k")
            openair = OpenAirSettings(url=f"https://a{number}.app.openair.com", client_id="c")
            self.store.connections.add(Connection(name=name, netsuite=netsuite, openair=openair, bundles=bundles), {})

    def run(self, *prepared: list[Prepared]) -> float:
        """Run the rotations of each connection, one after another to Completed, all connections at once; return how
        many seconds that took.
        """
        with LeaseRenewer(self.store, lease=15) as leases:
            engine = Engine(self.store, self._ports.__getitem__, leases, self._clock)
            began = time.perf_counter()
            if len(prepared) == 1:
                self._run(engine, NAME, prepared[0])
            else:
                with ThreadPoolExecutor(len(prepared)) as pool:
                    list(pool.map(lambda own: self._run(engine, *own), zip(self._worlds, prepared, strict=True)))
            return time.perf_counter() - began

    def _run(self, engine: Engine, name: str, prepared: list[Prepared]) -> None:
        self._worlds[name].prepared = iter(prepared)
        for _ in prepared:
            _, claim = self.rotations.request_and_claim(name, actor="bench")
            assert claim
            assert engine.run(claim).state is State.COMPLETED
