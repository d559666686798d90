"""Every state of a rotation that the store can hold, and a `ReachableStates` that puts a rotation into it.

A state is everything stored of a rotation that a verb's precondition may read: every combination of the facets below,
written directly into the store. Combinations that the store's constraints refuse cannot exist.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import update
from support.clock import FakeClock
from support.factories import (
    NOW,
    a_candidate,
    a_certificate,
    a_connection,
    a_rotation,
    add,
    advance_to,
    an_id,
    begin,
    changed,
    key_pem,
    signed,
)
from support.stores import authenticate

from orchestrator.adapters.system import SystemRandom
from orchestrator.operations.approvals import Approvals
from orchestrator.operations.recovery import Recovery
from orchestrator.operations.rotations import Rotations
from persistence import mapping, models, rotation_mapping
from persistence.store import Store
from states.certificate import Certificate, Challenge
from states.errors import (
    CannotSign,
    ForeignRotation,
    IllegalMove,
    KeyturnError,
)
from states.machine import fail
from states.ports import Ports, Report
from states.rotation import Candidate, Confirmation, Ending, PrivateKey, Rotation
from states.state import State
from states.table import ACTIVE

ID: Final = an_id(2)
LEAST: Final = 600
"""The tests cover at least so many states."""
TABLES: Final = ("rotations", "journal", "certificates", "connections", "alerts", "outbox")
LATER, EARLIER = timedelta(minutes=1), timedelta(minutes=-1)


# --- the facets -------------------------------------------------------------------------------------------------------

STANDINGS: Final = ("under way", ForeignRotation, CannotSign, *Ending)
"""Open, parked for one of these reasons, or closed."""
DOUBTS: Final = tuple(
    (doubt, flight) for doubt in (False, True) for flight in (None, EARLIER, LATER) if flight or not doubt
)
"""Whether the rotation is in doubt, and until when a sent request may take effect; a doubt always has such a time."""
PREVIOUS: Final = ("none", "kept", "destroyed", "expired")
"""The previous certificate: none, with its key, without its key, or expired."""
RESTORING: Final = (False, True)
AWAITS_PERSON: Final = (False, True)


@dataclass(frozen=True)
class Point:
    """One combination of the facets."""

    position: State
    standing: str | type[KeyturnError]
    doubt: tuple[bool, timedelta | None]
    previous: str
    restoring: bool
    awaits_person: bool

    def rotation(self, stages: dict[State, Rotation], now: datetime) -> Rotation:
        """Return the rotation in this state."""
        doubtful, flight = self.doubt
        rotation = stages[self.position]
        if self.standing != "under way":
            error = self.standing() if isinstance(self.standing, type) else CannotSign()
            rotation = fail(rotation, error, now)
        ending = self.standing if isinstance(self.standing, Ending) else None
        return changed(
            rotation,
            doubt_since=now + EARLIER if doubtful else None,
            in_flight_until=now + flight if flight else None,
            restoring_since=now + EARLIER if self.restoring else None,
            # A parked rotation waits for a person here: none has a previous certificate that Keyturn restores itself.
            awaits_person=self.awaits_person or isinstance(self.standing, type),
            waiting_for="A person." if self.awaits_person else "",
            ending=ending,
            closed_at=now if ending or self.position is State.COMPLETED else None,
        )


def _may_await_person(point: Point) -> bool:
    """Return whether the rotation may wait for a person: while it is open, from before the upload on."""
    return point.standing == "under way" and point.position in ACTIVE[1:]


_FACETS: Final = (DOUBTS, PREVIOUS, RESTORING, AWAITS_PERSON)
SPACE: Final = [
    point
    for point in (
        *itertools.starmap(Point, itertools.product(ACTIVE, STANDINGS, *_FACETS)),
        *itertools.starmap(Point, itertools.product([State.COMPLETED], ["under way"], *_FACETS)),
    )
    if _may_await_person(point) or not point.awaits_person
]


def is_confirmed(point: Point) -> bool:
    """Return whether NetSuite has confirmed that it holds the candidate."""
    return point.position in (State.UPLOADED_TO_NETSUITE, State.SAVED_TO_OPENAIR)


# --- both systems, which let every verb succeed -----------------------------------------------------------------------


@dataclass
class PermissiveSystems:
    """NetSuite and OpenAir for one verb; they refuse nothing, so only the rotation's own state can refuse the verb."""

    netsuite_holds: Certificate
    openair_holds: Certificate

    def sign(self, challenge: Challenge) -> str:
        return signed(self.netsuite_holds, challenge.text)

    def install(self, certificate: Certificate, key: PrivateKey, challenge: Challenge, **_: Any) -> str:
        assert key_pem(certificate) == key.reveal()
        self.netsuite_holds = certificate
        return self.sign(challenge)

    def report(self) -> Report:
        raise NotImplementedError

    def read(self) -> Certificate:
        return self.openair_holds

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
        raise NotImplementedError


class PlainKeys:
    """Every key is sealed by the fingerprint of its certificate."""

    def generate(self, *_: object) -> Candidate:
        raise NotImplementedError

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        del rotation_id
        return PrivateKey(key_pem(candidate.certificate))


# --- the store in each state ------------------------------------------------------------------------------------------


class ReachableStates:
    """A store with one connection, whose second rotation can be put into any state."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = FakeClock()
        self.random = SystemRandom()
        self.rotations = Rotations(store, self.clock, self.random, worker="tester", lease=15)
        store.connections.add(a_connection())
        first = begin(store, State.COMPLETED).rotation
        assert first.proofs.candidate
        self.previous, self.stranger = first.proofs.candidate.certificate, a_certificate()
        asked = add(store, a_rotation(id=ID, previous=self.previous))
        candidate = a_candidate(certificate=a_certificate(days=800))
        with store._database.writing() as tx:
            tx.execute(
                models.certificates.insert(), mapping.of_certificate(candidate.certificate, candidate.sealed_key)
            )
            for table in TABLES:
                tx.exec_driver_sql(f"CREATE TABLE was_{table} AS SELECT * FROM {table}")  # noqa: S608 - ours
        self.stages = {State.REQUESTED: asked, State.KEY_GENERATED: next_with(asked, candidate)}
        for state in (State.UPLOADED_TO_NETSUITE, State.SAVED_TO_OPENAIR, State.COMPLETED):
            self.stages[state] = advance_to(self.stages[State.KEY_GENERATED], state)

    def put(self, point: Point) -> None:
        """Put the rotation into this state. Raises IntegrityError if the store cannot hold it."""
        expired = self.previous.not_after + timedelta(days=1)
        self.clock.moment = expired if point.previous == "expired" else NOW
        reached = point.rotation(self.stages, self.clock.moment)
        values = {"id": ID, **rotation_mapping.of_changes(self.stages[State.REQUESTED], reached)}
        if point.previous == "none":
            values["previous_fingerprint"] = None
        with self.store._database.writing() as tx:
            tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            for table in TABLES:
                tx.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - ours
                tx.exec_driver_sql(f"INSERT INTO {table} SELECT * FROM was_{table}")  # noqa: S608 - ours
            tx.execute(update(models.rotations).where(models.rotations.c.id == ID).values(values))
            if point.previous == "destroyed":
                named = models.certificates.c.fingerprint == self.previous.fingerprint
                tx.execute(update(models.certificates).where(named).values(sealed_key=None))
        authenticate(self.store)

    def verbs(self) -> dict[str, Callable[[], object]]:
        """Return what each verb does, as its command does it. The systems let every request succeed."""
        shown = self.rotations.show(ID)
        ours = shown.proofs.candidate.certificate if shown.proofs.candidate else self.previous
        restoring = self._recovery(PermissiveSystems(ours, self.previous))
        adopting = self._recovery(PermissiveSystems(self.stranger, self.stranger))
        return {
            "watch": self._watch,
            "park": lambda: self.rotations.park(ID, actor="ada"),
            "resume": lambda: self.rotations.resume(ID, actor="ada"),
            "begin": lambda: self.rotations.begin(ID, actor="ada"),
            "confirm": lambda: self.rotations.confirm(ID, ours.fingerprint, actor="ada"),
            "restore": lambda: restoring.restore(ID, actor="ada"),
            "adopt": lambda: adopting.adopt(ID, actor="ada"),
            "abandon": lambda: adopting.abandon(ID, actor="ada"),
        }

    def _watch(self) -> None:
        """Read the first view of the rotation; raise IllegalMove if it is closed, because nothing more would follow."""
        shown = next(self.rotations.watch(ID))
        if not shown.is_open:
            raise IllegalMove

    def _recovery(self, both: PermissiveSystems) -> Recovery:
        ports = Ports(both, both, PlainKeys(), self.clock, self.random)
        return Recovery(
            self.store, lambda _: ports, self.clock, Approvals(self.store, self.clock, is_required=False), lease=60
        )


def next_with(rotation: Rotation, candidate: Candidate) -> Rotation:
    """Return the rotation with this candidate generated."""
    return changed(rotation, state=State.KEY_GENERATED, candidate=candidate)
