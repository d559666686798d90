"""Hints to the workers of the queue, from any process: a command, the console, or another worker."""

import logging
from typing import Final

from persistence.hints import Hints
from states.errors import KeyturnError

_log: Final = logging.getLogger("keyturn.worker")


class QueueHints:
    """Wakes an idle worker on any machine (dispatcher.Waker). Without a worker of the queue it does nothing."""

    def __init__(self, hints: Hints) -> None:
        self._hints = hints

    def wake(self, rotation_id: str, *, urgent: bool) -> None:
        """Give the hint, best effort: one that cannot be given costs the workers half a second."""
        try:
            self._hints.give(rotation_id, urgent=urgent)
        except KeyturnError as error:
            _log.debug("hint not given", extra={"rotation": rotation_id, "code": error.code})
