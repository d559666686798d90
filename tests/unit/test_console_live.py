"""The watcher of the console, and the streams of its pages."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from support import coroutines

from orchestrator.console import live
from states.access import Role
from states.errors import TryLater


async def viewer() -> Role | None:
    return Role.VIEWER


async def operator() -> Role | None:
    return Role.OPERATOR


async def refused() -> Role | None:
    return None


class FakeChanges:
    """A database that a test changes, or takes away."""

    def __init__(self) -> None:
        self.number = 0
        self.is_away = False
        self.is_closed = False
        self.looks_in_vain = 0
        self.missed = threading.Event()
        """That the watcher has noticed that the database is away."""

    def look(self) -> int:
        if self.is_away:
            self.looks_in_vain += 1
            if self.looks_in_vain > 1:
                self.missed.set()
            raise TryLater
        return self.number

    def wait(self, seconds: float) -> None:
        assert 0.0 == seconds

    def close(self) -> None:
        self.is_closed = True


def watched(then: Callable[[FakeChanges, live.Watcher, live.Streams], object]) -> FakeChanges:
    """Run ``then`` in an event loop with a watcher."""
    changes = FakeChanges()

    async def run() -> None:
        watcher = live.Watcher(changes, datetime(2026, 11, 23, tzinfo=UTC), rest=0.001, every=0.0)
        watcher.start()
        await then(changes, watcher, live.Streams(watcher))  # type: ignore[misc]
        watcher.stop()
        watcher.join()

    coroutines.run(run())
    return changes


async def following(stream: AsyncIterator[bytes]) -> str:
    """The next message that is no ping."""
    return (await anext(each async for each in stream if b"ping" not in each)).decode()


def test_a_stream_sends_what_was_missed_and_what_changes() -> None:
    """A page that shows an older version gets the newer one at once, later ones when they are there, in order."""
    shown = ["first"]

    async def look(changes: FakeChanges, watcher: live.Watcher, streams: live.Streams) -> None:
        await watcher.wait(watcher.version, 10)
        stream = streams.stream("/", lambda _: shown[0], since=0, pace=0, role_now=viewer)
        first = await following(stream)
        shown[0] = "second\nline"
        changes.number += 1
        second = await following(stream)
        versions = [int(each.split("\n")[0].removeprefix("id: ")) for each in (first, second)]
        assert sorted(versions) == versions
        assert [["data: first"], ["data: second", "data: line"]] == [
            each.strip().split("\n")[1:] for each in (first, second)
        ]
        assert 1 == streams.count

    assert watched(look).is_closed


def test_a_stream_ends_with_its_session() -> None:
    """Once its person is signed out, a stream ends; so does each when the console stops."""

    async def look(_changes: FakeChanges, watcher: live.Watcher, streams: live.Streams) -> None:
        ended = streams.stream("/", lambda _: "x", since=0, pace=0, role_now=refused)
        assert [] == [each async for each in ended]
        stream = streams.stream("/", lambda _: "x", since=0, pace=0, role_now=viewer)
        await watcher.wait(0, 10)
        assert "data: x" in await following(stream)
        watcher.stop()
        assert [] == [each async for each in stream if b"data: x" in each]

    watched(look)


def test_a_page_is_rendered_once_for_all_its_streams() -> None:
    """Several tabs with the same page cost one rendering for each role among their readers, who get their own."""
    made: list[Role] = []

    def render(role: Role) -> str:
        made.append(role)
        return role

    async def look(_changes: FakeChanges, watcher: live.Watcher, streams: live.Streams) -> None:
        await watcher.wait(watcher.version, 10)
        readers = [viewer, operator, viewer, operator, viewer]
        several = [streams.stream("/", render, since=0, pace=0, role_now=each) for each in readers]
        sent = await asyncio.gather(*(following(each) for each in several))
        assert ["viewer", "operator", "viewer", "operator", "viewer"] == [each.split()[-1] for each in sent]
        assert [Role.OPERATOR, Role.VIEWER] == sorted(made)

    watched(look)


def test_a_stream_follows_its_readers_role() -> None:
    """Once a reader has another role, the next fragment is that role's; none is sent after they signed out."""
    said = iter([Role.OPERATOR] * 3 + [Role.VIEWER] * 3 + [None])

    async def role_now() -> Role | None:
        return next(said)

    async def look(changes: FakeChanges, watcher: live.Watcher, streams: live.Streams) -> None:
        await watcher.wait(watcher.version, 10)
        stream = streams.stream("/", lambda role: f"for {role}", since=0, pace=0, role_now=role_now)
        assert "data: for operator" in await following(stream)
        changes.number += 1
        assert "data: for viewer" in await following(stream)
        changes.number += 1
        assert [] == [each async for each in stream]  # asked again after it has waited for the change
        assert [] == list(said)

    watched(look)


def test_a_watcher_without_its_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database does not answer, nothing is sent that could be taken for news, not even a ping."""
    monkeypatch.setattr(live, "PING_EVERY", 0.01)

    async def look(changes: FakeChanges, watcher: live.Watcher, streams: live.Streams) -> None:
        await watcher.wait(watcher.version, 10)

        async def while_there() -> Role | None:
            return None if changes.is_away else Role.VIEWER

        stream = streams.stream("/", lambda _: "x", since=watcher.version, pace=0, role_now=while_there)
        assert [b"ping", b"ping"] == [(await anext(stream))[7:11] for _ in range(2)]
        changes.is_away = True
        await asyncio.to_thread(changes.missed.wait)
        assert watcher.is_blind
        assert [] == [each async for each in stream if b"ping" in each]
        changes.is_away = False
        assert await watcher.wait(watcher.version, 10)
        assert not watcher.is_blind

    watched(look)
