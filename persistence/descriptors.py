"""Asks the operating system whether this process can still open something."""

import os

from states.errors import Exhausted
from states.shortage import shortage


def descriptor_shortage() -> Exhausted | None:
    """Return Exhausted if this process cannot open anything now; otherwise None.

    Some libraries hide why they failed: a resolver that cannot open a socket reports a name server that does not
    answer, and SQLite that it cannot open the file. Ask after such an error.
    """
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return shortage(error)
    return None
