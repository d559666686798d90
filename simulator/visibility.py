"""A value whose last change may show late, as in a system whose nodes take their time to agree."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")


class Shown(Generic[T]):
    """Holds an immutable value; every change replaces it. Safe to use from many threads.

    `now` is the systems' time, by which a concealed change comes to light.
    """

    def __init__(self, value: T, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._current = value
        self._before = value
        self._hidden_until: datetime | None = None

    def get(self) -> T:
        """The value as everybody sees it: the one before the last change while that is concealed."""
        with self._lock:
            if self._hidden_until is not None and self._now() < self._hidden_until:
                return self._before
            return self._current

    def change(self, change: Callable[[T], T]) -> T:
        """Replace the true value by what `change` makes of it, and return that; it shows at once."""
        with self._lock:
            new = change(self._current)
            if new is not self._current:
                self._before, self._current, self._hidden_until = self._current, new, None
            return new

    def conceal(self, seconds: float) -> None:
        """Let the last change show only after `seconds`."""
        with self._lock:
            self._hidden_until = self._now() + timedelta(seconds=seconds)
