"""Streams of server-sent events that read the store together: once for each change, however many are open.

What a stream reads depends on its place alone. Streams that have caught up are at the same place, so one of them reads
and encodes what is new, and the others send the same bytes. A token is looked up once for each change, too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from orchestrator.shared_reads import SharedReads
from states.access import digest_of
from states.errors import KeyturnError

MOST_STREAMS: Final = 500
PING_EVERY: Final = 10.0
"""Seconds after which a stream proves that it is alive, and asks whether its token is still accepted."""
_PING: Final = b": alive\n\n"
_KEPT: Final = 256


class Watch(Protocol):
    """Wakes streams when the store was written to."""

    @property
    def version(self) -> int:
        """Grows with each change."""
        ...

    @property
    def is_stopped(self) -> bool:
        """Whether this process is asked to stop."""
        ...

    async def wait(self, seen: int, seconds: float) -> bool:
        """Wait until the version is above ``seen``, at most so many ``seconds``; return whether it is."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """What comes after a place."""

    message: bytes
    """The events, encoded; empty where there are none."""
    place: str
    """The place after them."""
    is_full: bool
    """Whether more may follow at once."""
    is_over: bool = False
    """Whether nothing can follow ever."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a stream reads."""

    name: str
    """The same for the streams that read the same."""
    read: Callable[[str], Batch]
    """Return what comes after a place. Raises KeyturnError."""
    ends: Callable[[int], tuple[int, bytes]]
    """Return the events of verbs that ended in this process after the one with this number, encoded, and the number of
    the last one; none after -1. They have no place."""


class Streams:
    """The open streams, and what they have read."""

    def __init__(self, watch: Watch, is_accepted: Callable[[str], bool]) -> None:
        """``is_accepted`` says whether a token's secret is accepted now; it may raise KeyturnError."""
        self._watch = watch
        self._is_accepted = is_accepted
        self._reads = SharedReads(watch, _KEPT)
        self.count = 0

    async def stream(self, source: Source, place: str, secret: str, *, follow: bool) -> AsyncIterator[bytes]:
        """Yield what comes after ``place`` and, to ``follow``, what is added; end with the token at the latest."""
        watch, reads, digest = self._watch, self._reads, digest_of(secret)
        self.count += 1
        ended, _ = source.ends(-1)
        try:
            yield b"id: " + place.encode() + b"\n\n" + _PING  # a program that lost its connection resumes from here
            while not watch.is_stopped:
                version = watch.version  # before the store is read: what is written meanwhile is read again
                try:
                    if not await reads.get(("token", digest), version, lambda _: self._is_accepted(secret)):
                        return
                    batch = await reads.get((source.name, place), version, partial(_read, source, place))
                except KeyturnError:  # nothing is lost: the next look finds what came meanwhile
                    await asyncio.sleep(PING_EVERY)
                    continue
                place = batch.place
                ended, ends = source.ends(ended)
                if message := batch.message + ends:
                    yield message
                if batch.is_over or not (follow or batch.is_full):
                    return
                if not batch.is_full and not await watch.wait(version, PING_EVERY):
                    yield _PING
        finally:
            self.count -= 1


def _read(source: Source, place: str, _version: int) -> Batch:
    return source.read(place)
