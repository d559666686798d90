"""Works on rotations in threads of this process, for a face that does not wait for the end."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from orchestrator.operations.carry import Carry
from orchestrator.shortage import start
from orchestrator.stop_request import StopRequest
from states.errors import IllegalMove, InternalError, KeyturnError
from states.next_action import Verb
from states.ports import Clock
from states.preconditions import why_not
from states.rotation import Rotation

_log = logging.getLogger("keyturn.carriers")

KEPT: Final = 256
"""Of how many rotations the last work is remembered. The journal has what was changed; only refusals are lost."""


@dataclass(frozen=True, slots=True)
class Work:
    """A verb on one rotation that this process does, or did last."""

    rotation: Rotation
    """As it was before."""
    verb: Verb
    actor: str
    began_at: datetime
    """UTC."""
    ended_at: datetime | None = None
    error: KeyturnError | None = None
    """Why it was not done."""
    number: int = 0
    """Counts the ends of this process's works; 0 before the end."""


class Carriers:
    """One thread for each rotation that is worked on at once."""

    def __init__(
        self, carry: Carry, clock: Clock, stop: StopRequest, on_end: Callable[[], None] = lambda: None
    ) -> None:
        """``on_end`` is called in the thread of a work that has ended."""
        self._carry = carry
        self._clock = clock
        self._stop = stop
        self._on_end = on_end
        self._lock = threading.Lock()
        self._works: OrderedDict[str, Work] = OrderedDict()
        self._threads: dict[str, threading.Thread] = {}
        self.ends = 0
        """How many works have ended."""

    def carry(self, rotation: Rotation, actor: str) -> Rotation:
        """Begin to carry ``rotation`` as `Carry` does, unless that goes on already; return it as it is.

        Raises IllegalMove where it cannot be carried on, or another verb is under way; Exhausted.
        """
        if refused := why_not(Verb.CARRY, rotation, self._clock.now()):
            raise IllegalMove(f"Rotation {rotation.id} cannot be carried on: {refused}")
        self.begin(
            Verb.CARRY,
            rotation,
            actor,
            lambda: self._carry.run(rotation, None, self._stop, lambda _: None, at_once=True),
        )
        return rotation

    def begin(self, verb: Verb, rotation: Rotation, actor: str, act: Callable[[], object]) -> None:
        """Begin to ``act``, which does ``verb``; not again while that is carrying which goes on already.

        Raises IllegalMove while another verb on the rotation is under way; Exhausted.
        """
        with self._lock:
            before = self._works.get(rotation.id)
            if before and before.ended_at is None:
                if verb is before.verb is Verb.CARRY:
                    return
                raise IllegalMove(f"Rotation {rotation.id}: {before.verb.value} is under way.")
            work = Work(rotation, verb, actor, self._clock.now())
            thread = threading.Thread(target=self._run, args=(work, act), name="keyturn-carry", daemon=True)
            start(thread)
            self._works[rotation.id], self._threads[rotation.id] = work, thread
            self._works.move_to_end(rotation.id)
            ended = [key for key, each in self._works.items() if each.ended_at is not None]
            for key in ended[: max(0, len(self._works) - KEPT)]:
                del self._works[key]

    def work_on(self, rotation_id: str) -> Work | None:
        """Return what this process does with the rotation, or did last; None for nothing."""
        with self._lock:
            return self._works.get(rotation_id)

    def ended_after(self, number: int) -> list[Work]:
        """Return the works that ended after the one with this number, in order."""
        with self._lock:
            found = [each for each in self._works.values() if each.number > number]
        return sorted(found, key=lambda each: each.number)

    def join(self) -> None:
        """Wait until every work has ended, as the request to stop says."""
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join()

    def _run(self, work: Work, act: Callable[[], object]) -> None:
        error: KeyturnError | None = None
        try:
            act()
        except KeyturnError as caught:
            # What a step of a carried rotation met is in the journal. This is what kept the verb from being done.
            error, about = caught, {"rotation": work.rotation.id, "verb": work.verb.value}
            _log.warning("not done", extra={**about, "code": error.code, "reason": error.message})
        except Exception as caught:  # noqa: BLE001 - its text may contain a secret: the log has it
            error = InternalError(f"Keyturn itself failed ({type(caught).__name__}).")
            _log.exception("failed", extra={"rotation": work.rotation.id, "verb": work.verb.value})
        with self._lock:
            self.ends += 1
            ended = replace(work, number=self.ends, error=error, ended_at=self._clock.now())
            self._works[work.rotation.id] = ended
            del self._threads[work.rotation.id]
        self._on_end()
