"""Closes connections to other systems that no call needs any more, so that open sockets do not grow with customers.

A worker calls three hosts for each connection, and most of them once in months. The other systems close an idle
connection after a while, but our side of it stays open until we close it, too.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

PER_THREAD: Final = 3
"""How many sessions may stay open without a call for each thread that makes calls: the steps of one rotation use so
many."""
SECONDS: Final = 10.0
"""How long a session stays open after its last call: longer than the waits between the calls of a step."""
LOOK: Final = 1.0
"""Seconds between two looks at whether the other side has closed a session's connections."""


class Session(Protocol):
    """What holds connections to one system."""

    @property
    def is_dropped(self) -> bool:
        """Whether the other side has closed a connection."""
        ...

    def close(self) -> None:
        """Close the connections. The next call opens others."""
        ...


class IdleConnections:
    """Sessions without a call, the longest idle first. Safe to share between threads."""

    def __init__(self, *, most: int = PER_THREAD, seconds: float = SECONDS, look: float = LOOK) -> None:
        self._most = most
        self._seconds = seconds
        self._look = look
        self._lock = threading.Condition()
        self._calls: Counter[Session] = Counter()
        self._idle: dict[Session, float] = {}
        self._closer: threading.Thread | None = None

    def serve(self, threads: int) -> None:
        """Keep as many sessions open as so many threads use. Safe to repeat: the most threads count."""
        with self._lock:
            self._most = max(self._most, PER_THREAD * threads)

    @contextmanager
    def in_use(self, session: Session) -> Iterator[None]:
        """Keep the session open while the block runs."""
        with self._lock:
            self._calls[session] += 1
            self._idle.pop(session, None)
        try:
            yield
        finally:
            self._end_call(session)

    def _end_call(self, session: Session) -> None:
        with self._lock:
            self._calls[session] -= 1
            if self._calls[session]:
                return
            del self._calls[session]
            self._idle[session] = time.monotonic()
            while len(self._idle) > self._most:
                self._close(next(iter(self._idle)))
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
                now = time.monotonic()
                for session, since in list(self._idle.items()):
                    if since + self._seconds <= now or session.is_dropped:
                        self._close(session)
                if self._idle:
                    self._lock.wait(self._look)
            self._closer = None

    def _close(self, session: Session) -> None:
        # Under the lock: a call that began now would find its connection pool closed, and could not tell what was sent.
        del self._idle[session]
        session.close()


IDLE: Final = IdleConnections()
"""This process's."""
