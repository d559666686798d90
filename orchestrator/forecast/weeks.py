"""What is played, counted by week."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from orchestrator.forecast.connection_course import Expired, Rotated, Term
from orchestrator.forecast.rotation_course import Outcome

_WEEK: Final = timedelta(weeks=1)
_TICK: Final = timedelta.resolution


@dataclass(slots=True, kw_only=True)
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
        self._weeks = [Week(begins=self._monday + number * _WEEK) for number in range(count)]
        self._begins = array("q")
        self._ends = array("q")

    def add(self, played: Rotated | Expired) -> None:
        """Count what is played. What happens after the term is not counted."""
        if isinstance(played, Expired):
            if week := self._week(played.at):
                week.expired += 1
            return
        carried = played.carried
        begins = self._week(played.from_)
        ends = self._week(carried.at)
        if begins:
            begins.begun += played.begins is not None
            begins.postponed += carried.postponed
        if ends:
            ends.completed += carried.outcome is Outcome.COMPLETED
            ends.left += carried.outcome is Outcome.LEFT
            if played.margin is not None:
                ends.margin = played.margin if ends.margin is None else min(ends.margin, played.margin)
        self._begins.append((played.from_ - self._monday) // _TICK)
        self._ends.append((carried.at - self._monday) // _TICK)

    def counted(self) -> Sequence[Week]:
        """Return every week of the term."""
        begins, ends = sorted(self._begins), sorted(self._ends)
        place, ended = 0, 0
        for week in self._weeks:
            beginning = (week.begins - self._monday) // _TICK
            ended = _passed(ends, ended, beginning)
            week.most_at_once = place - ended
            following = beginning + _WEEK // _TICK
            while place < len(begins) and begins[place] < following:
                ended = _passed(ends, ended, begins[place])
                place += 1
                week.most_at_once = max(week.most_at_once, place - ended)
        return self._weeks

    def _week(self, moment: datetime) -> Week | None:
        """The week in which ``moment`` is counted; None after the term."""
        if moment >= self._term.ends:
            return None
        return self._weeks[max(0, (moment - self._monday) // _WEEK)]


def _passed(ends: Sequence[int], ended: int, moment: int) -> int:
    """How many ``ends`` have come by ``moment``, where ``ended`` had come before."""
    while ended < len(ends) and ends[ended] <= moment:
        ended += 1
    return ended
