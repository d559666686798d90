"""What many open streams read at the same moment: one of them reads it, and the others of the same key wait for it."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from anyio import to_thread

T = TypeVar("T")

_FRESH: Final = 1.0
"""Seconds for which what was read at the same version is used again: times go on without a change."""


class Versioned(Protocol):
    """What grows with each change of the store."""

    @property
    def version(self) -> int:
        """How many changes there were, or more."""
        ...


@dataclass(frozen=True, slots=True)
class _Read:
    version: int
    at: float
    found: Any


class SharedReads:
    """What was read last, by key; for the threads of one event loop."""

    def __init__(self, watched: Versioned, most: int) -> None:
        """``most``: of how many keys it is kept."""
        self._watched = watched
        self._most = most
        self._reads: OrderedDict[Hashable, _Read] = OrderedDict()
        self._locks: dict[Hashable, asyncio.Lock] = {}

    async def get(self, key: Hashable, version: int, read: Callable[[int], T]) -> T:
        """Return what ``read`` finds at ``version`` or later. Raises what ``read`` raises.

        ``read`` is called in a thread, with the version that it reads at, or an older one.
        """
        async with self._locks.setdefault(key, asyncio.Lock()):
            kept = self._reads.get(key)
            if kept and kept.version >= version and time.monotonic() - kept.at < _FRESH:
                found: T = kept.found
                return found
            version = self._watched.version  # before the store is read: what is written meanwhile is read again
            try:
                found = await to_thread.run_sync(read, version)
            except BaseException:
                if key not in self._reads:
                    self._locks.pop(key, None)
                raise
            self._reads[key] = _Read(version, time.monotonic(), found)
            self._reads.move_to_end(key)
            while len(self._reads) > self._most:
                oldest, _ = self._reads.popitem(last=False)
                self._locks.pop(oldest, None)
            return found
