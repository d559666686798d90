"""What remedies are tried with: a fault that parks a rotation between both sides, a clock to put forward."""

from datetime import datetime, timedelta

from support.environment import ImpatientClock

from simulator import Fault

NO_SAVE = Fault("openair.api", "401", action="Modify", times=None)
"""OpenAir can be read, but not saved to."""


class LaterClock(ImpatientClock):
    """The machine's clock, some time from now."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead
