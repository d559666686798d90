"""What is played, counted by week."""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from orchestrator.forecast.connection_course import Expired, Rotated, Term
from orchestrator.forecast.rotation_course import Outcome

_WEEK: Final = timedelta(weeks=1)
_TICK: Final = timedelta.resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """From one Monday, 00:00 UTC, to the next; the first week is counted from the moment of the forecast."""

    begins: datetime
    begun: int = 0
    """Rotations that begin in it."""
    completed: int = 0
    postponed: int = 0
    """Rotations that begin in it, or are open before, and are postponed because the systems are down."""
    left: int = 0
    """Rotations that begin to wait for a person in it; in the first week also those that wait already."""
    expired: int = 0
    """Certificates that expire in use in it; in the first week also those that have expired already."""
    most_at_once: int = 0
    """The most rotations under way at one moment. One that waits for a person is none of them."""
    margin: timedelta | None = None
    """How long a certificate was still valid that was replaced in it: the least of all; None where none was."""

    @property
    def is_eventful(self) -> bool:
        """Whether anything happens in it."""
        return bool(self.begun or self.completed or self.postponed or self.left or self.expired or self.most_at_once)


class Weeks:
    """Counts the weeks of a term. It keeps 16 bytes for each rotation."""

    def __init__(self, term: Term) -> None:
        self._term = term
        day = term.begins.date() - timedelta(days=term.begins.weekday())
        self._monday = datetime.combine(day, time(), UTC)
        count = -((self._monday - term.ends) // _WEEK)
        self._counts: list[Counter[str]] = [Counter() for _ in range(count)]
        self._margins: list[timedelta | None] = [None] * count
        self._begins = array("q")
        self._ends = array("q")

    def add(self, played: Rotated | Expired) -> None:
        """Count what is played. What happens after the term is not counted."""
        if isinstance(played, Expired):
            self._count(played.at, expired=True)
            return
        carried = played.carried
        self._count(played.from_, begun=played.begins is not None, postponed=carried.postponed)
        self._count(
            carried.at,
            completed=carried.outcome is Outcome.COMPLETED,
            left=carried.outcome is Outcome.LEFT,
        )
        if played.margin is not None and carried.at < self._term.ends:
            place = self._place(carried.at)
            least = self._margins[place]
            self._margins[place] = played.margin if least is None else min(least, played.margin)
        self._begins.append((played.from_ - self._monday) // _TICK)
        self._ends.append((carried.at - self._monday) // _TICK)

    def counted(self) -> Sequence[Week]:
        """Return every week of the term."""
        return [
            Week(begins=self._monday + place * _WEEK, most_at_once=most, margin=self._margins[place], **count)
            for place, (count, most) in enumerate(zip(self._counts, self._most_at_once(), strict=True))
        ]

    def _most_at_once(self) -> Iterator[int]:
        """The most rotations under way at one moment, for each week."""
        begins, ends = sorted(self._begins), sorted(self._ends)
        place, ended = 0, 0
        for week in range(len(self._counts)):
            beginning = week * (_WEEK // _TICK)
            ended = _passed(ends, ended, beginning)
            most = place - ended
            while place < len(begins) and begins[place] < beginning + _WEEK // _TICK:
                ended = _passed(ends, ended, begins[place])
                place += 1
                most = max(most, place - ended)
            yield most

    def _count(self, moment: datetime, **happened: bool) -> None:
        """Count what happened at ``moment``."""
        if moment < self._term.ends:
            self._counts[self._place(moment)].update({name: int(is_so) for name, is_so in happened.items()})

    def _place(self, moment: datetime) -> int:
        """The week in which ``moment`` is counted."""
        return max(0, (moment - self._monday) // _WEEK)


def _passed(ends: Sequence[int], ended: int, moment: int) -> int:
    """How many ``ends`` have come by ``moment``, where ``ended`` had come before."""
    while ended < len(ends) and ends[ended] <= moment:
        ended += 1
    return ended
