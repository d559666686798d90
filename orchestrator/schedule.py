"""Starts the rotations that are due: what cron calls, and what the worker's loop does by itself."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from orchestrator.operations import clock_repair
from orchestrator.operations.rotations import Rotations
from orchestrator.views.journal import last_postponement
from persistence.store import Store
from states import due
from states.errors import HeldOff, KeyturnError, NotFound, RotationOpen, Stale
from states.ports import Clock
from states.preconditions import goes_on, is_urgent
from states.quiet import QuietTimes
from states.rotation import Rotation
from states.timing import STAY_WITH_OUTAGE

_log = logging.getLogger("keyturn.schedule")

NO_QUIET_TIMES: Final = QuietTimes()
BATCH: Final = 100
"""How many connections one pass starts; the next pass takes the next ones."""
_ALL: Final = 1_000_000
"""More than there are connections."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over the schedule did."""

    started: list[Rotation]
    failed: list[tuple[str, KeyturnError]]
    """The connections whose rotation could not be started, and why."""
    postponed: list[tuple[str, datetime]] = field(default_factory=list)
    """The connections whose rotation waits for the end of a quiet time, and when it begins (UTC)."""

    @property
    def is_full(self) -> bool:
        """Whether more connections may be due than it could take. One where all failed would take the same again."""
        taken = len(self.started) + len(self.postponed)
        return bool(taken) and taken + len(self.failed) >= BATCH


@dataclass(frozen=True, slots=True)
class Left:
    """The open rotations, by what a run would do with them; a rotation that is held off until later is in none."""

    claimable: list[Rotation]
    """A run carries them now, or stays with them because imports may be refused."""
    waiting: list[Rotation]
    """Postponed after a failed step, or waiting for a person."""
    parked: list[Rotation]


class Schedule:
    """Who is due, and their rotations."""

    def __init__(self, store: Store, rotations: Rotations, clock: Clock, quiet: QuietTimes = NO_QUIET_TIMES) -> None:
        self._store = store
        self._rotations = rotations
        self._clock = clock
        self._quiet = quiet

    def all_due(self) -> list[str]:
        """The connections whose rotations a run would start now, the longest overdue first."""
        now = self._clock.now()
        quiet_until = self._quiet.until(now)
        names = self._store.deadlines.due(now, _ALL)
        return [name for name in names if not self._postponed_until(name, quiet_until, now)]

    def left(self) -> Left:
        """Every open rotation that a run would carry, or report because it waits; the oldest first."""
        now = self._clock.now()
        left = Left([], [], [])
        for rotation in self._store.rotations.all_open():
            stays = STAY_WITH_OUTAGE if is_urgent(rotation) else timedelta()
            if not goes_on(rotation):
                left.parked.append(rotation)
            elif rotation.available_at <= now + stays and not rotation.awaits_person:
                left.claimable.append(rotation)
            elif self._is_postponed(rotation):
                left.waiting.append(rotation)
        return left

    def _is_postponed(self, rotation: Rotation) -> bool:
        """Whether it waits after a failed step, or for a person; one that is held off waits for neither."""
        code, _ = last_postponement(self._store.journal.of(rotation.id))
        return bool(rotation.waiting_for) and code != HeldOff.code

    def start_all_due(self, *, actor: str) -> Pass:
        """Like ``start_due``, for every connection that is due, batch by batch."""
        started: list[Rotation] = []
        failed: dict[str, KeyturnError] = {}
        postponed: list[tuple[str, datetime]] = []
        while True:
            one = self.start_due(actor=actor)
            started += one.started
            failed |= dict(one.failed)
            postponed += one.postponed
            if not one.is_full:
                return Pass(started, list(failed.items()), postponed)

    def start_due(self, *, actor: str) -> Pass:
        """Request a rotation for each connection that is due; bring back what a wrong clock put out of reach.

        In a quiet time it postpones them instead, and what people see as the next rotation is that moment.

        Safe to repeat, and on several machines at once.
        """
        clock_repair.bring_back(self._store, self._clock.now())
        started: list[Rotation] = []
        failed: list[tuple[str, KeyturnError]] = []
        postponed: list[tuple[str, datetime]] = []
        now = self._clock.now()
        quiet_until = self._quiet.until(now)
        for name in self._store.deadlines.due(now, BATCH):
            try:
                if until := self._postponed_until(name, quiet_until, now):
                    self._store.deadlines.postpone(name, until)
                    postponed.append((name, until))
                    continue
                started.append(self._rotations.request(name, actor=actor, reason="due", scheduled=True, due_by=now))
            except (RotationOpen, Stale):
                _log.info("another machine was first", extra={"connection": name})
            except NotFound:
                _log.info("connection was removed meanwhile", extra={"connection": name})
            except KeyturnError as error:
                _log.exception("rotation not started", extra={"connection": name})
                failed.append((name, error))
        done = Pass(started, failed, postponed)
        if not done.is_full:
            self._note_pass(now)
        return done

    def _note_pass(self, now: datetime) -> None:
        """Note the pass for monitoring. A failure must not keep the caller from carrying what was started."""
        try:
            self._store.monitoring.note_pass(now)
        except KeyturnError as error:
            _log.warning("pass not noted", extra={"code": error.code, "reason": error.message})

    def _postponed_until(self, name: str, quiet_until: datetime | None, now: datetime) -> datetime | None:
        """The moment (UTC) until which a quiet time that ends at ``quiet_until`` postpones this connection's rotation.

        None where it begins now. Raises NotFound.
        """
        if quiet_until is None:
            return None
        return due.postponed_until(self._store.connections.get(name).current, quiet_until, now)
