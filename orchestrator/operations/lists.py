"""Lists of rotations and of journal entries, for people and scripts."""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, Final, TypeVar

from persistence.journal import EVENTS, Entry
from persistence.journal_page import CheckedEntry, JournalFilter
from persistence.read_model import ConnectionFilter, Only, Page, RotationFilter
from persistence.store import Store
from states.ports import Clock
from states.state import State
from states.summary import ConnectionSummary, RotationSummary

__all__ = ["EVENTS", "CheckedEntry", "JournalFilter", "Lists", "Only", "Page", "RotationFilter"]

T = TypeVar("T")

PAGE: Final = 500
"""How many rotations of a long list are read at once."""
_LOOKS: Final = 10
"""How often a page of the journal looks for entries that are rare: it says then how far it has looked."""


class Sort(StrEnum):
    """How a list of rotations is sorted."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SKEW = "skew"
    """The longest outage first."""
    CONNECTION = "connection"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of rotations, perhaps cut."""

    items: Iterable[RotationSummary]
    """Read while they are taken, once, where they are the newest first; otherwise a list."""
    count: Callable[[], int]
    """Counts how many rotations match in all."""


class Lists:
    """What is read across rotations."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def rotations(
        self,
        *,
        connection: str | None = None,
        states: Collection[State] = (),
        is_open: bool = False,
        is_parked: bool = False,
        since: datetime | None = None,
        sort: Sort = Sort.NEWEST,
        limit: int = 50,
    ) -> Listing:
        """Return up to ``limit`` rotations, sorted; sorted by anything but the newest, every match is read first.

        ``is_parked`` implies ``is_open``; ``since`` is when they were requested (UTC). Raises NotFound for an unknown
        connection.
        """
        if connection is not None:
            self._store.connections.check_known(connection)
        limit = min(limit, sys.maxsize)  # islice takes no more
        only = Only.PARKED if is_parked else Only.OPEN if is_open else None
        wanted = RotationFilter(connection=connection, states=states, only=only, since=since)
        if sort is Sort.NEWEST:
            return Listing(
                islice(self._each(wanted, min(limit, PAGE)), limit), lambda: self._store.rotations.count(wanted)
            )
        found = sorted(self._each(wanted, PAGE), key=_keys(self._clock.now())[sort])
        return Listing(found[:limit], lambda: len(found))

    def rotation_page(
        self, wanted: RotationFilter, *, after: str | None = None, limit: int = 50
    ) -> Page[RotationSummary]:
        """Return up to ``limit`` rotations, the newest first; ``after`` is the page before's ``following``."""
        return _filled(lambda after, limit: self._store.rotations.page(wanted, after=after, limit=limit), after, limit)

    def newest(self, connection: str) -> RotationSummary | None:
        """Return the connection's newest rotation; None without one. Its open rotation is its newest."""
        found = self._store.rotations.newest(connection=connection, limit=1)
        return RotationSummary.of(found[0]) if found else None

    def connection_page(
        self, *, text: str = "", names: Collection[str] | None = None, after: str | None = None, limit: int = 50
    ) -> Page[ConnectionSummary]:
        """Return up to ``limit`` connections, by name; ``after`` is the page before's ``following``.

        ``text`` is a part of the name, the NetSuite account or OpenAir's base URL; ``names``, where given, are the only
        ones wanted.
        """
        if names is None:
            return self._connections(text, None, after, limit)
        chosen = sorted(name for name in names if name > (after or ""))
        items: list[ConnectionSummary] = []
        for start in range(0, len(chosen), PAGE):  # a statement has a limit of parameters
            items += self._connections(text, chosen[start : start + PAGE], None, limit - len(items)).items
            if len(items) == limit:
                last = items[-1].name
                return Page(items, last if last != chosen[-1] else None)
        return Page(items, None)

    def expiries(self, until: datetime) -> Sequence[tuple[datetime, str]]:
        """Return when certificates expire before ``until`` (UTC), and of which connections."""
        return self._store.deadlines.expiries(until)

    def _connections(
        self, text: str, names: Collection[str] | None, after: str | None, limit: int
    ) -> Page[ConnectionSummary]:
        wanted = ConnectionFilter(text=text, names=names)
        return _filled(
            lambda after, limit: self._store.connections.page(wanted, after=after, limit=limit), after, limit
        )

    def journal(
        self, *, since: datetime, connection: str | None = None, rotation: str | None = None
    ) -> list[tuple[str, Entry]]:
        """Return what happened ``since`` then (UTC), in order, each entry with its connection.

        Of all rotations, of one connection's or of one. Raises NotFound.
        """
        if connection is not None:
            self._store.connections.check_known(connection)
        rotation_id = self._store.rotations.get(rotation).id if rotation else None
        return self._store.journal.since(since, connection=connection, rotation_id=rotation_id)

    def journal_page(self, wanted: JournalFilter, *, after: str | None = None, limit: int = 50) -> Page[CheckedEntry]:
        """Return up to ``limit`` entries, the newest first, each checked; ``after`` is the page before's ``following``.

        ``wanted.rotation`` may be what names a rotation on the command line. Where entries are rare, a page can have
        fewer than there are, or none, and still have a next one. Raises NotFound, InvalidInput.
        """
        if wanted.connection is not None:
            self._store.connections.check_known(wanted.connection)
        if wanted.rotation is not None:
            wanted = replace(wanted, rotation=self._store.rotations.get(wanted.rotation).id)
        items: list[CheckedEntry] = []
        for _ in range(_LOOKS):
            page = self._store.journal.page(wanted, after=after, limit=limit - len(items))
            items += page.items
            after = page.following
            if after is None or len(items) == limit:
                break
        return Page(items, after)

    def checked_journal(self, rotation_id: str) -> list[CheckedEntry]:
        """Return a rotation's journal, in order, each entry checked. Raises NotFound."""
        return self._store.journal.checked(self._store.rotations.get(rotation_id).id)

    def _each(self, wanted: RotationFilter, size: int) -> Iterator[RotationSummary]:
        """Yield every wanted rotation, the newest first, read in pages of ``size``."""
        after = None
        while True:
            page = self._store.rotations.page(wanted, after=after, limit=size)
            yield from page.items
            after = page.following
            if after is None:
                return


def _filled(read: Callable[[str | None, int], Page[T]], after: str | None, limit: int) -> Page[T]:
    """Read until the page is full, or the list ends: a filtered page examines a part of the list only."""
    items: list[T] = []
    while True:
        page = read(after, limit - len(items))
        items += page.items
        after = page.following
        if after is None or len(items) == limit:
            return Page(items, after)


def _keys(now: datetime) -> dict[Sort, Callable[[RotationSummary], tuple[Any, ...]]]:
    order = {state: place for place, state in enumerate(State)}
    return {
        Sort.OLDEST: lambda rotation: (rotation.id,),
        Sort.SKEW: lambda rotation: (-(rotation.skew(now) or timedelta()), rotation.id),
        Sort.CONNECTION: lambda rotation: (rotation.connection, rotation.id),
        Sort.STATE: lambda rotation: (order[rotation.state], rotation.id),
    }
