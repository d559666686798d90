"""NetSuite, OpenAir, the keys and the time, in memory."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from support.clock import FakeClock
from support.factories import a_certificate, key_pem, signed

from states.certificate import Certificate, Challenge
from states.connection import Policy
from states.errors import Unknown
from states.ports import Ports
from states.rotation import Candidate, Confirmation, PrivateKey

CALL = timedelta(seconds=0.25)
"""How long every remote call takes."""


class FakeRandom:
    def bytes(self, count: int) -> bytes:
        return b"random".ljust(count, b".")

    def fraction(self) -> float:
        return 0.25


@dataclass
class Systems:
    """NetSuite, OpenAir and the keys, which misbehave when told to."""

    clock: FakeClock
    netsuite: Certificate | None = None
    openair: Certificate | None = None
    calls: list[str] = field(default_factory=list)
    troubles: dict[str, deque[Exception | None]] = field(default_factory=lambda: defaultdict(deque))
    """What each call raises, time after time; where there is nothing it goes well."""
    deadlines: list[datetime] = field(default_factory=list)
    """Until when each install had to begin."""
    lands: bool = False
    """Whether an install whose answer is lost takes effect."""
    after: Callable[[str], None] = lambda _call: None
    """What happens meanwhile, after each call."""

    @property
    def ports(self) -> Ports:
        return Ports(NetSuite(self), OpenAir(self), Keys(self), self.clock, FakeRandom())  # type: ignore[arg-type]

    def call(self, name: str) -> None:
        self.calls.append(name)
        self.clock.moment += CALL
        trouble = self.troubles[name].popleft() if self.troubles[name] else None
        self.after(name)
        if trouble:
            raise trouble


class NetSuite:
    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    def sign(self, challenge: Challenge) -> str:
        self._systems.call("sign")
        assert self._systems.netsuite
        return signed(self._systems.netsuite, challenge.text)

    def install(
        self, certificate: Certificate, key: PrivateKey, challenge: Challenge, *, deadline: datetime, **_: object
    ) -> str:
        assert key_pem(certificate) == key.reveal()
        self._systems.deadlines.append(deadline)
        try:
            self._systems.call("install")
        except Unknown:
            if self._systems.lands:
                self._systems.netsuite = certificate
            raise
        self._systems.netsuite = certificate
        return signed(certificate, challenge.text)


class OpenAir:
    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    def read(self) -> Certificate | None:
        self._systems.call("read")
        return self._systems.openair

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
        check()
        self._systems.call("save")
        self._systems.openair = confirmation.certificate


class Keys:
    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    def generate(self, rotation_id: str, connection: str, policy: Policy, now: datetime) -> Candidate:
        self._systems.call("generate")
        assert rotation_id
        assert connection
        return Candidate(a_certificate(now=now, days=policy.days), b"sealed")

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        assert rotation_id
        return PrivateKey(key_pem(candidate.certificate))
