"""Recognizes that the computer is short of something: memory, disk space, threads, file descriptors."""

import errno
import os
from typing import Final

from states.errors import Exhausted

_SHORTAGES: Final = (
    errno.EAGAIN,  # processes and threads
    errno.EDQUOT,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.ENOSPC,
    errno.EROFS,
)


def shortage(error: BaseException) -> Exhausted | None:
    """Return Exhausted, with the operating system's description, if ``error`` means a shortage; otherwise None.

    Libraries wrap the operating system's error in their own, so the causes of ``error`` are looked at, too.
    """
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, MemoryError):
            return _short_of("memory")
        if isinstance(cause, OSError) and cause.errno in _SHORTAGES:
            return _short_of(os.strerror(cause.errno))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def _short_of(what: str) -> Exhausted:
    return Exhausted(f"This machine is short of something that Keyturn needs: {what}.")
