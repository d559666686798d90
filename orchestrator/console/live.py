"""Pages that stay as the store is: one watcher per process, and a stream of server-sent events for each open page.

A page connects with the version that it shows, so that nothing between its rendering and its connection is lost. The
watcher's version grows with each change of the database, also from one start of the console to the next. A fragment
shows the store as it was at its version, or later.
"""

import asyncio
import contextlib
import hashlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from orchestrator.shared_reads import SharedReads
from orchestrator.shortage import start
from states.access import Role
from states.errors import KeyturnError

_log = logging.getLogger("keyturn.console")

REST: Final = 0.05
"""Seconds between two looks at a database, at least. SQLite's answers from shared memory."""
LISTEN_FOR: Final = 1.0
"""Seconds for which PostgreSQL is listened to before it is looked at all the same: an announcement can be lost."""
PING_EVERY: Final = 10.0
"""Seconds after which a stream proves that it is alive, and a page is made again: times go on without a change."""
MOST_STREAMS: Final = 500
_FRAGMENTS: Final = 128
"""How many fragments are kept. Several tabs with one page are rendered once."""
_PING: Final = b"event: ping\ndata: alive\n\n"


class Changes(Protocol):
    """What a watcher looks at."""

    def look(self) -> int:
        """Return a number that differs after a change. Raises TryLater."""
        ...

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, or earlier when something was committed. Raises TryLater."""
        ...

    def close(self) -> None:
        """Give back what looking needed."""
        ...


class Watcher:
    """Looks whether the database was changed, in a thread of its own, and wakes the streams."""

    def __init__(self, changes: Changes, started_at: datetime, *, rest: float, every: float) -> None:
        """``rest`` is the least time between two looks, ``every`` how long a change is waited for besides; seconds."""
        self._changes = changes
        self._rest = rest
        self._every = every
        self._stop = threading.Event()
        self._woken = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.version = int(started_at.timestamp() * 1000)
        """Grows with each change. Milliseconds at first, of which more pass than there are looks."""
        self.is_blind = False
        """Whether the database did not answer the last look."""

    @property
    def is_stopped(self) -> bool:
        """Whether the console is asked to stop."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin to watch; call it in the event loop that the streams run in. Raises Exhausted."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._watch, name="keyturn-watcher", daemon=True)
        start(self._thread)

    def stop(self) -> None:
        """End the watching and every stream. Safe to repeat, from any thread."""
        self._stop.set()

    def wake(self) -> None:
        """Wake the streams as after a change of the database; from any thread."""
        if self._loop:
            with contextlib.suppress(RuntimeError):  # the loop ended first
                self._loop.call_soon_threadsafe(self._announce)

    def join(self) -> None:
        """Wait until the thread has ended."""
        if self._thread:
            self._thread.join()

    async def wait(self, seen: int, seconds: float) -> bool:
        """Wait until the version is above ``seen``, at most so many ``seconds``; return whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.version <= seen and not self.is_stopped:
                    await self._woken.wait()
        return self.version > seen

    def _watch(self) -> None:
        seen: int | None = None
        while not self._stop.wait(self._rest):
            try:
                self._changes.wait(self._every)
                now = self._changes.look()
            except KeyturnError as error:
                if not self.is_blind:
                    _log.warning("pages are not live", extra={"code": error.code, "reason": error.message})
                self.is_blind, seen = True, None
                self._stop.wait(self._every)  # a database that refuses at once is not asked more often
                continue
            if now != seen:
                self.is_blind, seen = False, now
                self.wake()
        self._changes.close()
        self.wake()

    def _announce(self) -> None:
        self.version += 1
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()


@dataclass(frozen=True, slots=True)
class _Fragment:
    version: int
    digest: bytes
    message: bytes


class Streams:
    """The open streams, and the fragments that they send."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._reads = SharedReads(watcher, _FRAGMENTS)
        self.count = 0

    async def stream(
        self,
        url: str,
        render: Callable[[Role], str],
        *,
        since: int,
        pace: float,
        role_now: Callable[[], Awaitable[Role | None]],
    ) -> AsyncIterator[bytes]:
        """Yield a ping, the page's fragment when it has changed ``since`` that version, and whenever it changes again.

        ``pace`` is the least time between two fragments, in seconds. ``role_now`` says which role the reader has; None
        ends the stream. All readers of ``url`` with the same role share a fragment.
        """
        watcher, sent, digest = self._watcher, since, b""
        self.count += 1
        try:
            if await role_now() and not watcher.is_blind:
                yield _PING  # a tab that was hidden knows at once that it is live again
            while await role_now() and not watcher.is_stopped:
                if not await watcher.wait(sent, PING_EVERY) and not watcher.is_blind:
                    yield _PING
                if watcher.is_blind or watcher.is_stopped:
                    await asyncio.sleep(pace)
                    continue
                if (role := await role_now()) is None:  # it may have changed while this waited
                    return
                try:
                    fragment = await self._reads.get((url, role), watcher.version, partial(_rendered, render, role))
                except KeyturnError:  # the page says nothing more until the store answers again
                    await asyncio.sleep(PING_EVERY)
                    continue
                sent = fragment.version
                if fragment.digest != digest:
                    digest = fragment.digest
                    yield fragment.message
                await asyncio.sleep(pace)
        finally:
            self.count -= 1


def _rendered(render: Callable[[Role], str], role: Role, version: int) -> _Fragment:
    text = render(role)
    data = "\n".join(f"data: {line}" for line in text.splitlines())
    message = f"id: {version}\n{data}\n\n".encode()
    return _Fragment(version, hashlib.sha256(text.encode()).digest(), message)
