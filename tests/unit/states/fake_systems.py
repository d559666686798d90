"""Both systems, the keys and a worker's turn, in memory: they note every call in their world, and do as it says."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from unit.states.rotations import ID, NOW, Pair, SigningKey, a_pair

from states.certificate import Certificate, Challenge
from states.connection import Policy
from states.errors import CannotSign, CertificateRecordMissing, KeyMismatch, KeyturnError, SealBroken, Stale, TryLater
from states.ports import PLACEHOLDER_FILE, Record, Report, Write
from states.rotation import Candidate, Confirmation, PrivateKey

if TYPE_CHECKING:  # it is made of these
    from unit.states.fake_world import World


class FakeNetSuite:
    """The certificate record (states.ports.NetSuite)."""

    def __init__(self, world: "World") -> None:
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

    def __init__(self, world: "World") -> None:
        self._world = world
        self.held: Certificate | None = world.previous.certificate
        self.shows_after: float = 0
        """Seconds from a save to its being read back."""

    def read(self) -> Certificate | None:
        return self._world.remote("openair.read", lambda: self.held)

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
        def show() -> None:
            self.held = confirmation.certificate

        def act() -> None:
            self._world.became("saved", confirmation.fingerprint)
            self._world.clock.later(self.shows_after, show) if self.shows_after else show()

        check()
        self._world.remote("openair.save", act)


class FakeTurn:
    """The worker's hold on the rotation (states.ports.Turn): noted among the calls, in order."""

    def __init__(self, world: "World") -> None:
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

    def __init__(self, world: "World") -> None:
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
