"""This computer's clock and randomness."""

import builtins
import secrets
import time
from datetime import UTC, datetime


class SystemClock:
    """This computer's clock (states.ports.Clock)."""

    def now(self) -> datetime:
        """Return the current time, UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``. Returns at once if it is negative."""
        time.sleep(max(0.0, seconds))


class SystemRandom:
    """The operating system's randomness (states.ports.Random)."""

    def __init__(self) -> None:
        self._random = secrets.SystemRandom()

    def bytes(self, count: int) -> builtins.bytes:
        """Return ``count`` bytes that are unpredictable, fit for challenges."""
        return secrets.token_bytes(count)

    def fraction(self) -> float:
        """Return a number from 0 (inclusive) to 1 (exclusive)."""
        return self._random.random()
