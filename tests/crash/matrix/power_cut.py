"""What a power cut leaves of SQLite's files: everything synced, and any part of the rest."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from crash.matrix.tracing import WRITING, Line, carriers, lines

FILES: Final = ("keyturn.db", "keyturn.db-wal")
"""The first process that opens the database creates the third one, keyturn.db-shm, again."""

_WRITE = re.compile(r'\d+<[^>]*>, "(?P<data>(?:[^"\\]|\\.)*)", \d+, (?P<offset>\d+)')
_LENGTH = re.compile(r"\d+<[^>]*>, (?P<offset>\d+)")
_LEFT_OUT = "(INJECTED)"


@dataclass(frozen=True)
class Change:
    """A write to a file; or, without data, a file's new length."""

    file: str
    offset: int
    data: bytes | None


def history(log: Path) -> Iterator[tuple[list[Change], list[Change]]]:
    """What a worker had synced, and what it had written since then: before each sync, and when it ended.

    The syncs are those of the main thread. How often the lease thread renews depends on the computer.
    """
    found = lines(log)
    main = carriers(found)[0].thread
    synced: list[Change] = []
    unsynced: list[Change] = []
    for line in found:
        if line.file not in FILES or _LEFT_OUT in line.rest:
            continue
        if line.syscall in WRITING:
            unsynced.append(_change(line))
        else:
            if line.thread == main:
                yield list(synced), list(unsynced)
            synced += [each for each in unsynced if each.file == line.file]
            unsynced = [each for each in unsynced if each.file != line.file]
    yield synced, unsynced


def _change(line: Line) -> Change:
    if found := _WRITE.match(line.rest):
        # strace writes bytes down as C does, which Python reads the same way.
        data = found["data"].encode("ascii").decode("unicode_escape").encode("latin-1")
        return Change(line.file, int(found["offset"]), data)
    found = _LENGTH.match(line.rest)
    assert found, line
    return Change(line.file, int(found["offset"]), None)


def nothing(unsynced: Sequence[Change]) -> Sequence[Change]:
    """Nothing had reached the disk."""
    return unsynced[:0]


def half_of_the_last(unsynced: Sequence[Change]) -> Sequence[Change]:
    """All had, but for the second half of the last write."""
    *others, last = unsynced
    return [*others, replace(last, data=last.data[: len(last.data) // 2])] if last.data else others


def only_the_last(unsynced: Sequence[Change]) -> Sequence[Change]:
    """The last write had overtaken the others."""
    return unsynced[-1:]


def every_other(unsynced: Sequence[Change]) -> Sequence[Change]:
    """Every second write had."""
    return unsynced[1::2]


LEFT: Final = (nothing, half_of_the_last, only_the_last, every_other)
"""What may be left of what was not synced."""


def cut(folder: Path, before: Mapping[str, bytes], changed: Iterable[Change]) -> None:
    """Leave in ``folder`` the files that were there ``before``, with no other changes than these."""
    files = {name: bytearray(content) for name, content in before.items()}
    for change in changed:
        content = files.setdefault(change.file, bytearray())
        end = change.offset + len(change.data or b"")
        content.extend(bytes(max(0, end - len(content))))
        if change.data is None:
            del content[end:]
        else:
            content[change.offset : end] = change.data
    for stale in folder.glob(f"{FILES[0]}*"):
        stale.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
