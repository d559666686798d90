"""The request that this process ends, and what it still carries then.

A process that is asked to stop must not leave an outage that one more step would end. So a rotation that is between
both sides goes on through the save, for a bounded time; every other rotation is released after its current step.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from orchestrator.events import Event, RotationEvent
from states.outage import outage_of
from states.rotation import Rotation
from states.state import State

CALM: Final = 5.0
"""Seconds for which a process that is asked to stop waits where no outage is at stake: for a step that is nearly done,
or for a database that does not answer. Container runtimes kill after ten."""


class StopRequest:
    """Whether this process is asked to stop, what it carries, and what it leaves; safe to share between threads."""

    def __init__(self, within: float = 0, *, elapsed: Callable[[], float] = time.monotonic) -> None:
        """``within`` is in seconds, from the request on, for rotations that are between both sides.

        ``elapsed`` is a clock in seconds that no one sets.
        """
        self._within = within
        self._elapsed = elapsed
        self._requested = threading.Event()
        self._since = 0.0
        self._lock = threading.Lock()
        self._carried: dict[str, Rotation] = {}
        self._left: dict[str, Rotation] = {}

    def set(self) -> None:
        """Ask this process to stop. Safe to repeat: the first request counts."""
        with self._lock:
            if not self._requested.is_set():
                self._since = self._elapsed()
                self._requested.set()

    def is_set(self) -> bool:
        """Whether this process is asked to stop."""
        return self._requested.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for so many ``seconds``, or until this process is asked to stop; return whether it is."""
        return self._requested.wait(seconds)

    @contextmanager
    def carrying(self, rotation: Rotation) -> Iterator[None]:
        """Note that this process carries ``rotation`` while the block runs, and how it leaves it."""
        with self._lock:
            self._carried[rotation.id] = rotation
        try:
            yield
        finally:
            with self._lock:
                left = self._carried.pop(rotation.id, rotation)  # two verbs of a console can meet on one
                self._left.pop(rotation.id, None)
                if is_between_sides(left):
                    self._left[rotation.id] = left

    def receive(self, event: Event) -> None:
        """Take over the state of a rotation that this process carries: the listener of the events."""
        if isinstance(event, RotationEvent):
            with self._lock:
                if event.rotation.id in self._carried:
                    self._carried[event.rotation.id] = event.rotation

    def releases(self, rotation: Rotation) -> bool:
        """Whether ``rotation`` is to be released now, instead of being tried again or taken to its next step."""
        if not self.is_set():
            return False
        return not is_between_sides(rotation) or self._elapsed() - self._since > self._within

    def is_over(self) -> bool:
        """Whether this process must end now, even in the middle of a step."""
        if not self.is_set():
            return False
        return self._elapsed() - self._since > (self._within if self.is_urgent() else min(self._within, CALM))

    def is_urgent(self) -> bool:
        """Whether a rotation is carried that is between both sides, or may be at any moment: while it is uploaded."""
        with self._lock:
            return any(each.state is State.KEY_GENERATED or is_between_sides(each) for each in self._carried.values())

    def left(self) -> list[Rotation]:
        """The rotations between both sides that this process carries or has left, as it last knew them."""
        with self._lock:
            carried = [each for each in self._carried.values() if is_between_sides(each)]
            return [*carried, *(each for each in self._left.values() if each.id not in self._carried)]

    def is_idle(self) -> bool:
        """Whether this process carries nothing."""
        with self._lock:
            return not self._carried


def is_between_sides(rotation: Rotation) -> bool:
    """Whether NetSuite may hold a certificate that OpenAir does not, so that imports may be refused."""
    return outage_of(rotation) is not None
