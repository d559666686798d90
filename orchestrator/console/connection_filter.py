"""Which connections a person asked for, by a page's address: the list and the bulk rotation read it alike."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from orchestrator.console.context import Console
from orchestrator.console.forms import Form
from orchestrator.operations.status import Group
from states.errors import InvalidInput

LABELS: Final = {
    Group.NEEDS_PERSON: "Needs you",
    Group.ROTATING: "Rotating",
    Group.POSTPONED: "Postponed",
    Group.DUE: "Due in 14 days",
}
EXPIRED: Final = "expired"
"""The week of what has expired already."""
WEEKS: Final = 12
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Week:
    """How many certificates expire in one week."""

    key: str
    """Its Monday (UTC), or EXPIRED."""
    number: int


@dataclass(frozen=True, slots=True)
class ConnectionQuery:
    """What was asked for."""

    text: str
    group: Group | None
    week: str

    @classmethod
    def of(cls, form: Form) -> "ConnectionQuery":
        """Read the fields. Raises InvalidInput for a group or a week that is none."""
        given, week = form.text("group", _LONGEST), form.text("week", _LONGEST)
        try:
            group = Group(given) if given else None
        except ValueError:
            raise InvalidInput(f"There is no group {given!r} of connections.") from None
        return cls(form.text("q", _LONGEST), group, _known_week(week))

    @property
    def fields(self) -> dict[str, str]:
        """The fields again, without those that are empty."""
        given = {"q": self.text, "group": self.group.value if self.group else "", "week": self.week}
        return {name: value for name, value in given.items() if value}

    @property
    def sentence(self) -> str:
        """What was asked for, in words."""
        parts = [LABELS[self.group].lower()] if self.group else []
        parts += [f"“{self.text}”"] if self.text else []
        if self.week:
            parts.append("expired" if self.week == EXPIRED else f"expiring in the week of {self.week}")
        return ", ".join(parts) or "all"

    def names(self, console: Console) -> Collection[str] | None:
        """The names of the group's and the week's connections; None where neither was asked for."""
        found: Collection[str] | None = console.overviews.get().groups[self.group] if self.group else None
        if self.week:
            now = console.keyturn.rotations.now()
            of_week = {name for at, name in expiries(console, now) if week_of(at, now) == self.week}
            found = of_week if found is None else of_week & set(found)
        return found


def expiries(console: Console, now: datetime) -> Sequence[tuple[datetime, str]]:
    """When certificates expire (UTC), and of which connections: those that have, and those of the next weeks."""
    return console.keyturn.lists.expiries(_monday(now) + timedelta(weeks=WEEKS))


def weeks(console: Console, now: datetime) -> list[Week]:
    """The next weeks with their numbers, after what has expired."""
    counts = Counter(week_of(at, now) for at, _ in expiries(console, now))
    monday = _monday(now)
    keys = [EXPIRED, *(f"{monday + timedelta(weeks=number):%Y-%m-%d}" for number in range(WEEKS))]
    return [Week(key, counts[key]) for key in keys]


def week_of(at: datetime, now: datetime) -> str:
    """The week in which ``at`` is, as ``Week.key``."""
    return EXPIRED if at < now else f"{_monday(at):%Y-%m-%d}"


def _monday(at: datetime) -> datetime:
    return (at - timedelta(days=at.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)


def _known_week(given: str) -> str:
    if given in ("", EXPIRED):
        return given
    try:
        found = datetime.strptime(given, "%Y-%m-%d")  # noqa: DTZ007 - a day, as weeks are named
    except ValueError:
        raise InvalidInput(f"{given!r} is no week: give its Monday, such as 2026-11-23.") from None
    return f"{_monday(found):%Y-%m-%d}"
