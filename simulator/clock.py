"""The simulated systems' clock: the machine's, or set apart from it for tests with clocks that disagree."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """The machine's time in UTC."""
    return datetime.now(UTC)


class Clock:
    """Gives the simulated systems' time, `source` plus `offset`, and lets it pass.

    `offset` may be changed while the simulator runs; both systems and the clock inside SuiteScript follow at once. A
    test that has a time of its own overrides the three methods. `stopping` ends every wait early.
    """

    def __init__(self, source: Callable[[], datetime] = utc_now) -> None:
        self._source = source
        self.offset = timedelta(0)
        self.stopping = threading.Event()

    def now(self) -> datetime:
        """The systems' time, in UTC."""
        return self._source() + self.offset

    def wait(self, seconds: float) -> None:
        """Hold the caller up for `seconds`."""
        self.stopping.wait(seconds)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do `act` in `seconds`, unless the systems stop before; return at once."""

        def wake() -> None:
            if not self.stopping.wait(seconds):
                act()

        threading.Thread(target=wake, name="simulator-late", daemon=True).start()
