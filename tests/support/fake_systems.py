"""NetSuite and OpenAir in memory: the one fake of each. Both pass the contract suite of their port.

By default every request succeeds. A test may script the next ones: refused, done with the answer lost, done later.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from support.clock import FakeClock
from support.factories import a_certificate, key_pem
from support.pairs import Pair, SigningKey, a_pair
from support.randomness import FakeRandom

from states.certificate import Certificate, Challenge
from states.connection import Policy
from states.errors import CannotSign, CertificateRecordMissing, KeyturnError, TryLater
from states.ports import PLACEHOLDER_FILE, Ports, Record, Report
from states.rotation import Candidate, Confirmation, PrivateKey

REMOTE_CALL: Final = 0.25
"""Seconds that every request takes."""
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Fault:
    """How one request goes wrong."""

    error: BaseException | None = None
    reply: Any = None
    """The answer where there is no error."""
    applied: bool = False
    """Whether the system does it all the same, at once …"""
    late: float | None = None
    """… or after so many seconds."""
    before: Callable[[], None] = lambda: None
    """What another party does just before."""


@dataclass
class FakeSystems:
    """Both systems of one connection, the requests that they got, and how the next ones will end."""

    clock: FakeClock = field(default_factory=FakeClock)
    calls: list[str] = field(default_factory=list)
    """Every request, in order: "netsuite.sign", "openair.save", …"""
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    next_fault: Callable[[str], Fault | None] | None = None
    """Where it is set, it decides about every request in place of ``faults``."""
    after_call: Callable[[str], None] = lambda _call: None
    """What happens elsewhere after each request reached its system, before its answer arrives."""
    events: list[tuple[str, str, datetime]] = field(default_factory=list)
    """What the systems did: "signed", "installed" or "saved", with which fingerprint, when."""
    netsuite: "FakeNetSuite" = field(init=False)
    openair: "FakeOpenAir" = field(init=False)

    def __post_init__(self) -> None:
        self.netsuite = FakeNetSuite(self)
        self.openair = FakeOpenAir(self)

    def hold(self, pair: Pair) -> None:
        """Let both systems hold ``pair``."""
        self.netsuite.hold(pair)
        self.openair.held = pair.certificate

    def as_ports(self, fraction: float = 0.5) -> Ports:
        """Return the ports of the connection. Every random number is ``fraction``."""
        return Ports(self.netsuite, self.openair, FakeKeys(self), self.clock, FakeRandom(fraction=fraction))

    # --- the script

    def will_fail(self, call: str, *errors: BaseException, applied: bool = False, late: float | None = None) -> None:
        """Let the next requests of this name that have no fault yet raise ``errors``, one after another."""
        self.faults[call].extend(Fault(error, applied=applied, late=late) for error in errors)

    def will_answer(self, call: str, reply: Any, *, applied: bool = False) -> None:
        """Let the next such request that has no fault yet answer ``reply``."""
        self.faults[call].append(Fault(reply=reply, applied=applied))

    def will_go_well(self, call: str, *, after: Callable[[], None] = lambda: None) -> None:
        """Let the next such request that has no fault yet succeed, ``after`` another party did something."""
        self.faults[call].append(Fault(before=after))

    # --- the requests

    def request(self, call: str, act: Callable[[], Answer]) -> Answer:
        """Make one request: note it, let its time pass, and end it as the script says."""
        self.clock.advance(REMOTE_CALL)
        self.calls.append(call)
        fault = self._fault(call) or Fault()
        fault.before()
        scripted = fault.error is not None or fault.reply is not None
        answer = act() if fault.applied or not scripted else None
        if fault.late is not None:
            self.clock.later(fault.late, partial(_discard_answer, act))
        self.after_call(call)
        if fault.error:
            raise fault.error
        return fault.reply if scripted else answer  # type: ignore[return-value]

    def _fault(self, call: str) -> Fault | None:
        if self.next_fault:
            return self.next_fault(call)
        return self.faults[call].popleft() if self.faults[call] else None

    def became(self, what: str, fingerprint: str) -> None:
        """Note what a system did."""
        self.events.append((what, fingerprint, self.clock.now()))

    @property
    def saved(self) -> list[str]:
        """The fingerprints that OpenAir took, in order."""
        return [fingerprint for what, fingerprint, _ in self.events if what == "saved"]

    @property
    def installed(self) -> list[str]:
        """The fingerprints that NetSuite took, in order."""
        return [fingerprint for what, fingerprint, _ in self.events if what == "installed"]


class FakeNetSuite:
    """The certificate record (states.ports.NetSuite)."""

    def __init__(self, systems: FakeSystems) -> None:
        self._systems = systems
        self.holds: Pair | None = None
        self.file_name = "certificate.pem"
        self.can_sign = True
        self.bundles: dict[str, str | None] = {"369630": "4.02", "369637": "5.02"}
        self.warnings: list[str] = []
        """What each install could not do."""
        self.deadlines: list[datetime] = []
        """The deadline of each install that was sent."""

    def hold(self, pair: Pair | None, *, file_name: str = "certificate.pem", can_sign: bool = True) -> None:
        """Let the record hold ``pair``; None: let it be missing."""
        self.holds, self.file_name, self.can_sign = pair, file_name, can_sign

    def hold_placeholder(self, *, can_sign: bool = True) -> None:
        """Let the record hold what the vendor's bundle ships."""
        self.hold(a_pair(), file_name=PLACEHOLDER_FILE, can_sign=can_sign)

    def report(self) -> Report:
        return self._systems.request("netsuite.report", self._report)

    def sign(self, challenge: Challenge) -> str:
        return self._systems.request("netsuite.sign", lambda: self._sign(challenge))

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
        opened = load_pem_private_key(key.reveal(), password=None)
        assert isinstance(opened, SigningKey)
        pair = Pair(opened, certificate)
        self.deadlines.append(deadline)
        for warning in self.warnings:
            warn(warning)

        def act() -> str:
            if self._systems.clock.now() > deadline:
                raise TryLater("The deadline is over.")
            if self.holds is None and not create:
                raise CertificateRecordMissing
            self.hold(pair)
            self._systems.became("installed", certificate.fingerprint)
            return self._sign(challenge)

        return self._systems.request("netsuite.install", act)

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
        missing = tuple(bundle for bundle in ("369630", "369637") if bundle not in self.bundles)
        now = self._systems.clock.now()
        return Report(record=record, server_time=now, bundles=dict(self.bundles), missing_bundles=missing)

    def _sign(self, challenge: Challenge) -> str:
        if self.holds is None:
            raise CertificateRecordMissing
        if not self.can_sign:
            raise CannotSign
        self._systems.became("signed", self.holds.fingerprint)
        return self.holds.sign(challenge.text)


class FakeOpenAir:
    """The certificate that OpenAir trusts (states.ports.OpenAir)."""

    def __init__(self, systems: FakeSystems) -> None:
        self._systems = systems
        self.held: Certificate | None = None
        self.shows_after: float = 0
        """Seconds from a save until it is read back."""

    def read(self) -> Certificate | None:
        return self._systems.request("openair.read", lambda: self.held)

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
        def show() -> None:
            self.held = confirmation.certificate

        def act() -> None:
            self._systems.became("saved", confirmation.fingerprint)
            self._systems.clock.later(self.shows_after, show) if self.shows_after else show()

        check()
        self._systems.request("openair.save", act)


class FakeKeys:
    """Generates a new candidate for each rotation (states.ports.Keys), with a key of the factories."""

    def __init__(self, systems: FakeSystems) -> None:
        self._systems = systems

    def generate(self, rotation_id: str, connection: str, policy: Policy, now: datetime) -> Candidate:
        assert rotation_id
        assert connection
        made = Candidate(a_certificate(now=now, days=policy.days), b"sealed")
        return self._systems.request("keys.generate", lambda: made)

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        assert rotation_id
        return PrivateKey(key_pem(candidate.certificate))


def _discard_answer(act: Callable[[], object]) -> None:
    """Apply a request that lands late: no caller gets its answer."""
    with suppress(KeyturnError):
        act()
