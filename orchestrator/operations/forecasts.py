"""What would happen to this installation's connections. Reads the store, writes nothing, and asks no system."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from orchestrator.forecast.connection_course import Expired, Rotated, Term, play
from orchestrator.forecast.rotation_course import STEP_TAKES, Downtime, Outcome
from orchestrator.forecast.weeks import Week, Weeks
from persistence.store import Store
from states.certificate import Certificate
from states.connection import Connection
from states.errors import InvalidInput
from states.next_action import by_hand
from states.ports import Clock
from states.quiet import QuietTimes
from states.summary import ConnectionSummary

__all__ = ["DAYS", "Downtime", "Expired", "Forecast", "Outcome", "Rotated", "Week"]

DAYS: Final = range(1, 3651)
"""How many days a forecast may have."""
MOST_ROTATIONS: Final = 100_000
"""More are not played: they would take minutes. It is 9,000 connections for ten years, with certificates of a year."""
_TICK: Final = timedelta.resolution
_UP_TO_THE_SAVE: Final = 2 * STEP_TAKES
"""From a rotation's begin to the moment at which NetSuite has the new key, and OpenAir not yet the new certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What would happen from one moment to another."""

    begins: datetime
    ends: datetime
    """Both UTC."""
    connections: int
    automatic: int
    """How many of them the schedule rotates."""
    downtime: Downtime | None
    weeks: Sequence[Week]
    expired: Sequence[Expired]
    """The certificates that expire in use, the first first."""
    left: Sequence[Rotated]
    """The rotations that wait for a person in the end, or wait already, the first first."""
    postponed: Sequence[Rotated]
    """The rotations that are postponed because the systems are down, the one that ends last first."""
    restored: int
    """How many are undone, because OpenAir does not take the certificate in time."""
    nearest: Rotated | None
    """The completed one whose predecessor was the nearest to its expiry."""


class Forecasts:
    """Plays the schedule of all connections forward."""

    def __init__(self, store: Store, clock: Clock, quiet: QuietTimes) -> None:
        self._store = store
        self._clock = clock
        self._quiet = quiet

    def make(self, days: int, *, outage: timedelta | None = None, at: datetime | None = None) -> Forecast:
        """Play the next ``days`` days.

        Args:
            days: one of DAYS.
            outage: for how long both systems refuse every request.
            at: from when on (UTC). None: from when it meets the most rotations, the first of them between both systems.

        Raises:
            InvalidInput: for any other number of days, for an outage that does not begin or end in them, and where
                more than MOST_ROTATIONS would begin.

        """
        if days not in DAYS:
            raise InvalidInput(f"A forecast has {DAYS.start} to {DAYS.stop - 1} days, not {days}.")
        now = self._clock.now()
        term = Term(now, now + timedelta(days=days), self._quiet)
        if outage is None and at is not None:
            raise InvalidInput("An outage that begins then also needs a length.")
        if outage is not None:
            if not timedelta() < outage <= term.ends - now:
                raise InvalidInput("An outage is longer than nothing, and not longer than the forecast.")
            if at is not None and not now <= at < term.ends:
                raise InvalidInput(f"An outage begins between now and {term.ends:%Y-%m-%d %H:%M} UTC.")
            begins = at or self._worst(term, outage)
            term = replace(term, downtime=Downtime(begins, begins + outage))
        return self._collect(term)

    def _worst(self, term: Term, outage: timedelta) -> datetime:
        """Return the first moment (UTC) at which an outage of this length meets the most rotations."""
        begins = array("q")
        for _, course in self._play(term):
            begins.extend((each.begins - term.begins) // _TICK for each in _rotated(course) if each.begins)
        ordered = sorted(begins)
        if not ordered:
            return term.begins
        length = (_UP_TO_THE_SAVE + outage) // _TICK
        met = [bisect_left(ordered, begin + length) - place for place, begin in enumerate(ordered)]
        return term.begins + ordered[met.index(max(met))] * _TICK + _UP_TO_THE_SAVE

    def _collect(self, term: Term) -> Forecast:
        weeks = Weeks(term)
        connections = automatic = restored = 0
        expired: list[Expired] = []
        left: list[Rotated] = []
        postponed: list[Rotated] = []
        nearest: tuple[timedelta, Rotated] | None = None
        for connection, course in self._play(term):
            connections += 1
            automatic += connection.is_automatic
            for played in course:
                weeks.add(played)
            expired += [each for each in course if isinstance(each, Expired)]
            for each in _rotated(course):
                if each.carried.outcome is Outcome.LEFT:
                    left.append(each)
                elif each.carried.postponed:
                    postponed.append(each)
                restored += each.carried.outcome is Outcome.RESTORED
                if each.margin is not None and each.carried.at < term.ends:
                    nearest = min(nearest or (each.margin, each), (each.margin, each), key=lambda pair: pair[0])
        return Forecast(
            begins=term.begins,
            ends=term.ends,
            connections=connections,
            automatic=automatic,
            downtime=term.downtime,
            weeks=weeks.counted(),
            expired=sorted(expired, key=lambda each: each.at),
            left=sorted(left, key=lambda each: each.carried.at),
            postponed=sorted(postponed, key=lambda each: each.carried.at, reverse=True),
            restored=restored,
            nearest=nearest[1] if nearest else None,
        )

    def _play(self, term: Term) -> Iterator[tuple[Connection, list[Rotated | Expired]]]:
        """Play every connection, by name; only one is kept at a time. Raises InvalidInput for too many rotations."""
        opened = {rotation.connection: rotation for rotation in self._store.rotations.all_open()}
        rotations = 0
        for summary in self._store.connections.all():
            connection = _connection(summary)
            course = list(play(connection, opened.get(summary.name), term))
            rotations += len(course)
            if rotations > MOST_ROTATIONS:
                raise InvalidInput(
                    f"More than {MOST_ROTATIONS:,} rotations would begin: too many for one forecast.",
                    next_action=by_hand("Give fewer --days."),
                )
            yield connection, course


def _rotated(course: Iterable[Rotated | Expired]) -> Iterator[Rotated]:
    return (each for each in course if isinstance(each, Rotated))


def _connection(summary: ConnectionSummary) -> Connection:
    """The connection of a list, whose certificate lacks its text: its validity is what counts here."""
    current = summary.current
    return Connection(
        name=summary.name,
        netsuite=summary.netsuite,
        openair=summary.openair,
        options=summary.options,
        policy=summary.policy,
        bundles=summary.bundles,
        version=summary.version,
        current=Certificate("", current.fingerprint, current.not_before, current.not_after) if current else None,
        due_at=summary.due_at,
    )
