"""Carries rotations in threads of this process, for a face that does not wait for their ends."""

import logging
import threading

from orchestrator.operations.carry import Carry
from orchestrator.shortage import start
from orchestrator.stop_request import StopRequest
from states.errors import IllegalMove, KeyturnError
from states.next_action import Verb
from states.ports import Clock
from states.preconditions import why_not
from states.rotation import Rotation

_log = logging.getLogger("keyturn.carriers")


class Carriers:
    """Rotations that a person had tried again at once: each is carried in a thread, as `Carry` does it."""

    def __init__(self, carry: Carry, clock: Clock, stop: StopRequest) -> None:
        self._carry = carry
        self._clock = clock
        self._stop = stop
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}

    def carry(self, rotation: Rotation) -> Rotation:
        """Begin to carry ``rotation``, unless that goes on already; return it as it is.

        Raises IllegalMove where it cannot be carried on, Exhausted.
        """
        if refused := why_not(Verb.CARRY, rotation, self._clock.now()):
            raise IllegalMove(f"Rotation {rotation.id} cannot be carried on: {refused}")
        with self._lock:
            self._threads = {key: each for key, each in self._threads.items() if each.is_alive()}
            if rotation.id not in self._threads:
                thread = threading.Thread(target=self._run, args=(rotation,), name="keyturn-carry", daemon=True)
                start(thread)
                self._threads[rotation.id] = thread
        return rotation

    def join(self) -> None:
        """Wait until every rotation was left, as the request to stop says."""
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join()

    def _run(self, rotation: Rotation) -> None:
        try:
            self._carry.run(rotation, None, self._stop, lambda _: None, at_once=True)
        except KeyturnError as error:
            # What a step met is in the journal. This is what kept it from being carried at all.
            _log.warning("not carried", extra={"rotation": rotation.id, "code": error.code, "reason": error.message})
