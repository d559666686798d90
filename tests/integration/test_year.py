"""A year of a fleet on a fake clock, with random trouble and no person who acts: every certificate is renewed in time,
or a person is notified in time.

The schedule, engine, store and alerts are real; both systems of each connection are in memory.

YEAR=200    how many connections; without it a few
SEED=7      which trouble
"""

import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path

import pytest
from support import fake_systems
from support.environment import keyturn
from support.factories import a_connection
from support.fake_systems import Fault
from support.fleet import Fleet
from support.pairs import a_pair

from orchestrator.bootstrap import Keyturn
from states.alert import Phase
from states.connection import Policy
from states.errors import SignInRefused, Throttled, TryLater, Unknown
from states.quiet import QuietTimes
from states.state import State
from states.timing import ROTATE_EARLIEST, ROTATE_LATEST

CONNECTIONS = int(os.environ.get("YEAR", "7"))
SEED = int(os.environ.get("SEED", "1"))
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
YEAR = 365 * DAY
IN_TIME = ROTATE_LATEST - 2 * DAY
"""How long before its end a person knows of a certificate that is not renewed: the schedule has a day after its window,
and the alerts are looked at once a day here."""
SORTS = ("faults", "faults", "sign-in refused", "faults", "replaced by another party", "faults", "bundle removed")
"""Of the connections, in turn. All of them have faults: lost answers, refused requests, and both systems down."""
WRITES = ("netsuite.install", "openair.save")


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with one connection in the year."""

    sort: str
    at: datetime
    """When it begins (UTC)."""
    downtimes: Sequence[tuple[datetime, datetime]]
    """When NetSuite and OpenAir are down."""

    def fault(self, call: str, now: datetime, chance: random.Random) -> Fault | None:
        """How a request ends now."""
        if self.sort == "sign-in refused" and now >= self.at and call.startswith("netsuite"):
            return Fault(SignInRefused())
        if any(begins <= now < ends for begins, ends in self.downtimes):
            return Fault(TryLater("The system is down."))
        if chance.random() > 0.05:
            return None
        if call in WRITES:
            return Fault(Unknown("The answer was lost."), applied=chance.random() < 0.5)
        return Fault(chance.choice((TryLater("The connection was reset."), Throttled(retry_after=30))))


class Year:
    """The fleet, its trouble, and what is reported to people."""

    def __init__(self, app: Keyturn, file: Path) -> None:
        self.fleet = Fleet(file, QuietTimes.parse("-2..3, 12-20..01-05"))
        app.clock, app.store = self.fleet.clock, self.fleet.store  # type: ignore[assignment]
        self.alerts = app.alerts
        self.begins = self.fleet.clock.now()
        self.trouble: dict[str, Trouble] = {}
        self.fleet.fault = self._fault
        self._chance = random.Random(SEED)  # noqa: S311 - repeatable chance is wanted

    def add(self, number: int) -> None:
        """Add a connection, and draw its trouble."""
        chance, name = self._chance, f"client-{number:03}"
        sort = SORTS[number % len(SORTS)]
        at = self.begins + chance.uniform(2, 300) * DAY
        self.trouble[name] = Trouble(sort, at, tuple(self._downtimes()))
        self.fleet.add(a_connection(name=name, policy=Policy(days=chance.choice((45, 60, 90, 180, 365)))))

    def _downtimes(self) -> Iterator[tuple[datetime, datetime]]:
        for _ in range(6):
            begins = self.begins + self._chance.uniform(1, 365) * DAY
            yield begins, begins + self._chance.expovariate(1 / 12) * HOUR

    def _fault(self, name: str, call: str) -> Fault | None:
        now = self.fleet.clock.now()
        if call.startswith("keys") or now < self.begins + DAY:
            return None
        return self.trouble[name].fault(call, now, self._chance)

    def pass_by(self) -> None:
        """Let the year pass, and look for what is to be reported once a day."""
        for day in range(1, 366):
            now = self.begins + day * DAY
            self.fleet.go_on(now)
            for name, trouble in self.trouble.items():
                if now <= trouble.at < now + DAY:
                    self._change(name, trouble.sort)
            self.alerts.look()

    def _change(self, name: str, sort: str) -> None:
        """Let another party, or an administrator, change a connection."""
        connection = self.fleet.store.connections.get(name)
        if sort == "replaced by another party":
            self.fleet.systems[name].netsuite.hold(a_pair())
        if sort == "bundle removed":
            self.fleet.store.connections.save(replace(connection, bundles={}))

    def notified(self) -> Mapping[str, Sequence[datetime]]:
        """When people were notified of each connection (UTC), the first first."""
        found: dict[str, list[datetime]] = defaultdict(list)
        for stored in reversed(self.fleet.store.alerts.newest(1_000_000)):
            message = stored.message
            if message.finding.connection and message.phase is not Phase.ENDED:
                found[message.finding.connection].append(message.at)
        return found

    def certificates(self, name: str) -> Sequence[tuple[datetime, datetime | None]]:
        """Return when each certificate of a connection ends, and when it was replaced (UTC); the last one was not."""
        completed = [
            (rotation.closed_at, rotation.proofs.candidate.certificate.not_after)
            for rotation in reversed(self.fleet.store.rotations.newest(connection=name, limit=1000))
            if rotation.state is State.COMPLETED and rotation.closed_at and rotation.proofs.candidate
        ]
        replaced = [at for at, _ in completed[1:]]
        return [(ends, at) for (_, ends), at in zip_longest(completed, replaced)]


@pytest.fixture
def year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Year]:
    """A fleet without trouble so far, each connection with its first certificate."""
    monkeypatch.setattr(fake_systems, "REMOTE_CALL", 0.0)
    monkeypatch.setattr("random.uniform", lambda shortest, longest: (shortest + longest) / 2)  # repeatable waits
    with keyturn(tmp_path / "app", monkeypatch) as app:
        made = Year(app, tmp_path / "year.db")
        for number in range(CONNECTIONS):
            made.add(number)
        yield made


def test_every_certificate_is_renewed_or_reported_in_time(
    year: Year, capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> None:
    """No certificate ends in use unless a person was notified in its last two weeks, five days before at the latest."""
    year.pass_by()
    ended_at, notified = year.begins + YEAR, year.notified()
    counts: dict[str, Counter[str]] = {sort: Counter() for sort in SORTS}
    wrong = []
    for name, trouble in year.trouble.items():
        count = counts[trouble.sort]
        count["connections"] += 1
        for ends, replaced in year.certificates(name):
            if replaced and replaced <= ends:
                count["renewed"] += 1
            elif ends >= ended_at:
                count["still valid"] += 1
            elif any(ends - ROTATE_EARLIEST <= at <= ends - IN_TIME for at in notified[name]):
                count["reported in time"] += 1
            else:
                wrong.append((name, trouble, ends, replaced, notified[name]))
    table = _table(counts)
    record_property("year", table)
    with capsys.disabled():
        print(f"\n{table}")  # noqa: T201 - the summary of the year
    assert [] == wrong
    assert any(count["renewed"] for count in counts.values())


def _table(counts: Mapping[str, Counter[str]]) -> str:
    """The summary: a line for each sort of connection."""
    columns = ("connections", "renewed", "still valid", "reported in time")
    width = max(map(len, counts))
    lines = [f"A year, SEED={SEED}", "  ".join(["trouble".ljust(width), *columns])]
    for sort, count in counts.items():
        lines.append("  ".join([sort.ljust(width), *(str(count[each]).rjust(len(each)) for each in columns)]))
    return "\n".join(lines)
