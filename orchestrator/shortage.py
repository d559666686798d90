"""Recognizes shortages of the computer (memory, disk space, threads, file descriptors) and raises Keyturn's error."""

import errno
import os
from threading import Thread
from typing import Final

from states.errors import Exhausted
from states.next_action import by_hand

_SHORTAGES: Final = (
    errno.EAGAIN,  # processes and threads
    errno.EDQUOT,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOSPC,
    errno.EROFS,
)


def start(thread: Thread) -> None:
    """Start ``thread``. Raises Exhausted if the operating system refuses."""
    try:
        thread.start()
    except RuntimeError as error:
        raise Exhausted(
            "This machine lets Keyturn start no more threads.",
            next_action=by_hand(
                "End other processes, or allow more of them (ulimit -u; TasksMax of a systemd service)."
            ),
        ) from error


def shortage(error: Exception) -> Exhausted | None:
    """Return Exhausted, with the operating system's description, if ``error`` means a shortage; otherwise None."""
    if isinstance(error, MemoryError):
        return Exhausted("This machine is short of something that Keyturn needs: memory.")
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        return Exhausted(f"This machine is short of something that Keyturn needs: {os.strerror(error.errno)}.")
    return None
