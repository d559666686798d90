"""Closes connections to other systems that no call needs any more, so that open sockets do not grow with customers.

A worker calls three hosts for each connection, and most of them once in months. The other systems close an idle
connection after a while, but our side of it stays open until we close it, too.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import requests

MOST: Final = 16
"""How many sessions may stay open without a call. The steps of one rotation use three."""
SECONDS: Final = 10.0
"""How long a session stays open after its last call: longer than the waits between the calls of a step."""


class IdleConnections:
    """Sessions without a call, the longest idle first. Safe to share between threads."""

    def __init__(self, *, most: int = MOST, seconds: float = SECONDS) -> None:
        self._most = most
        self._seconds = seconds
        self._lock = threading.Condition()
        self._calls: Counter[requests.Session] = Counter()
        self._idle: dict[requests.Session, float] = {}
        self._closer: threading.Thread | None = None

    @contextmanager
    def in_use(self, session: requests.Session) -> Iterator[None]:
        """Keep the session open while the block runs."""
        with self._lock:
            self._calls[session] += 1
            self._idle.pop(session, None)
        try:
            yield
        finally:
            self._end_call(session)

    def _end_call(self, session: requests.Session) -> None:
        with self._lock:
            self._calls[session] -= 1
            if self._calls[session]:
                return
            del self._calls[session]
            self._idle[session] = time.monotonic()
            while len(self._idle) > self._most:
                self._close_oldest()
            if self._closer is None:
                self._start_closer()

    def _start_closer(self) -> None:
        self._closer = threading.Thread(target=self._close_expired, name="keyturn-idle", daemon=True)
        try:
            self._closer.start()
        except RuntimeError:  # the machine lets no more threads start: the limit on the number still holds
            self._closer = None

    def _close_expired(self) -> None:
        with self._lock:
            while self._idle:
                left = next(iter(self._idle.values())) + self._seconds - time.monotonic()
                if left > 0:
                    self._lock.wait(left)
                else:
                    self._close_oldest()
            self._closer = None

    def _close_oldest(self) -> None:
        # Under the lock: a call that began now would find its connection pool closed, and could not tell what was sent.
        session = next(iter(self._idle))
        del self._idle[session]
        session.close()


IDLE: Final = IdleConnections()
"""This process's."""
