"""Clocks that never wait."""

from collections.abc import Callable
from datetime import datetime, timedelta

from support.factories import NOW

from orchestrator.adapters.system import SystemClock


class FakeClock:
    """A clock (states.ports.Clock) that moves when a test sets it, or when a caller sleeps.

    What a test schedules with ``later`` happens when the clock passes that moment.
    """

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment
        self.slept: list[float] = []
        self._later: list[tuple[datetime, Callable[[], object]]] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def later(self, seconds: float, event: Callable[[], object]) -> None:
        """Let ``event`` happen ``seconds`` from now."""
        self._later.append((self.moment + timedelta(seconds=seconds), event))

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is scheduled happen in order."""
        end = self.moment + timedelta(seconds=seconds)
        for at, event in sorted((each for each in self._later if each[0] <= end), key=lambda each: each[0]):
            self._later.remove((at, event))
            self.moment = at
            event()
        self.moment = end


class OffsetClock(SystemClock):
    """The machine's clock, set ``ahead`` of the true time (or behind it). It never waits."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        return super().now() + self.ahead

    def sleep(self, seconds: float) -> None:
        """Return at once."""
