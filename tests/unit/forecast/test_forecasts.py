"""The forecast of a fleet: the totals, an outage at the worst moment, and its bounds."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from support.clock import FakeClock
from support.factories import NOW, a_rotation
from unit.forecast.fleet import DAY, HOUR, connection

from orchestrator.forecast.rotation_course import STEP_TAKES
from orchestrator.operations import forecasts
from orchestrator.operations.forecasts import Forecasts
from orchestrator.views import forecast_plot
from orchestrator.views.forecast import forecast_json
from states.connection import Connection
from states.errors import InvalidInput
from states.quiet import QuietTimes
from states.rotation import Rotation
from states.summary import CertificateSummary, ConnectionSummary


def of(fleet: Sequence[Connection], *opened: Rotation, quiet: str = "") -> Forecasts:
    """Forecasts of a store with these connections and open rotations."""
    store: Any = SimpleNamespace(
        connections=SimpleNamespace(all=lambda: map(_summary, fleet)),
        rotations=SimpleNamespace(all_open=lambda: opened),
    )
    return Forecasts(store, FakeClock(), QuietTimes.parse(quiet))


def _summary(played: Connection) -> ConnectionSummary:
    return ConnectionSummary(
        name=played.name,
        netsuite=played.netsuite,
        openair=played.openair,
        options=played.options,
        policy=played.policy,
        bundles=played.bundles,
        version=0,
        current=CertificateSummary.of(played.current) if played.current else None,
        due_at=played.due_at,
        is_automatic=played.is_automatic,
    )


FLEET = [
    connection(60 * DAY, 10 * DAY, name="alone"),
    connection(60 * DAY, 20 * DAY, name="one"),
    connection(60 * DAY, 20 * DAY + HOUR, name="two"),
    connection(60 * DAY, 20 * DAY + 2 * HOUR, name="three"),
    connection(40 * DAY, name="unset", bundles={}),
    connection(5 * DAY, name="parked"),
]
PARKED = a_rotation(connection="parked", awaits_person=True)


def test_the_totals() -> None:
    """Every connection and rotation is counted; expiries come in their order."""
    made = of(FLEET, PARKED).make(50)
    assert (6, 5, 4) == (made.connections, made.automatic, sum(week.completed for week in made.weeks))
    assert ["parked", "unset"] == [each.connection for each in made.expired]
    assert (["parked"], [], 0) == ([each.connection for each in made.left], made.postponed, made.restored)
    assert made.nearest
    assert "three" == made.nearest.connection


def test_an_outage_meets_the_most_rotations() -> None:
    """Without a moment it begins where it meets the most, the first of them between both systems."""
    made = of(FLEET).make(50, outage=90 * timedelta(minutes=1))
    assert made.downtime
    assert (NOW + 20 * DAY + 2 * STEP_TAKES, 90) == (
        made.downtime.begins,
        (made.downtime.ends - made.downtime.begins).total_seconds() / 60,
    )
    assert {"one", "two"} == {each.connection for each in made.postponed}


def test_an_outage_at_a_moment() -> None:
    """It meets what it meets then."""
    made = of(FLEET).make(50, outage=HOUR, at=NOW + 10 * DAY)
    assert (["alone"], NOW + 10 * DAY) == ([each.connection for each in made.postponed], made.downtime.begins)  # type: ignore[union-attr]


def test_without_rotations_an_outage_begins_now() -> None:
    """There is nothing that it could meet."""
    made = of([]).make(5, outage=HOUR)
    assert made.downtime
    assert (NOW, None, 0) == (made.downtime.begins, made.nearest, made.connections)


@pytest.mark.parametrize("days", [-1, 0, 3651])
def test_a_forecast_has_bounds(days: int) -> None:
    """It has from 1 to 3650 days."""
    with pytest.raises(InvalidInput, match=f"1 to 3650 days, not {days}"):
        of(FLEET).make(days)
    assert 1 == len(of(FLEET).make(1).weeks)


@pytest.mark.parametrize(
    ("outage", "at"),
    [
        (timedelta(), None),
        (50 * DAY + timedelta.resolution, None),
        (HOUR, NOW - timedelta.resolution),
        (HOUR, NOW + 50 * DAY),
        (None, NOW + DAY),
    ],
    ids=["no length", "longer than the term", "before", "after", "no length, but a moment"],
)
def test_an_outage_has_bounds(outage: timedelta | None, at: Any) -> None:
    """It has a length, and begins in the forecast."""
    with pytest.raises(InvalidInput, match="outage"):
        of(FLEET).make(50, outage=outage, at=at)


def test_too_many_rotations_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forecast that would take minutes is none."""
    monkeypatch.setattr(forecasts, "MOST_ROTATIONS", 4)
    assert of(FLEET[:4]).make(50)
    with pytest.raises(InvalidInput, match="More than 4 rotations"):
        of(FLEET).make(50)


def test_the_same_fleet_has_the_same_forecast() -> None:
    """Two runs at one moment agree, with outage and quiet times."""
    one, other = (of(FLEET, PARKED, quiet="-2..3").make(1000, outage=2 * DAY) for _ in range(2))
    assert forecast_json(one) == forecast_json(other)
    assert forecast_plot.svg(one) == forecast_plot.svg(other)


def test_the_json() -> None:
    """It is plain JSON, and its weeks add up to its lists."""
    made = json.loads(json.dumps(forecast_json(of(FLEET, PARKED).make(50, outage=15 * HOUR))))
    assert {"from": "2026-12-13T12:00:30.123Z", "until": "2026-12-14T03:00:30.123Z"} == made["outage"]
    assert {int} == {type(week[name]) for week in made["weeks"] for name in ("begun", "postponed", "expired")}
    assert len(made["expired"]) == sum(week["expired"] for week in made["weeks"])
    assert len(made["postponed"]) == sum(week["postponed"] for week in made["weeks"])
    caught = {each["connection"]: (each["outcome"], each["refused_for"]) for each in made["postponed"]}
    assert ("restored", None) == (caught["one"][0], caught["two"][1])
    assert caught["one"][1] > HOUR.total_seconds() * 15
    assert 1 == made["restored"]


def test_the_plot() -> None:
    """It is well-formed, says what it shows, is readable in the dark, and refers to nothing outside itself."""
    drawn = forecast_plot.svg(of(FLEET, PARKED).make(50, outage=HOUR))
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    texts = ["".join(each.itertext()) for each in root.iter()]
    assert "prefers-color-scheme:dark" in drawn
    assert any("2 certificates would expire in use." in text for text in texts)
    assert any(text.startswith("week from 2026-12-07: 3 begun") for text in texts)
    assert 1 == drawn.count("http")
    assert "script" not in drawn
