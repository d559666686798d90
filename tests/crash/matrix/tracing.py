"""What a worker did, as strace saw it, and the points at which it is killed: the system calls by which it changes its
database or talks to a system.

They are read from strace's log of a rotation, so they include everything that the worker does, by any library.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

WRITING = ("pwrite64", "ftruncate")
"""By these SQLite writes."""
SYNCING = ("fsync", "fdatasync")
"""By these it commits."""
SYSCALLS = (*WRITING, *SYNCING, "sendto", "recvfrom")
"""PostgreSQL and HTTP are spoken to by the last two."""

SPENDING = "refresh_token"
"""The request that spends OpenAir's refresh token."""

Moment = Literal["before", "after"]

_CALL = re.compile(r"(?P<thread>\d+)\s+(?P<syscall>[a-z]\w*)\((?P<rest>.*)")
_FILE = re.compile(r"\d+<[^>]*/(?P<name>[^/>]+)>")
_POSTGRESQL = re.compile(r"\d+<UNIX")
_COMMIT = r'"Q\0\0\0\vCOMMIT\0"'
"""PostgreSQL's message for it, as strace writes it down. (READ COMMITTED is in many others.)"""
_STATEMENT = re.compile(r"\\0(INSERT INTO|UPDATE|DELETE FROM) (\w+)")
"""At the start of a statement, which follows a zero byte; FOR UPDATE does not."""
_HEAD = re.compile(r'"POST (?P<path>[^ ?]+)')
_BODY = re.compile(r'\\"action\\": \\"(\w+)|grant_type=(\w+)|<(Read|Add|Modify)\b')
_DELAYED = "(DELAYED)"


@dataclass(frozen=True)
class Line:
    """A call in strace's log."""

    thread: int
    syscall: str
    rest: str
    """What follows the opening parenthesis."""

    @property
    def file(self) -> str:
        """The name of the file that it is about."""
        found = _FILE.match(self.rest)
        return found["name"] if found else "a file"

    @property
    def is_kept(self) -> bool:
        """Whether the next worker uses that file. SQLite's -shm is created again by the first process that opens it."""
        return not self.file.endswith("-shm")


@dataclass(frozen=True)
class Call:
    """A call of a system call in the worker's main thread. It is known by what it was for, equal in every run."""

    syscall: str
    what: str
    """Empty for what changes nothing anywhere, such as reading the database."""
    occurrence: int
    """Its place among the calls of the system call for that, counted from 1."""
    nth: int = field(compare=False)
    """Its place among all calls of the system call, counted from 1. It varies: an answer may come in two pieces."""


@dataclass(frozen=True)
class Point:
    """A moment at which the worker is killed."""

    moment: Moment
    call: Call

    def __str__(self) -> str:
        return f"{self.moment} {self.call.syscall} {self.call.occurrence} ({self.call.what})"

    @property
    def injection(self) -> str:
        """The order to strace for it: the thread is held at the call's end until the test kills it.

        Before it, the call is left out, so it has no effect. (A signal cannot be ordered together with --seccomp-bpf,
        without which a worker takes three times as long to start.)
        """
        fault = "retval=0:" if self.moment == "before" else ""
        return f"inject={self.call.syscall}:{fault}delay_exit={HELD * 1_000_000}:when={self.call.nth}"

    def aimed_by(self, made: Sequence[Call]) -> "Point":
        """The same point, aimed at by the calls of a worker that was held elsewhere, or nowhere."""
        passed = [call.nth for call in made if call == self.call]
        return replace(self, call=replace(self.call, nth=passed[0] if passed else self.call.nth + 1))


HELD = 600
"""Seconds for which a thread is held; the kill comes within milliseconds."""


def lines(log: Path) -> list[Line]:
    """The calls in strace's log, in the order they began."""
    found = map(_CALL.fullmatch, log.read_text(errors="replace").splitlines())
    return [Line(int(each["thread"]), each["syscall"], each["rest"]) for each in found if each]


def carriers(found: Sequence[Line]) -> list[Line]:
    """Those of the thread that carries the rotation: the main one, which begins. The others only renew its lease."""
    return [line for line in found if line.thread == found[0].thread]


def calls(log: Path) -> list[Call]:
    """The calls of the thread that carries the rotation, in order."""
    return list(_calls_of(carriers(lines(log))))


def is_held(log: Path) -> bool:
    """Whether a thread is held at its point."""
    return log.exists() and _DELAYED in log.read_text(errors="replace")


def points(traced: Sequence[Call]) -> list[Point]:
    """Before and after each call that matters, in order.

    Inside a transaction, what is after one write is before the next, and what is after the last is before the commit.
    """
    found = []
    for call in traced:
        if call.what:
            found.append(Point("before", call))
            if not call.what.startswith("write"):
                found.append(Point("after", call))
    return found


def refreshing(found: Sequence[Point]) -> list[Point]:
    """The points at which OpenAir's tokens are being renewed, from the note that announces it to their commit.

    A worker that continues from there waits until the note has expired, so that the refresh token is not used twice.
    """
    first = last = next(place for place, point in enumerate(found) if point.call.what == SPENDING)
    while "commit" not in found[first].call.what:
        first -= 1
    while "commit" in found[first - 1].call.what:
        first -= 1
    while "commit" not in found[last].call.what:
        last += 1
    return list(found[first : last + 1])


def spent(found: Sequence[Point]) -> list[Point]:
    """The points at which OpenAir has voided the refresh token, and the next one is in the worker's hands alone."""
    window = refreshing(found)
    return window[[point.call.what for point in window].index(SPENDING) + 1 : -1]


def _calls_of(found: Sequence[Line]) -> Iterator[Call]:
    seen: Counter[tuple[str, ...]] = Counter()
    sent: dict[str, str] = {}  # by connection, so that an answer is known by its request
    for line in found:
        connection = line.rest.partition(",")[0]
        if line.syscall == "sendto":
            sent[connection] = _request(line.rest)
        what = _what(line, sent.get(connection, ""))
        seen.update([(line.syscall,), (line.syscall, what)])
        yield Call(line.syscall, what, seen[line.syscall, what], nth=seen[line.syscall,])


def _what(line: Line, request: str) -> str:
    if line.syscall == "sendto":
        return request
    if line.syscall == "recvfrom":
        # Of PostgreSQL's answers, only the one to COMMIT reports a change.
        return "" if not request or request.startswith("write") else f"answer to {request}"
    if not line.is_kept:
        return ""
    return f"write {line.file}" if line.syscall in WRITING else f"commit {line.file}"


def _request(rest: str) -> str:
    if _POSTGRESQL.match(rest):
        if _COMMIT in rest:
            return "commit"
        statement = _STATEMENT.search(rest)
        return f"write {statement[1]} {statement[2]}" if statement else ""
    if head := _HEAD.search(rest):
        return f"head of {head['path'].split('/', 2)[2]}"
    body = _BODY.search(rest)
    return next(filter(None, body.groups())) if body else "body"
