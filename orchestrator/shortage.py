"""Starts threads, where the computer lets it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from states.errors import Exhausted
from states.next_action import by_hand


def start(thread: Thread) -> None:
    """Start ``thread``. Raises Exhausted if the operating system refuses."""
    with starting():
        thread.start()


@contextmanager
def starting() -> Iterator[None]:
    """Raise Exhausted if the operating system refuses a thread that the block, and nothing else, starts."""
    try:
        yield
    except RuntimeError as error:
        raise Exhausted(
            "This machine lets Keyturn start no more threads.",
            next_action=by_hand(
                "End other processes, or allow more of them (ulimit -u; TasksMax of a systemd service)."
            ),
        ) from error
