"""Time as a test lets it pass, and who reads it by a clock of his own."""

import heapq
import itertools
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import event

from persistence.store import Store
from simulator.clock import Clock

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class VirtualTime(Clock):
    """The time of both systems. It moves only when a caller sleeps; what is due in that time happens then."""

    def __init__(self) -> None:
        super().__init__(lambda: self.time)
        self.time = START
        self.database_ahead = timedelta()
        """How far the database's clock is ahead."""
        self.before_time_passes: Callable[[datetime], None] = lambda _until: None
        self._order = itertools.count()
        self._coming: list[tuple[datetime, int, Callable[[], None]]] = []

    def wait(self, seconds: float) -> None:
        """Hold a call up."""
        self.go_on(seconds)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Let ``act`` happen when so much time has passed."""
        heapq.heappush(self._coming, (self.time + timedelta(seconds=seconds), next(self._order), act))

    def go_on(self, seconds: float) -> None:
        """Let time pass, and what is due in it happen in its order."""
        self.until(self.time + timedelta(seconds=seconds))

    def until(self, moment: datetime) -> None:
        """Let time pass up to ``moment``, if that is still to come."""
        self.before_time_passes(moment)
        while self._coming and self._coming[0][0] <= moment:
            due, _, act = heapq.heappop(self._coming)
            self.time = max(self.time, due)
            act()
        self.time = max(self.time, moment)

    def rule(self, store: Store) -> None:
        """Let an SQLite store read its clock here, and spare it the disk."""

        def opened(connection: sqlite3.Connection, _record: object) -> None:
            connection.create_function("strftime", 2, self._database_now)
            connection.create_function("strftime", 3, self._database_now)
            connection.execute("PRAGMA synchronous = OFF")

        event.listen(store._database._engine, "connect", opened)

    def _database_now(self, _form: str, _now: str, ahead: str | None = "0 seconds") -> str | None:
        if ahead is None:
            return None
        moment = self.time + self.database_ahead + timedelta(seconds=float(ahead.partition(" ")[0]))
        return moment.replace(tzinfo=None).isoformat(" ", "milliseconds")


class WorkersClock:
    """The clock of a machine on which Keyturn runs (states.ports.Clock): virtual time, or ahead of it, or behind."""

    def __init__(self, virtual_time: VirtualTime, ahead: timedelta = timedelta()) -> None:
        self._virtual_time = virtual_time
        self.ahead = ahead

    def now(self) -> datetime:
        return self._virtual_time.time + self.ahead

    def sleep(self, seconds: float) -> None:
        self._virtual_time.go_on(seconds)
