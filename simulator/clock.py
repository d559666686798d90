"""The clock of the simulated systems. Tests can shift it to make the systems' clocks disagree with Keyturn's."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """Return the computer's time in UTC."""
    return datetime.now(UTC)


class Clock:
    """The time of both simulated systems: `source` plus `offset`.

    You can change `offset` while the simulator runs. Both systems and the clock inside SuiteScript follow at once. A
    test with virtual time overrides the three methods. Setting `stopping` ends every wait early.
    """

    def __init__(self, source: Callable[[], datetime] = utc_now) -> None:
        self._source = source
        self.offset = timedelta(0)
        self.stopping = threading.Event()

    def now(self) -> datetime:
        """Return the systems' time in UTC."""
        return self._source() + self.offset

    def wait(self, seconds: float) -> None:
        """Block the caller for `seconds`."""
        self.stopping.wait(seconds)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` after `seconds`, unless the simulator stops first. Returns at once."""

        def wake() -> None:
            if not self.stopping.wait(seconds):
                act()

        threading.Thread(target=wake, name="simulator-late", daemon=True).start()
