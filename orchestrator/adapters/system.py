"""The machine's own clock and randomness."""

import builtins
import secrets
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's clock (states.ports.Clock). Takes no arguments."""

    def now(self) -> datetime:
        """The present moment, UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait; a negative number of seconds is no wait."""
        time.sleep(max(0.0, seconds))


class SystemRandom:
    """The operating system's randomness (states.ports.Random). Takes no arguments."""

    def __init__(self) -> None:
        self._random = secrets.SystemRandom()

    def bytes(self, count: int) -> builtins.bytes:
        """``count`` bytes that nobody can foresee."""
        return secrets.token_bytes(count)

    def fraction(self) -> float:
        """A number from 0 (inclusive) to 1 (exclusive)."""
        return self._random.random()
