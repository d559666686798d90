"""What this process has changed so far: looked up when a command fails, so that it claims only what it knows.

An error says what went wrong at its own place. Whether something was changed before, in the store or in the other
systems, is a question to the store, and to this process for what it sent and could not store.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from orchestrator.events import Changed, Event, RotationEvent, Sending
from orchestrator.stop_request import is_between_sides
from persistence.store import Store
from states.errors import KeyturnError
from states.ports import Clock
from states.rotation import Rotation


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the effects found."""

    has_written: bool
    """Whether the store was written to, or may have been. Nothing is sent to another system before that."""
    rotations: Sequence[Rotation] = ()
    """The rotations that were changed, those that may refuse imports first. What was sent and could not be stored is in
    doubt."""
    is_read: bool = True
    """Whether the store could be read just now; without that, ``rotations`` are as this process last knew them."""


class Effects:
    """Follows the events of one process; safe to share between threads.

    It keeps the rotations that are between both sides, those that something was sent for, and the last one: a worker
    carries any number of them.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Rotation] = {}
        self._sent: dict[str, datetime] = {}
        """Since when a request that writes may have been sent, of the rotations whose result is not stored."""

    @property
    def has_written(self) -> bool:
        """Whether this process has written to the store, or may have."""
        return self._store.has_written

    def receive(self, event: Event) -> None:
        """Take over what ``event`` says: the listener of the events."""
        if not isinstance(event, RotationEvent):
            return
        rotation = event.rotation
        with self._lock:
            if isinstance(event, Sending):
                self._sent.setdefault(rotation.id, event.at)
            elif isinstance(event, Changed):
                self._sent.pop(rotation.id, None)
            self._known.pop(rotation.id, None)
            self._known = {
                each.id: each for each in self._known.values() if each.id in self._sent or is_between_sides(each)
            }
            self._known[rotation.id] = rotation

    def look(self, rotation_id: str | None = None) -> Found:
        """Read what the store has now of the rotations that this process changed.

        Args:
            rotation_id: The rotation that the command is about, where it names one: its id, the beginning of its id, or
                its connection's name. It is used where no event named a rotation.
        """
        if not self.has_written:
            return Found(has_written=False)
        with self._lock:
            known, sent = dict(self._known), dict(self._sent)
        is_read = True
        try:
            now = {each.id: self._store.rotations.get(each.id) for each in known.values()}
        except KeyturnError:
            now, is_read = known, False
        if not now and rotation_id:
            with suppress(KeyturnError):
                found = self._store.rotations.get(rotation_id)
                now = {found.id: found}
        rotations = [self._in_doubt(each, known, sent) for each in now.values()]
        return Found(True, sorted(rotations, key=is_between_sides, reverse=True), is_read)

    def _in_doubt(self, rotation: Rotation, known: dict[str, Rotation], sent: dict[str, datetime]) -> Rotation:
        """Return ``rotation``, in doubt where this process sent something and no one has stored anything since."""
        since = sent.get(rotation.id)
        if since is None or rotation.version != known[rotation.id].version:
            return rotation
        return rotation.with_doubt(since, self._clock.now())
