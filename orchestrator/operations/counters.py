"""Counts what happened to all rotations since the first one, from the journal: the counters that monitoring shows."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

from persistence.journal import POSTPONED, UNKNOWN, Entry
from persistence.monitoring import Counted
from persistence.store import Store
from states.errors import AwaitingPerson, KeyturnError, NotFound, Stale
from states.state import State
from states.table import ADOPT, FAIL, NEXT, OUTAGE, PARKED, RESTORE

BUCKETS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""The upper bounds of the histograms, in seconds: a step without trouble takes less than one, an outage that Keyturn
ends by itself some minutes, one that waits for a person longer."""
DONE, AWAITS_PERSON, FAILED = "done", "awaits_person", "failed"
_LONGEST: Final = 1e10
"""Seconds, some centuries."""
OUTCOMES: Final = (DONE, POSTPONED, AWAITS_PERSON, UNKNOWN, FAILED)
"""How an attempt at a step ends. After an unknown outcome the same attempt goes on, and ends in another one."""
COMPLETED: Final = "completed"
_CLOSED_BY: Final = {edge.trigger: edge.ending.value for edge in PARKED if edge.ending}
ENDINGS: Final = (COMPLETED, *_CLOSED_BY.values())
"""How a rotation ends."""
_PAGE: Final = 1_000
_MOST_PAGES: Final = 20
"""How much is counted in one go at most, so that a scrape does not run into its time-out. The next one goes on."""


class Counters:
    """The counters, each under a name such as ``attempts/verify/done``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> Mapping[str, float]:
        """Count what was written since the last time, by any process, and return all counts. Raises TryLater.

        Where the counts cannot be stored, as in a database that can only be read, they are returned all the same.
        """
        counted = self._store.monitoring.counted()
        for _ in range(_MOST_PAGES):
            following, goes_on = self._following(counted)
            if following == counted:
                break
            try:
                was_first = self._store.monitoring.count(counted, following)
            except KeyturnError:
                return following.counts
            counted = following if was_first else self._store.monitoring.counted()
            if was_first and not goes_on:
                break
        return counted.counts

    def _following(self, counted: Counted) -> tuple[Counted, bool]:
        """Return ``counted`` with the next entries, and whether there may be more."""
        try:
            self._store.journal.check_place(counted.place)
        except Stale:
            # Restored on another PostgreSQL server, whose numbers are others: what was written there by now is counted
            # already, or lost with the backup.
            return Counted(self._store.journal.end(), counted.counts), True
        entries = self._store.journal.after(counted.place, _PAGE)
        if not entries:
            return counted, False
        counts = defaultdict(float, counted.counts)
        for each in entries:
            for name, value in self._counts(each.entry):
                counts[name] += value
        return Counted(entries[-1].place, dict(counts)), len(entries) == _PAGE

    def _counts(self, entry: Entry) -> Iterator[tuple[str, float]]:
        """What one entry adds, by name."""
        if ending := _CLOSED_BY.get(entry.event):
            yield f"rotations/{ending}", 1
        edge = NEXT.get(entry.source) if entry.source else None
        if edge and (outcome := _outcome(entry, edge.trigger)):
            yield f"attempts/{edge.trigger}/{outcome}", 1
        if edge and entry.event == edge.trigger:
            yield from _observed(f"duration/{edge.trigger}", entry.detail.get("seconds"))
            if entry.target is State.COMPLETED:
                yield f"rotations/{COMPLETED}", 1
        if entry.event in (NEXT[OUTAGE].trigger, RESTORE, ADOPT):
            yield from _observed("skew", self._skew(entry))

    def _skew(self, entry: Entry) -> float | None:
        """For how many seconds the two sides disagreed until ``entry``; None where they had not, or agreed before."""
        try:
            rotation = self._store.rotations.get(entry.rotation_id)
        except NotFound:
            return None
        if rotation.skew_from is None or (rotation.proofs.saved and entry.source is not OUTAGE):
            return None
        return max(entry.at - rotation.skew_from, timedelta()).total_seconds()


def _outcome(entry: Entry, trigger: str) -> str | None:
    """How the attempt ended that the entry records; None where it records none."""
    if entry.event == POSTPONED and entry.detail.get("code") == AwaitingPerson.code:
        return AWAITS_PERSON
    return {trigger: DONE, FAIL: FAILED, POSTPONED: POSTPONED, UNKNOWN: UNKNOWN}.get(entry.event)


def _observed(name: str, seconds: object) -> Iterator[tuple[str, float]]:
    """What an observation adds to a histogram: to its bucket, and to its sum."""
    if isinstance(seconds, int | float) and 0 <= seconds < _LONGEST:  # another number was never observed
        bucket = next((str(bound) for bound in BUCKETS if seconds <= bound), "+Inf")
        yield f"{name}/{bucket}", 1
        yield f"{name}/sum", float(seconds)
