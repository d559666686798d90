"""Passwords of people: hashed and verified with argon2, at most two at a time.

Each takes 64 MiB and about a tenth of a second on purpose. What waits is bounded, too: who asks for many at once must
not take every thread of the console.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from states.errors import Busy, InvalidInput

SHORTEST: Final = 12
LONGEST: Final = 200
_AT_ONCE: Final = 2
_WAITING: Final = 6
_LONGEST_WAIT: Final = 10.0
"""Seconds that one waits for the others."""


class Passwords:
    """Hashes and verifies passwords; safe to share between threads."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """``hasher`` has argon2-cffi's parameters by default: those of RFC 9106 for little memory."""
        self._hasher = hasher or PasswordHasher()
        self._all = threading.BoundedSemaphore(_AT_ONCE + _WAITING)
        self._running = threading.BoundedSemaphore(_AT_ONCE)
        self._decoy: str | None = None

    def hash(self, password: str) -> str:
        """Return the hash of a new password. Raises InvalidInput for one that is too short or too long; Busy."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise InvalidInput(f"A password has {SHORTEST} to {LONGEST} characters.")
        with self._turn():
            return self._hasher.hash(password)

    def is_right(self, password: str, stored: str | None) -> bool:
        """Whether ``stored`` is the hash of ``password``. Without one it takes as long, and the answer is no.

        Raises Busy.
        """
        with self._turn():
            try:
                return self._hasher.verify(stored or self._of_no_one(), password) and stored is not None
            except (VerificationError, InvalidHashError):
                return False

    def _of_no_one(self) -> str:
        """A hash with the same parameters, of a password that no one knows."""
        if self._decoy is None:
            self._decoy = self._hasher.hash(secrets.token_urlsafe(32))
        return self._decoy

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._all.acquire(blocking=False):
            raise Busy
        try:
            if not self._running.acquire(timeout=_LONGEST_WAIT):
                raise Busy
            try:
                yield
            finally:
                self._running.release()
        finally:
            self._all.release()
