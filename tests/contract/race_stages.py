"""Rotations in several stages, and the verbs that two threads race on them, each with a store of its own as two
machines have.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Final

from support.clock import FakeClock
from support.factories import NOW, a_connection, a_rotation, add, advance_to, an_id, begin, pair_of
from support.fake_systems import FakeSystems
from support.pairs import a_pair
from support.randomness import FakeRandom

from orchestrator.dispatch.claim_runner import ClaimRunner
from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from orchestrator.operations.approvals import Approvals
from orchestrator.operations.recovery import Recovery
from orchestrator.operations.rotations import Rotations
from orchestrator.schedule import Schedule
from orchestrator.stop_request import StopRequest
from persistence import models
from persistence.journal import POSTPONED
from persistence.store import Store
from states.errors import ForeignRotation, KeyturnError
from states.machine import fail
from states.state import State
from states.table import FAIL

NAME: Final = "acme"
RACED: Final = an_id(2)
LEASE: Final = 60.0
TABLES: Final = [table.name for table in models.Rotations.metadata.sorted_tables if table is not models.data_keys]
"""In the order of their references. The data key stays: every machine has it in memory."""
DONE: Final = "DONE"
STALE: Final = "STALE"
Outcome = tuple[str, str, tuple[str, ...]]
"""How each of two verbs ended, DONE or the error's code, and how the connection's rotations were left."""


class Stage:
    """The store and both systems, as two verbs find them; again and again."""

    def __init__(self, store: Store, name: str) -> None:
        self.name = name
        self._store = store
        self.systems = FakeSystems(FakeClock())
        first = begin(store, State.COMPLETED).rotation
        assert first.proofs.candidate
        previous = pair_of(first.proofs.candidate.certificate)
        self.netsuite, self.openair = previous, previous
        STAGES[name](self)
        with store._database.writing() as tx:
            for table in TABLES:
                tx.exec_driver_sql(f"CREATE TABLE {name}_{table} AS SELECT * FROM {table}")  # noqa: S608 - ours
        self.candidate = ""
        if found := store.rotations.open_for(NAME):
            self.candidate = found.proofs.candidate.fingerprint if found.proofs.candidate else ""
        _clear(store)

    def put(self) -> None:
        """Put the store and both systems back to the beginning."""
        self.systems = FakeSystems(FakeClock())
        self.systems.netsuite.hold(self.netsuite)
        self.systems.openair.held = self.openair.certificate
        _clear(self._store)
        with self._store._database.writing() as tx:
            for table in TABLES:
                tx.exec_driver_sql(f"INSERT INTO {table} SELECT * FROM {self.name}_{table}")  # noqa: S608 - ours

    def left(self) -> tuple[str, ...]:
        """How the connection's rotations were left; checks their journals, and that an open one is the newest."""
        assert self._store.journal.verify()
        rotations = self._store.rotations.newest(connection=NAME)
        assert [each.id for each in rotations if each.is_open] in ([], [self._store.rotations.get(NAME).id])
        return tuple(sorted(f"{each.position} {each.state} {each.ending}" for each in rotations))

    # --- how each begins

    def requested(self) -> None:
        """A rotation that no worker has begun."""
        add(self._store, a_rotation(id=RACED, previous=self.netsuite.certificate))

    def foreign(self) -> None:
        """Parked before the upload: both systems hold another party's certificate."""
        self.netsuite = self.openair = a_pair()
        claim = begin(self._store, State.KEY_GENERATED, number=2)
        self._store.rotations.advance(claim, fail(claim.rotation, ForeignRotation(), NOW), event=FAIL, detail={})

    def outage(self) -> None:
        """Parked after the upload: NetSuite holds the candidate, OpenAir the previous certificate."""
        claim = begin(self._store, State.UPLOADED_TO_NETSUITE, number=2)
        assert claim.rotation.proofs.candidate
        self.netsuite = pair_of(claim.rotation.proofs.candidate.certificate)
        self._store.rotations.advance(claim, advance_to(claim.rotation, State.FAILED), event=FAIL, detail={})

    def awaiting(self) -> None:
        """After the upload, waiting for a person to confirm what OpenAir holds."""
        claim = begin(self._store, State.UPLOADED_TO_NETSUITE, number=2)
        assert claim.rotation.proofs.candidate
        self.netsuite = pair_of(claim.rotation.proofs.candidate.certificate)
        waiting = replace(claim.rotation, awaits_person=True, waiting_for="A person.")
        self._store.rotations.advance(claim, waiting, event=POSTPONED, detail={})


STAGES: Final[dict[str, Callable[[Stage], None]]] = {
    "due": lambda _: None,
    "requested": Stage.requested,
    "foreign": Stage.foreign,
    "outage": Stage.outage,
    "awaiting": Stage.awaiting,
}


def _clear(store: Store) -> None:
    with store._database.writing() as tx:
        for table in reversed(TABLES):
            tx.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - ours


class Machine:
    """One machine: a store of its own, and the verbs as its commands do them."""

    def __init__(self, store: Store, name: str, leases: LeaseRenewer) -> None:
        self._store = store
        self._name = name
        self._leases = leases

    def run(self, verbs: Sequence[str], stage: Stage) -> str:
        """Do ``verbs``; return DONE, or the code of the first error with which one was refused."""
        known = self._verbs(stage)
        try:
            for verb in verbs:
                known[verb]()
        except KeyturnError as error:
            return error.code
        return DONE

    def _verbs(self, stage: Stage) -> dict[str, Callable[[], object]]:
        clock, ports, stop = stage.systems.clock, stage.systems.as_ports(), StopRequest()
        rotations = Rotations(self._store, clock, FakeRandom(self._name), worker=self._name, lease=LEASE)
        recovery = Recovery(
            self._store, lambda _: ports, clock, Approvals(self._store, clock, is_required=False), lease=LEASE
        )
        schedule = Schedule(self._store, rotations, clock)
        engine = Engine(self._store, lambda _: ports, self._leases, clock)
        worker = ClaimRunner(self._store, engine, clock, name=self._name, lease=LEASE, stop=stop)
        return {
            "request": lambda: rotations.request(NAME, actor=self._name),
            "resume": lambda: rotations.resume(RACED, actor=self._name),
            "restore": lambda: recovery.restore(RACED, actor=self._name),
            "adopt": lambda: recovery.adopt(RACED, actor=self._name),
            "abandon": lambda: recovery.abandon(RACED, actor=self._name),
            "park": lambda: rotations.park(RACED, actor=self._name),
            "confirm": lambda: rotations.confirm(RACED, stage.candidate, actor=self._name),
            "start due": lambda: schedule.start_all_due(actor=self._name),
            "carry": worker.drain,
        }


PARTS: Final[dict[str, tuple[str, ...]]] = {
    **{verb: (verb,) for verb in ("request", "resume", "restore", "adopt", "abandon", "park", "confirm")},
    "run-due": ("start due", "carry", "carry"),
    "worker": ("carry", "carry"),
}
"""Each verb, and the parts between which another verb can come. Carrying is as often as it finds a rotation."""
CARRIERS: Final = ("run-due", "worker")


class Races:
    """Two machines on one database."""

    def __init__(self, machines: tuple[Machine, Machine], store: Store) -> None:
        self._machines = machines
        self._stages: dict[str, Stage] = {}
        for name in STAGES:
            store.connections.add(a_connection())
            self._stages[name] = Stage(store, name)

    def allowed(self, name: str, first: str, second: str) -> set[Outcome]:
        """What may come of two verbs at once: what comes of their parts in any order; or of the one alone, where the
        other one lost the race, and says so. A worker says nothing: it passes over a rotation that another verb has
        locked, and finds it when it looks again.
        """
        stage, parts = self._stages[name], (PARTS[first], PARTS[second])
        found = {self._in_turn(stage, order) for order in _orders(*parts)}
        for number in (0, 1):
            alone = self._in_turn(stage, [(number, part) for part in parts[number]])
            for lost in (STALE, DONE) if (second, first)[number] in CARRIERS else (STALE,):
                found.add((*[lost if each != number else alone[each] for each in (0, 1)], alone[2]))
        return found

    def at_once(self, name: str, first: str, second: str) -> Outcome:
        """What comes of two verbs at the same moment."""
        stage, together = self._stages[name], Barrier(2)
        stage.put()

        def run(number: int, verb: str) -> str:
            together.wait()
            return self._machines[number].run(PARTS[verb], stage)

        with ThreadPoolExecutor(2) as pool:
            ended = list(pool.map(run, (0, 1), (first, second)))
        return ended[0], ended[1], stage.left()

    def _in_turn(self, stage: Stage, order: Sequence[tuple[int, str]]) -> Outcome:
        """What comes of parts that follow each other; a machine whose verb was refused does no more of it."""
        stage.put()
        ended = [DONE, DONE]
        for number, part in order:
            if ended[number] == DONE:
                ended[number] = self._machines[number].run((part,), stage)
        return ended[0], ended[1], stage.left()


def _orders(first: Sequence[str], second: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """Every order in which the parts of two verbs can be done."""
    length = len(first) + len(second)
    for places in itertools.combinations(range(length), len(first)):
        parts = (iter(first), iter(second))
        numbers = [0 if place in places else 1 for place in range(length)]
        yield [(number, next(parts[number])) for number in numbers]
