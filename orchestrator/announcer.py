"""Announces to the watchers of other processes that this one has committed something; in a thread of its own."""

import logging
import threading
from typing import Final, Self

from orchestrator.shortage import start
from persistence.store import Store
from states.errors import KeyturnError

_log = logging.getLogger("keyturn.store")

REST: Final = 0.05
"""Seconds between two announcements, so that a busy process announces many commits at once."""
_REST_AFTER_ERROR: Final = 1.0
_END_WITHIN: Final = 5.0
"""Seconds to wait for the thread at the end, which may wait for a database that does not answer."""


class Announcer:
    """Use it as a context manager, around everything that commits. On SQLite it does nothing."""

    def __init__(self, store: Store) -> None:
        self._announcements = store.announcements()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keyturn-announcer", daemon=True)

    def __enter__(self) -> Self:
        """Begin. Raises Exhausted."""
        if self._announcements.is_useful:
            start(self._thread)
        return self

    def __exit__(self, *_: object) -> None:
        """Announce what is left, and end."""
        self._stop.set()
        if self._announcements.is_useful:
            self._announcements.wake()
            self._thread.join(_END_WITHIN)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._announcements.wait()
            self._stop.wait(self._announce())
        self._announce()  # what was committed during the last rest
        self._announcements.close()

    def _announce(self) -> float:
        """Announce, and return for how many seconds to rest."""
        try:
            self._announcements.announce()
        except KeyturnError as error:  # watchers look every second besides
            _log.debug("not announced", extra={"code": error.code})
            return _REST_AFTER_ERROR
        return REST
