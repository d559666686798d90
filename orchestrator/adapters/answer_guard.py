"""The guard around the reading of an answer: what a reader did not foresee makes the answer unusable.

The other system decides what it answers. Without the guard, an answer that breaks a parser would look like a bug of
Keyturn, and would park a rotation that the next answer completes.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from states.errors import KeyturnError

_log = logging.getLogger("keyturn.answers")


@contextmanager
def guarded(
    system: str, unusable: Callable[[], KeyturnError], expected: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn anything unforeseen in the block, which only reads an answer, into the error that ``unusable`` returns.

    An error of Keyturn's own is the reader's verdict and passes, as do a shortage of memory and the ``expected``
    errors, which the caller handles. The log has the type of anything else; its text may quote the answer, and the
    answer may quote a secret.
    """
    passing: tuple[type[Exception], ...] = (KeyturnError, MemoryError, *expected)
    try:
        yield
    except passing:
        raise
    except Exception as error:  # noqa: BLE001 - every error of a reader means the same: see above
        _log.error("answer cannot be read", extra={"system": system, "error": type(error).__name__})
        raise unusable() from None
