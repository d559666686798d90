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
_IN_WORDS: Final = {
    "failed to map segment from shared object": "memory",  # glibc, where a library is loaded
    "cannot allocate memory": "memory",
    "malloc failure": "memory",  # OpenSSL, which has no number for it
    "too many open files": os.strerror(errno.EMFILE),
}
"""What libraries in C say of a shortage, in lower case."""


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
        if isinstance(cause, ImportError | OSError) and (lacking := _in_words(str(cause).lower())):
            return _short_of(lacking)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def _in_words(text: str) -> str:
    """What a library says that it lacks; empty where it says something else."""
    return next((lacking for words, lacking in _IN_WORDS.items() if words in text), "")


def _short_of(what: str) -> Exhausted:
    return Exhausted(f"This machine is short of something that Keyturn needs: {what}.")
