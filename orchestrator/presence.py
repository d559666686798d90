"""Keeps this process present for the other workers, and ends the leases of those that died.

One thread looks at the others five times a second, so that a rotation whose worker was killed is claimed within a
second, however long the poll is, and however busy the worker threads are.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Self

from orchestrator.events import Listener, WorkerDied, ignore
from orchestrator.shortage import start
from persistence.store import Presence, Role, Store, Worker
from states.errors import KeyturnError
from states.timing import HEARTBEAT

_log = logging.getLogger("keyturn.worker")

LOOK: Final = 0.2
"""Seconds between two looks at the other workers."""
_LOOKS_PER_BEAT: Final = round(HEARTBEAT / timedelta(seconds=LOOK))
_END_WITHIN: Final = 5.0
"""Seconds to wait for the thread at the end, which may wait for a database that does not answer."""


class PresenceKeeper:
    """This process among the workers. Use it as a context manager, around everything that claims."""

    def __init__(self, store: Store, worker: Worker, *, listener: Listener = ignore) -> None:
        """``listener`` receives an event for each worker that was found dead."""
        self._store = store
        self._worker = worker
        self._listener = listener
        self._presence: Presence | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keyturn-presence", daemon=True)

    def __enter__(self) -> Self:
        self._log("worker started")
        self._safely(self._beat)  # before anything is claimed: a claim without presence ends with its lease only
        self._safely(self._look)
        start(self._thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_END_WITHIN)
        if self._presence and not self._thread.is_alive():
            self._presence.end()
        self._log("worker stopped")

    def _log(self, message: str) -> None:
        """Log what this process is: several may write into one log."""
        worker = self._worker
        about = {"worker": worker.name, "version": worker.version, "database": self._store.name}
        level = logging.INFO if worker.role is Role.WORKER else logging.DEBUG
        _log.log(level, message, extra={**about, "threads": worker.threads})

    def _run(self) -> None:
        looks = 0
        while not self._stop.wait(LOOK):
            looks += 1
            if looks % _LOOKS_PER_BEAT == 0:
                self._safely(self._beat)
            self._safely(self._look)

    def _beat(self) -> None:
        if self._presence:
            self._presence.beat()
        else:
            self._presence = self._store.workers.register(self._worker)

    def _look(self) -> None:
        for name, rotations in self._store.workers.end_dead(self._worker.name).items():
            self._listener(WorkerDied(name, tuple(rotations)))

    def _safely(self, work: Callable[[], None]) -> None:
        """Do ``work``: presence is about speed, so no failure of it may stop a worker."""
        try:
            work()
        except KeyturnError as error:
            _log.warning("presence not renewed", extra={"code": error.code, "reason": error.message})
        except Exception:  # noqa: BLE001 - see above
            _log.exception("presence broke", extra={"worker": self._worker.name})
