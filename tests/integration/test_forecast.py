"""A forecast and the real schedule, store and engine begin and end the same rotations, at the same moments.

Both systems are in memory, the clock is set from one event to the next. Retry policies are shortened for both alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import fake_systems
from support.factories import a_connection
from support.fake_systems import Fault
from support.fleet import Fleet

from orchestrator import retry
from orchestrator.forecast import rotation_course
from orchestrator.forecast.connection_course import Expired, Rotated, Term
from orchestrator.forecast.rotation_course import Downtime, Outcome
from orchestrator.operations.forecasts import Forecasts
from persistence.store import Store
from states import steps
from states.connection import Connection, OpenAirKind, OpenAirSettings, Policy
from states.errors import TryLater
from states.quiet import QuietTimes
from states.rotation import Ending, Rotation
from states.state import State

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NEAR = timedelta(minutes=5)
"""How far the moments may be apart: a forecast's rotation takes a minute, these a second or two. One worker carries
them, and a look at another rotation in the outage delays it by a round of tries."""
QUIET = QuietTimes.parse("-2..3")
OUTAGE = 25 * HOUR


class World:
    """The fleet, and an outage of both systems."""

    def __init__(self, file: Path) -> None:
        self.fleet = Fleet(file, QUIET)
        self.fleet.fault = self._fault
        self.fleet.after_call = self._take_time
        self.downtime: Downtime | None = None

    @property
    def is_down(self) -> bool:
        return self.downtime is not None and self.downtime.contains(self.fleet.clock.now())

    def _fault(self, _name: str, call: str) -> Fault | None:
        return Fault(TryLater("The system is down.")) if self.is_down and not call.startswith("keys") else None

    def _take_time(self, call: str) -> None:
        """Let an upload take as long as it does in a forecast, so that an outage can begin before the save."""
        if call == "netsuite.install" and not self.is_down:
            self.fleet.clock.advance(2 * rotation_course.STEP_TAKES.total_seconds())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Its calls take no time, and a wait between two tries is as long as it is on average."""
    monkeypatch.setattr(fake_systems, "REMOTE_CALL", 0.0)
    monkeypatch.setattr("random.uniform", lambda shortest, longest: (shortest + longest) / 2)
    save = replace(retry.TABLE[steps.save_to_openair], most_postponements=30)
    monkeypatch.setitem(retry.TABLE, steps.save_to_openair, save)
    restore = replace(retry.RESTORE, postponements=(5, 60, 3600), most_postponements=30)
    monkeypatch.setattr(retry, "RESTORE", restore)
    monkeypatch.setattr(rotation_course, "RESTORE", restore)
    made = World(tmp_path / "keyturn.db")
    yield made
    made.fleet.store.close()


@dataclass(frozen=True)
class Happened:
    """A rotation, as a forecast or the store has it."""

    begins: datetime
    ends: datetime
    outcome: Outcome


def of_forecast(played: Rotated) -> Happened:
    assert played.begins
    return Happened(played.begins, played.carried.at, played.carried.outcome)


def of_store(rotation: Rotation) -> Happened:
    if rotation.state is State.COMPLETED or rotation.ending is Ending.RESTORED:
        assert rotation.closed_at
        outcome = Outcome.RESTORED if rotation.ending else Outcome.COMPLETED
        return Happened(rotation.created_at, rotation.closed_at, outcome)
    assert rotation.awaits_person
    # One by hand waits from its begin on, and is not parked: the outage only delays the hourly look at it.
    return Happened(rotation.created_at, rotation.failure.at if rotation.failure else rotation.created_at, Outcome.LEFT)


def assert_agree(forecast: list[Happened], real: list[Happened]) -> None:
    """Both have the same rotations in the same order, at the same moments or nearly."""
    assert [each.outcome for each in forecast] == [each.outcome for each in real]
    for expected, seen in zip(forecast, real, strict=True):
        assert abs(expected.begins - seen.begins) < NEAR, (expected, seen)
        assert abs(expected.ends - seen.ends) < NEAR, (expected, seen)


def connections() -> Iterator[Connection]:
    """Connections whose rotations the outage meets in every way, and others."""
    more: dict[str, dict[str, Any]] = {
        **{f"short-{days}": {"policy": Policy(days=days)} for days in (15, 30, 45, 90)},
        "between": {"policy": Policy(days=120)},
        "early": {"policy": Policy(days=120)},
        "late": {"policy": Policy(days=120)},
        "long": {"policy": Policy(days=365)},
    }
    for name, over in more.items():
        yield a_connection(name=name, **over)


def test_a_forecast_is_what_happens(world: World) -> None:
    """Over a year, with quiet times and an outage of a day: completed in calm and after a wait, given up and left,
    restored and tried again, left to a person from the beginning.
    """
    fleet, store = world.fleet, world.fleet.store
    for connection in connections():
        fleet.add(connection)
    begins = fleet.clock.now() + HOUR
    fleet.go_on(begins)
    export = OpenAirSettings(kind=OpenAirKind.EXPORT, url="https://by-hand.app.openair.com")
    fleet.add(a_connection(name="by-hand", openair=export, policy=Policy(starts_by_hand=True)))
    down_at = begins + 45 * DAY  # neither a quiet day nor the day before one
    assert QUIET.until(down_at - DAY) is QUIET.until(down_at + 2 * DAY) is None
    between = 2 * rotation_course.STEP_TAKES
    for name, due_at in (("between", down_at - between), ("early", down_at + HOUR), ("late", down_at + 24 * HOUR)):
        _due(store, name, due_at)
    world.downtime = Downtime(down_at, down_at + OUTAGE)
    term = Term(begins, begins + 365 * DAY, QUIET, world.downtime)
    forecast = {connection.name: course for connection, course in Forecasts(store, fleet.clock, QUIET)._play(term)}
    fleet.draw_again()
    fleet.go_on(term.ends)
    seen: set[tuple[str, Outcome]] = set()
    for name, course in forecast.items():
        real = [each for each in store.rotations.newest(connection=name, limit=100) if each.created_at >= begins]
        rotated = [of_forecast(each) for each in course if isinstance(each, Rotated)]
        assert_agree(rotated, [of_store(each) for each in reversed(real)])
        seen |= {(name, each.outcome) for each in rotated}
        expired = [each for each in course if isinstance(each, Expired)]
        current = store.connections.get(name).current
        assert bool(expired) is bool(current and current.not_after < term.ends), name
    assert {("by-hand", Outcome.LEFT), ("early", Outcome.LEFT), ("between", Outcome.RESTORED)} <= seen
    assert {("between", Outcome.COMPLETED), ("late", Outcome.COMPLETED), ("long", Outcome.COMPLETED)} <= seen


def _due(store: Store, name: str, at: datetime) -> None:
    """Let a connection's next rotation be due at ``at``."""
    with store._database.writing() as tx:
        tx.exec_driver_sql("UPDATE connections SET due_at = ? WHERE name = ?", (f"{at:%Y-%m-%d %H:%M:%S.%f}", name))
