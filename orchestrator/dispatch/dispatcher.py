"""The port of a dispatcher, and the listener that wakes it."""

from typing import Protocol

from orchestrator.events import Begun, Confirmed, Event, Listener, Requested, Resumed, WorkerDied
from states import preconditions


class Waker(Protocol):
    """Takes hints. Its method may be called from any thread."""

    def wake(self, rotation_id: str, *, urgent: bool) -> None:
        """Hint that the rotation may be claimable now, so that an idle worker looks at once; returns soon.

        ``urgent``: imports may be refused until it is carried. Safe to repeat; a hint that is lost costs one poll.
        """
        ...


class Dispatcher(Waker, Protocol):
    """Brings rotations to workers. Every method may be called from any thread."""

    def run(self, threads: int) -> None:
        """Carry rotations in ``threads`` threads, and start those that are due, until this process is asked to stop.

        Returns once the current steps are finished. Raises Exhausted where not all of the threads can start.
        """
        ...

    def drain(self) -> None:
        """Carry everything that is claimable now, in this thread, and return."""
        ...


def wake_on_events(waker: Waker) -> Listener:
    """The listener that wakes ``waker`` when a rotation became claimable: by a person, the schedule or a death."""

    def receive(event: Event) -> None:
        if isinstance(event, Requested | Resumed | Begun | Confirmed):
            rotation = event.rotation
            waker.wake(rotation.id, urgent=preconditions.is_urgent(rotation))
        elif isinstance(event, WorkerDied):
            for rotation_id in event.rotations:  # each may be between both sides
                waker.wake(rotation_id, urgent=True)

    return receive
