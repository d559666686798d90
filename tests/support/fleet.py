"""A fleet in memory: the real schedule, engine and store, both systems of each connection, and one clock for all.

The clock is set from one event to the next, so that a year takes seconds.
"""

import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import event
from support.clock import FakeClock
from support.fake_systems import FakeSystems, Fault
from support.migrated import migrated_sqlite
from support.stores import open_store

from orchestrator.adapters.system import SystemRandom
from orchestrator.dispatch.claim_runner import ClaimRunner
from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from orchestrator.operations.rotations import Rotations
from orchestrator.schedule import Schedule
from orchestrator.stop_request import StopRequest
from persistence.store import Store
from states import preconditions
from states.connection import Connection
from states.ports import Ports
from states.quiet import QuietTimes

_LEASE = 60.0


class Drawn(SystemRandom):
    """Draws the fractions that a forecast draws."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._chance = random.Random(name)  # noqa: S311 - repeatable chance is wanted

    def fraction(self) -> float:
        return self._chance.random()


def no_fault(_name: str, _call: str) -> Fault | None:
    """Let every request succeed."""
    return None


def _spare_the_disk(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


class Fleet:
    """Connections with their systems, and the process that rotates them."""

    def __init__(self, file: Path, quiet: QuietTimes) -> None:
        """``file`` is the database to make."""
        file.write_bytes(migrated_sqlite().read_bytes())
        self.store: Store = open_store(f"sqlite:///{file}")
        event.listen(self.store._database._engine, "connect", _spare_the_disk)
        self.clock = FakeClock()
        self.systems: dict[str, FakeSystems] = {}
        self.fault: Callable[[str, str], Fault | None] = no_fault
        """How a request of a connection goes wrong, by the connection's name and the call's."""
        self.after_call: Callable[[str], None] = lambda _call: None
        self._chance: dict[str, Drawn] = {}
        rotations = Rotations(self.store, self.clock, SystemRandom(), worker="w", lease=_LEASE)
        self._schedule = Schedule(self.store, rotations, self.clock, quiet)
        engine = Engine(self.store, self._connect, LeaseRenewer(self.store, lease=_LEASE), self.clock)
        self._runner = ClaimRunner(self.store, engine, self.clock, name="w", lease=_LEASE, stop=StopRequest())

    def add(self, connection: Connection) -> None:
        """Add a connection without a certificate, which is due now."""
        name = connection.name
        systems = FakeSystems(
            clock=self.clock,
            next_fault=lambda call: self.fault(name, call),  # as it is by then
            after_call=self.after_call,
        )
        systems.netsuite.hold_placeholder()
        self.systems[name] = systems
        self.store.connections.add(replace(connection, due_at=self.clock.now()))

    def draw_again(self) -> None:
        """Draw as a forecast that begins now."""
        self._chance.clear()

    def go_on(self, until: datetime) -> None:
        """Let everything happen that comes before ``until``."""
        while (moment := self._next()) and moment < until:
            self.clock.moment = max(self.clock.moment, moment)
            self._schedule.start_due(actor="schedule")
            while self._runner.run("w/1"):
                pass
        self.clock.moment = max(self.clock.moment, until)

    def _next(self) -> datetime | None:
        waiting = [
            rotation.available_at
            for rotation in self.store.rotations.all_open()
            if preconditions.goes_on(rotation) and not rotation.awaits_person
        ]
        return min([*waiting, *(at for at, _ in self.store.deadlines.coming(1))], default=None)

    def _connect(self, name: str) -> Ports:
        return replace(self.systems[name].as_ports(), random=self._chance.setdefault(name, Drawn(name)))
