"""A value whose last change can become visible late, as in an eventually consistent system."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")


class DelayedValue(Generic[T]):
    """Holds an immutable value; every change replaces it. Safe to use from several threads.

    `now` returns the systems' time. It decides when a hidden change becomes visible.
    """

    def __init__(self, value: T, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._current = value
        self._before = value
        self._hidden_until: datetime | None = None

    def get(self) -> T:
        """Return the visible value. While the last change is hidden, this is the value before it."""
        with self._lock:
            if self._hidden_until is not None and self._now() < self._hidden_until:
                return self._before
            return self._current

    def change(self, change: Callable[[T], T]) -> T:
        """Apply `change` to the true value and return the result, which is visible at once."""
        with self._lock:
            new = change(self._current)
            if new is not self._current:
                self._before, self._current, self._hidden_until = self._current, new, None
            return new

    def hide_change(self, seconds: float) -> None:
        """Hide the last change for `seconds`."""
        with self._lock:
            self._hidden_until = self._now() + timedelta(seconds=seconds)
