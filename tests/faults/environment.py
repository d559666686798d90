"""A Keyturn with one worker, and a simulator with a pair of systems for each case, over real HTTP."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
from support.environment import connect, keyturn

from orchestrator import retry
from orchestrator.bootstrap import Keyturn
from orchestrator.events import Changed, Event
from simulator import Entry, Fault, Pair, Simulator
from simulator.faults import When
from states.preconditions import goes_on
from states.rotation import Rotation
from states.state import State
from tests.faults.advised_operator import Person
from tests.faults.virtual_time import VirtualTime, WorkersClock

AGED = 10
"""Seconds between two steps, so that every proof has aged; access tokens live no longer than their margin."""
MOST_PAIRS = 250
MOST_ACTIONS = 8
SECONDS = {"drip": 0.05, "late": 30, "stale": 30}
"""What takes time takes so long: a byte that drips for real, what is late or stale in the systems' time."""


class RealTime(VirtualTime):
    """Virtual time, but calls are held up for real, because their client has a real time-out."""

    def __init__(self) -> None:
        super().__init__()
        self.held = 0
        """How many calls were held up."""

    def wait(self, seconds: float) -> None:
        self.held += 1
        self.stopping.wait(seconds)


@dataclass(frozen=True)
class Call:
    """The nth call of its kind."""

    endpoint: str
    action: str
    nth: int

    @classmethod
    def all_of(cls, entries: list[Entry]) -> list["Call"]:
        calls: list[Call] = []
        for entry in entries:
            endpoint, action = entry.endpoint, (entry.action or "").rpartition("+")[2]
            nth = sum((call.endpoint, call.action) == (endpoint, action) for call in calls)
            calls.append(cls(endpoint, action, nth))
        return calls


class FaultEnvironment:
    """One Keyturn and many pairs of systems; each case has a connection of its own."""

    def __init__(self, app: Keyturn, simulator: Simulator, virtual_time: RealTime, timeout: float) -> None:
        self.app = app
        self.simulator = simulator
        self.virtual_time = virtual_time
        self._timeout = timeout
        self._pairs = iter(simulator.pairs.values())
        self._cases = 0

    def fault(
        self, call: Call, kind: str, when: When, pair: Pair, *, lasting: bool = False, code: str | None = None
    ) -> Fault:
        """The fault that strikes this call of those to come, or with ``lasting`` all of its kind from it on.

        ``code`` is what the fault `error` answers; None for an unknown error.
        """
        return Fault(
            call.endpoint,
            kind,
            call.action,
            pair.netsuite.account,
            when,
            None if lasting else 1,
            call.nth,
            SECONDS.get(kind, 1.5 * self._timeout),
            code,
        )

    def case(self, *, rotated: bool) -> tuple[Pair, Person]:
        """A new connection, rotated once or never, and who looks after it.

        Where several ends are advised, every other case chooses the last.
        """
        pair = next(self._pairs)
        choice = self._cases = self._cases - 1
        person = Person(self.app, pair, name_of(pair), lambda ends: ends[choice % 2 * -1])
        connect(self.app, pair.credentials, name_of(pair))
        if rotated:
            self.app.rotations.request(name_of(pair), actor="tester")
            self.carry(pair)
            self.recover(pair, person)
        return pair, person

    def carry(self, pair: Pair, listen: Callable[[Rotation], None] = lambda _rotation: None) -> Rotation:
        """Carry the connection's rotation until it waits for a person or has ended. ``listen`` hears of each change."""
        return self._carry(pair, goes_on, listen)

    def carry_until_parked(self, pair: Pair) -> Rotation:
        """Carry the connection's rotation until it is parked or has ended, even if Keyturn restores by itself."""
        return self._carry(pair, lambda rotation: rotation.is_open and rotation.state is not State.FAILED)

    def _carry(
        self,
        pair: Pair,
        goes_on: Callable[[Rotation], bool],
        listen: Callable[[Rotation], None] = lambda _rotation: None,
    ) -> Rotation:
        rotation = self.app.store.rotations.open_for(name_of(pair))
        assert rotation

        def receive(event: Event) -> None:
            if isinstance(event, Changed):
                self.virtual_time.go_on(AGED)
                listen(event.rotation)

        with self.app.engine() as engine, self.app.events.listening(receive):
            while goes_on(rotation):
                self.settle()
                self.virtual_time.until(rotation.available_at)
                claim = self.app.store.claims.claim(
                    "worker", lease=600, now=self.app.clock.now(), rotation_id=rotation.id
                )
                assert claim
                rotation = engine.run(claim)
        self.settle()
        return rotation

    def recover(self, pair: Pair, person: Person, after: object = "nothing") -> None:
        """Do what is advised until all is well, ``after`` this went wrong."""
        for _ in range(MOST_ACTIONS):
            if not person.act():
                return
            if self.app.store.rotations.open_for(name_of(pair)):
                self.carry(pair)
        raise AssertionError(f"In vain, after {after}: {person.done}")

    def settle(self) -> None:
        """Wait until calls that were held up are over: the systems' time goes on only after them."""

        def is_over(_: object = None) -> bool:
            entries = self.simulator.history.entries()
            return self.virtual_time.held == sum(
                "delay" in (it.fault or "") and it.ended != "in progress" for it in entries
            )

        if not is_over():
            self.simulator.history.wait_for(is_over, seconds=60)

    def history(self, pair: Pair) -> list[Entry]:
        """What both systems of a case saw."""
        return self.simulator.history.entries(account=pair.netsuite.account)

    def calls(self, act: Callable[[], object]) -> list[Call]:
        """What is called while ``act`` runs."""
        before = len(self.simulator.history.entries())
        act()
        return Call.all_of(self.simulator.history.entries(before))

    def calls_by_state(self, *, rotated: bool) -> dict[State, list[Call]]:
        """What is called in each state of a rotation in which nothing goes wrong."""
        pair, _ = self.case(rotated=rotated)
        self.app.rotations.request(name_of(pair), actor="tester")
        moments = [(State.REQUESTED, len(self.simulator.history.entries()))]
        self.carry(pair, lambda rotation: moments.append((rotation.state, len(self.simulator.history.entries()))))
        return {
            state: Call.all_of(self.simulator.history.entries()[begin:end])
            for (state, begin), (_, end) in pairwise(moments)
        }


def name_of(pair: Pair) -> str:
    """The name of the connection to ``pair``."""
    return pair.netsuite.account.lower()


@contextmanager
def open_environment(folder: Path, monkeypatch: pytest.MonkeyPatch, timeout: float) -> Iterator[FaultEnvironment]:
    """Open an environment whose client waits ``timeout`` real seconds for an answer and gives up after few tries."""
    for name in ("RESTORE", "REFUSED_RESTORE"):
        monkeypatch.setattr(retry, name, replace(getattr(retry, name), most_postponements=2))
    for step, usual in retry.TABLE.items():
        monkeypatch.setitem(retry.TABLE, step, replace(usual, attempts=2, most_postponements=2))
    virtual_time = RealTime()
    with (
        Simulator(
            accounts=MOST_PAIRS, netsuite_token_seconds=60, openair_token_seconds=60, clock=virtual_time
        ) as simulator,
        keyturn(folder, monkeypatch, KEYTURN_HTTP__TIMEOUT=str(timeout)) as app,
    ):
        app.clock = WorkersClock(virtual_time)  # type: ignore[assignment]
        app.close()
        virtual_time.rule(app.store)
        yield FaultEnvironment(app, simulator, virtual_time, timeout)
