"""The journal of all rotations as it is written: from a place on, nothing is left out and nothing comes twice."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from persistence.journal import Entry
from persistence.journal_feed import FedEntry, Place
from persistence.store import Store
from states.ports import Clock

__all__ = ["FedEntry", "Feed", "Place"]

PAGE: Final = 500
"""How many entries are read at once."""
FOLLOW_EVERY: Final = 1.0
"""Seconds between two looks at a journal that is followed."""


class Feed:
    """What happens to all rotations, in the order of the commits."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def end(self) -> Place:
        """Return a place that everything comes after that is not written yet. Raises TryLater."""
        return self._store.journal.end()

    def resume(self, place: str) -> Place:
        """Return the place of an entry that a program has, by its text.

        Raises InvalidInput for what is none; Stale where the database never had it, as it was restored since; TryLater.
        """
        found = Place.parse(place)
        self._store.journal.check_place(found)
        return found

    def after(self, place: Place, limit: int = PAGE) -> list[FedEntry]:
        """Return up to ``limit`` entries after ``place``, in order; fewer where there are no more by now.

        Of the entries that are written later, none comes before the last of these. Raises TryLater.
        """
        return self._store.journal.after(place, limit)

    def follow(self, *, since: datetime, connection: str | None = None) -> Iterator[tuple[str, Entry]]:
        """Yield what happened ``since`` then (UTC), and then each entry when it is written. It never ends by itself.

        Raises NotFound.
        """
        if connection is not None:
            self._store.connections.check_known(connection)
        place = self.end()  # before the journal is read: what is written in between comes in both
        known: set[tuple[str, int]] = set()
        for name, entry in self._store.journal.since(since, connection=connection):
            known.add((entry.rotation_id, entry.seq))
            yield name, entry
        while True:
            found = self.after(place)
            for each in found:
                place = each.place
                if connection in (None, each.connection) and (each.entry.rotation_id, each.entry.seq) not in known:
                    yield each.connection, each.entry
            if len(found) < PAGE:
                self._clock.sleep(FOLLOW_EVERY)
