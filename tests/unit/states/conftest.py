"""Both systems, the keys and the time, in memory: they note every call in order, and misbehave when told to."""

import base64
import hashlib
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from states import table
from states.certificate import Certificate, Challenge
from states.connection import Policy
from states.errors import (
    CannotSign,
    CertificateRecordMissing,
    KeyMismatch,
    KeyturnError,
    Refused,
    SealBroken,
    Stale,
    TryLater,
)
from states.ports import PLACEHOLDER_FILE, Ports, Record, Report, Write
from states.rotation import Candidate, Cause, Confirmation, Failure, PrivateKey, Receipt, Rotation
from states.state import State

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
REMOTE_CALL = 0.1
"""Seconds that every remote call takes."""
ID = "01KAZ6J5V0ROTATION00000001"

Answer = TypeVar("Answer")
SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


# --- made-up things ---------------------------------------------------------------------------------------------------


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
        **proofs,
    )
    return replace(rotation, **changes)


def parked(rotation: Rotation, error: KeyturnError | None = None) -> Rotation:
    """The rotation, parked where it stands."""
    failure = Failure.of(error or Refused(), failed_from=rotation.state, at=NOW)
    return replace(rotation, state=State.FAILED, failure=failure)


# --- the world --------------------------------------------------------------------------------------------------------


class FakeClock:
    """Time that passes when somebody sleeps or calls; what is to happen later happens on the way."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._now = NOW
        self._later: list[tuple[datetime, Callable[[], object]]] = []

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def later(self, seconds: float, event: Callable[[], object]) -> None:
        self._later.append((self._now + timedelta(seconds=seconds), event))

    def advance(self, seconds: float) -> None:
        end = self._now + timedelta(seconds=seconds)
        for at, event in sorted((each for each in self._later if each[0] <= end), key=lambda each: each[0]):
            self._later.remove((at, event))
            self._now = at
            event()
        self._now = end


class FakeRandom:
    """Bytes that differ each time and are the same in each run."""

    def __init__(self) -> None:
        self._count = 0

    def bytes(self, count: int) -> bytes:
        self._count += 1
        return hashlib.shake_128(f"random {self._count}".encode()).digest(count)

    def fraction(self) -> float:
        return 0.5


@dataclass(frozen=True, slots=True)
class Fault:
    """How one remote call goes wrong."""

    error: BaseException | None = None
    reply: Any = None
    """What is answered where there is no error."""
    applied: bool = False
    """Whether the other system does it all the same, at once …"""
    late: float | None = None
    """… or after so many seconds."""
    before: Callable[[], None] = lambda: None
    """What somebody else does just before."""


@dataclass(slots=True)
class World:
    """One connection's two systems, its keys and its time. At first both sides agree on ``previous``."""

    previous: Pair = field(default_factory=a_pair)
    candidate: Pair = field(default_factory=a_pair)
    clock: FakeClock = field(default_factory=FakeClock)
    calls: list[str] = field(default_factory=list)
    """Every remote call, and every sleep, in order."""
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    next_fault: Callable[[str], Fault | None] | None = None
    """Where it is set, it decides about every call in place of ``faults``."""
    events: list[tuple[str, str, datetime]] = field(default_factory=list)
    """What became true where: what, of which fingerprint, when."""
    netsuite: "FakeNetSuite" = field(init=False)
    openair: "FakeOpenAir" = field(init=False)
    keys: "FakeKeys" = field(init=False)
    turn: "FakeTurn" = field(init=False)
    ports: Ports = field(init=False)

    def __post_init__(self) -> None:
        self.netsuite = FakeNetSuite(self)
        self.openair = FakeOpenAir(self)
        self.keys = FakeKeys(self)
        self.turn = FakeTurn(self)
        self.ports = Ports(self.netsuite, self.openair, self.keys, self.clock, FakeRandom(), self.turn)

    def rotation(self, position: State = State.REQUESTED, **changes: Any) -> Rotation:
        """A rotation of ``candidate`` in place of ``previous`` that got to ``position``, and systems to match."""
        reached = table.proofs_at(position)
        if "confirmation" in reached:
            self.netsuite.hold(self.candidate)
        if "saved" in reached:
            self.openair.held = self.candidate.certificate
        return a_rotation(self.candidate, position, **{"previous": self.previous.certificate, **changes})

    def will_fail(self, call: str, error: BaseException, *, applied: bool = False, late: float | None = None) -> None:
        """Let the next ``call`` that has no fault yet raise ``error``."""
        self.faults[call].append(Fault(error, applied=applied, late=late))

    def will_answer(self, call: str, reply: Any, *, applied: bool = False) -> None:
        """Let the next ``call`` that has no fault yet answer ``reply``."""
        self.faults[call].append(Fault(reply=reply, applied=applied))

    def will_go_well(self, call: str, *, after: Callable[[], None] = lambda: None) -> None:
        """Let the next ``call`` that has no fault yet go well, ``after`` somebody did something."""
        self.faults[call].append(Fault(before=after))

    def remote(self, call: str, act: Callable[[], Answer]) -> Answer:
        """Make one remote call: noted, timed, and failed where that was asked for."""
        self.clock.advance(REMOTE_CALL)
        self.calls.append(call)
        fault = self._fault(call)
        if fault is None:
            return act()
        fault.before()
        if fault.error is None and fault.reply is None:
            return act()
        if fault.applied:
            act()
        if fault.late is not None:
            self.clock.later(fault.late, partial(_unheard, act))
        if fault.error:
            raise fault.error
        return fault.reply  # type: ignore[no-any-return]

    def _fault(self, call: str) -> Fault | None:
        if self.next_fault:
            return self.next_fault(call)
        return self.faults[call].popleft() if self.faults[call] else None

    def became(self, what: str, fingerprint: str) -> None:
        self.events.append((what, fingerprint, self.clock.now()))

    @property
    def saved(self) -> list[str]:
        """The fingerprints that OpenAir took, in order."""
        return [fingerprint for what, fingerprint, _ in self.events if what == "saved"]

    @property
    def installed(self) -> list[str]:
        """The fingerprints that NetSuite took, in order."""
        return [fingerprint for what, fingerprint, _ in self.events if what == "installed"]


def _unheard(act: Callable[[], object]) -> None:
    """What lands late is answered to nobody."""
    with suppress(KeyturnError):
        act()


class FakeNetSuite:
    """The certificate record (states.ports.NetSuite)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.holds: Pair | None = world.previous
        self.file_name = "certificate.pem"
        self.can_sign = True

    def hold(self, pair: Pair | None, *, file_name: str = "certificate.pem", can_sign: bool = True) -> None:
        self.holds, self.file_name, self.can_sign = pair, file_name, can_sign

    def hold_placeholder(self, *, can_sign: bool = True) -> None:
        self.hold(a_pair(), file_name=PLACEHOLDER_FILE, can_sign=can_sign)

    def report(self) -> Report:
        return self._world.remote("netsuite.report", self._report)

    def sign(self, challenge: Challenge) -> str:
        return self._world.remote("netsuite.sign", lambda: self._sign(challenge))

    def install(
        self, certificate: Certificate, key: PrivateKey, challenge: Challenge, *, deadline: datetime, create: bool
    ) -> str:
        def act() -> str:
            if self._world.clock.now() > deadline:
                raise TryLater
            if self.holds is None and not create:
                raise CertificateRecordMissing
            opened = load_pem_private_key(key.reveal(), password=None)
            assert isinstance(opened, SigningKey)
            self.hold(Pair(opened, certificate))
            self._world.became("installed", certificate.fingerprint)
            return self._sign(challenge)

        return self._world.remote("netsuite.install", act)

    def _report(self) -> Report:
        record = None
        if self.holds:
            certificate = self.holds.certificate
            record = Record(
                name="OpenAir real-time",
                file_name=self.file_name,
                valid_from=certificate.not_before,
                valid_to=certificate.not_after,
            )
        return Report(record=record, server_time=self._world.clock.now(), bundles={})

    def _sign(self, challenge: Challenge) -> str:
        if self.holds is None:
            raise CertificateRecordMissing
        if not self.can_sign:
            raise CannotSign
        self._world.became("signed", self.holds.fingerprint)
        return self.holds.sign(challenge.text)


class FakeOpenAir:
    """The certificate that OpenAir trusts (states.ports.OpenAir)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.held: Certificate | None = world.previous.certificate
        self.shows_after: float = 0
        """Seconds from a save to its being read back."""

    def read(self) -> Certificate | None:
        return self._world.remote("openair.read", lambda: self.held)

    def save(self, confirmation: Confirmation) -> None:
        def show() -> None:
            self.held = confirmation.certificate

        def act() -> None:
            self._world.became("saved", confirmation.fingerprint)
            self._world.clock.later(self.shows_after, show) if self.shows_after else show()

        self._world.remote("openair.save", act)


class FakeTurn:
    """The worker's hold on the rotation (states.ports.Turn): noted among the calls, in order."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.began = NOW
        self.is_lost = False
        """Whether another worker has the rotation."""
        self.can_store = True
        """Whether a lost answer can be committed."""
        self.checks: list[str] = []
        """The call that each check came after, or empty."""
        self.unknown: list[tuple[Write, str]] = []
        """Each write whose answer was lost, and the error's code."""
        self.looks: list[str] = []

    def check(self) -> None:
        if self.is_lost:
            raise Stale
        self.checks.append(self._world.calls[-1] if self._world.calls else "")

    def lost(self, write: Write, error: KeyturnError) -> None:
        if not self.can_store:
            raise Stale
        self.unknown.append((write, error.code))
        self._world.calls.append("unknown")

    def saw(self, what: str) -> None:
        self.looks.append(what)


class FakeKeys:
    """Makes ``world.candidate`` the first time, another pair each time after (states.ports.Keys)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.made: list[tuple[str, str, Policy, datetime]] = []
        self.error: KeyturnError | None = None

    def generate(self, rotation_id: str, connection: str, policy: Policy, now: datetime) -> Candidate:
        if self.error:
            raise self.error
        pair = a_pair() if self.made else self._world.candidate
        self.made.append((rotation_id, connection, policy, now))
        return Candidate(pair.certificate, b"sealed")

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        if self.error:
            raise self.error
        if rotation_id != ID or candidate.sealed_key != b"sealed":
            raise SealBroken
        if candidate.fingerprint != self._world.candidate.fingerprint:
            raise KeyMismatch
        key = self._world.candidate.key
        return PrivateKey(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def pair() -> Pair:
    return a_pair()
