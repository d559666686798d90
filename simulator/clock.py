"""The simulated systems' clock: the machine's, or set apart from it for tests with clocks that disagree."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """The machine's time in UTC."""
    return datetime.now(UTC)


class Clock:
    """Gives the simulated systems' time: `source` plus `offset`.

    `offset` may be changed while the simulator runs; both systems and the clock inside SuiteScript follow at once.
    """

    def __init__(self, source: Callable[[], datetime] = utc_now) -> None:
        self._source = source
        self.offset = timedelta(0)

    def now(self) -> datetime:
        """The systems' time, in UTC."""
        return self._source() + self.offset
