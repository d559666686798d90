"""What many streams read at the same moment is read once."""

import asyncio
from collections.abc import Callable

import pytest
from support import coroutines

from orchestrator import shared_reads
from orchestrator.shared_reads import SharedReads


class Watched:
    """A version that tests count up."""

    version = 1


class Reader:
    """Counts what it reads, by the version that it is given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.versions: list[int] = []
        self._error = error

    def __call__(self, version: int) -> int:
        self.versions.append(version)
        if self._error:
            raise self._error
        return version


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let so many seconds go by."""
    now = [0.0]
    monkeypatch.setattr(shared_reads.time, "monotonic", lambda: now[0])

    def go_on(seconds: float) -> None:
        now[0] += seconds

    return go_on


def test_one_reads_for_all(watched: Watched) -> None:
    """Streams that ask at the same moment get what one of them read."""
    reads, reader = SharedReads(watched, 2), Reader()

    async def ask() -> list[int]:
        return list(await asyncio.gather(*(reads.get("page", 1, reader) for _ in range(5))))

    assert ([1] * 5, [1]) == (coroutines.run(ask()), reader.versions)


def test_it_is_read_again_after_a_change_and_after_a_second(watched: Watched, clock: Callable[[float], None]) -> None:
    """A newer version is read; an older one that someone asks for is not; and times go on without a change."""
    reads, reader = SharedReads(watched, 2), Reader()

    async def ask() -> list[int]:
        found = [await reads.get("page", 1, reader)]
        watched.version = 2
        found += [await reads.get("page", 2, reader), await reads.get("page", 1, reader)]
        clock(0.9)
        found.append(await reads.get("page", 2, reader))
        clock(0.2)
        return [*found, await reads.get("page", 2, reader)]

    assert ([1, 2, 2, 2, 2], [1, 2, 2]) == (coroutines.run(ask()), reader.versions)


def test_few_are_kept(watched: Watched) -> None:
    """What was read longest ago is forgotten, and so is what could not be read."""
    reads, reader = SharedReads(watched, 2), Reader()

    async def ask() -> None:
        for key in ("a", "b", "c", "a"):
            await reads.get(key, 1, reader)
        with pytest.raises(ValueError, match="broken"):
            await reads.get("d", 1, Reader(ValueError("broken")))

    coroutines.run(ask())
    assert ([1] * 4, {"c", "a"}) == (reader.versions, set(reads._locks))
