"""Starts the rotations that are due: what cron calls, and what the worker's loop does by itself."""

import logging
from dataclasses import dataclass
from typing import Final

from orchestrator.operations import clock_repair
from orchestrator.operations.rotations import Rotations
from persistence.store import Store
from states.errors import KeyturnError, RotationOpen
from states.ports import Clock
from states.rotation import Rotation

_log = logging.getLogger("keyturn.schedule")

BATCH: Final = 100
"""How many connections one pass starts; the next pass takes the next ones."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over the schedule did."""

    started: list[Rotation]
    failed: list[tuple[str, KeyturnError]]
    """The connections whose rotation could not be started, and why."""


class Schedule:
    """Who is due, and their rotations."""

    def __init__(self, store: Store, rotations: Rotations, clock: Clock) -> None:
        self._store = store
        self._rotations = rotations
        self._clock = clock

    def due(self) -> list[str]:
        """The connections that are due now, the longest overdue first, at most one batch."""
        return self._store.connections.due(self._clock.now(), BATCH)

    def start_due(self, *, actor: str) -> Pass:
        """Request a rotation for each connection that is due; bring back what a wrong clock put out of reach.

        Safe to repeat, and on several machines at once.
        """
        clock_repair.bring_back(self._store, self._clock.now())
        started: list[Rotation] = []
        failed: list[tuple[str, KeyturnError]] = []
        for name in self.due():
            try:
                started.append(self._rotations.request(name, actor=actor, reason="due", scheduled=True))
            except RotationOpen:
                _log.info("another machine was first", extra={"connection": name})
            except KeyturnError as error:
                _log.exception("rotation not started", extra={"connection": name})
                failed.append((name, error))
        return Pass(started, failed)
