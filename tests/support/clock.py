"""Time that passes when somebody sleeps, and not otherwise."""

from datetime import datetime, timedelta

from support.factories import NOW


class FakeClock:
    """A clock (states.ports.Clock) that a test may set, too."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)
