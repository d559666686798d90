"""A connection's systems, keys and time in one: what was called, in which order, and what is to go wrong."""

import hashlib
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from unit.states.fake_systems import FakeKeys, FakeNetSuite, FakeOpenAir, FakeTurn
from unit.states.rotations import NOW, Pair, a_pair, a_rotation

from states import table
from states.errors import KeyturnError
from states.ports import Ports
from states.rotation import Rotation
from states.state import State

REMOTE_CALL = 0.1
"""Seconds that every remote call takes."""
Answer = TypeVar("Answer")


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
    netsuite: FakeNetSuite = field(init=False)
    openair: FakeOpenAir = field(init=False)
    keys: FakeKeys = field(init=False)
    turn: FakeTurn = field(init=False)
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
