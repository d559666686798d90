"""A certificate that ends is reported by steps where nothing renews it in time: by hand, or by a failed schedule."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from integration.fixture_types import Rotate
from integration.test_alert_kinds import Taker, routed
from support.clock import OffsetClock
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.views.metrics import families, metrics_json
from simulator import Fault, Simulator
from states.alert import Kind, Phase
from states.concern import Harm
from states.rotation import Rotation
from states.state import State

BEGAN, CHANGED, LASTS, ENDED = Phase.BEGAN, Phase.CHANGED, Phase.LASTS, Phase.ENDED


def end_of(rotation: Rotation) -> datetime:
    """When the certificate that ``rotation`` made ends."""
    assert rotation.proofs.candidate
    return rotation.proofs.candidate.certificate.not_after


@pytest.fixture
def taker(app: Keyturn) -> Taker:
    """What the one route gets."""
    return routed(app, NAME)


def make_manual(app: Keyturn) -> None:
    """Take the bundles away that automatic rotations need."""
    app.connections.edit(replace(app.connections.show(NAME), bundles={}), {}, actor="ada")


def when_due(app: Keyturn) -> datetime:
    """When the schedule rotates the connection."""
    due_at = app.connections.show(NAME).due_at
    assert due_at
    return due_at


def look_at(app: Keyturn, moment: datetime) -> None:
    """Look and send at ``moment``, twice."""
    assert isinstance(app.clock, OffsetClock)
    app.clock.ahead += moment - app.clock.now()
    for _ in range(2):
        app.alerts.look()
        assert not app.alerts.send()


def renew(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """Rotate by the clock of ``app``, to the end."""
    assert isinstance(app.clock, OffsetClock)
    simulator.clock.offset = app.clock.ahead
    assert State.COMPLETED is rotate().state


def reported(taker: Taker) -> list[tuple[Kind, Phase, int | None]]:
    """The kind, phase and step of each message about the connection itself."""
    found = [each.finding for each in taker.got if not each.finding.rotation]
    phases = [each.phase for each in taker.got if not each.finding.rotation]
    return [(each.kind, phase, each.days) for each, phase in zip(found, phases, strict=True)]


def test_each_step_is_reported_once_and_a_new_certificate_ends_it(
    app: Keyturn, taker: Taker, simulator: Simulator, rotate: Rotate
) -> None:
    """One alert, in order: steps, then what else is so at 14 and 7 days, and the all-clear of a new certificate."""
    end = end_of(rotate())
    make_manual(app)
    for left in (91, 89.9, 60, 31, 29.9, 15, 13.99, 6.99, 0.99):
        look_at(app, end - timedelta(days=left))
    look_at(app, app.clock.now())
    renew(app, simulator, rotate)
    look_at(app, app.clock.now())
    assert [
        (Kind.EXPIRING, BEGAN, 90),
        (Kind.EXPIRING, CHANGED, 30),
        (Kind.DUE, CHANGED, 14),
        (Kind.OVERDUE, CHANGED, 7),
        (Kind.OVERDUE, CHANGED, 1),
        (Kind.OVERDUE, ENDED, 1),
    ] == reported(taker)
    assert 1 == len({each.alert for each in taker.got})


def test_what_was_missed_is_not_reported_late(app: Keyturn, taker: Taker, rotate: Rotate) -> None:
    """Where no one looked for weeks, only the step that is reached is reported."""
    end = end_of(rotate())
    make_manual(app)
    look_at(app, end - timedelta(days=20))
    assert [(Kind.EXPIRING, BEGAN, 30)] == reported(taker)


def test_a_schedule_that_rotates_in_time_is_not_reported(
    app: Keyturn, taker: Taker, simulator: Simulator, rotate: Rotate
) -> None:
    """Neither by steps before its rotation is due, nor when it is due."""
    end = end_of(rotate())
    due_at = when_due(app)
    for moment in (end - timedelta(days=89), end - timedelta(days=29), due_at - timedelta(minutes=1)):
        look_at(app, moment)
    look_at(app, due_at + timedelta(hours=1))
    renew(app, simulator, rotate)
    look_at(app, app.clock.now())
    assert [] == reported(taker)


def test_a_parked_rotation_does_not_hide_that_the_end_comes(
    app: Keyturn, taker: Taker, simulator: Simulator, rotate: Rotate
) -> None:
    """The schedule's rotation is parked: its own alert lasts, and the steps of the certificate are reported as well."""
    end = end_of(rotate())
    due_at = when_due(app)
    look_at(app, due_at)
    simulator.faults.add(Fault("netsuite.restlet", "302", times=None))
    parked = rotate()
    assert parked.failure
    for left in (6.99, 5.9, 3, 0.99):
        look_at(app, end - timedelta(days=left))
    in_week = [each for each in reported(taker) if each[2] in (7, 1)]
    assert [7, 1] == [days for _, _, days in in_week]
    assert {Kind.EXPIRING} == {kind for kind, _, _ in in_week}
    (last,) = [each for each in taker.got if each.finding.days == 1]
    assert parked.id in last.finding.message


def test_the_steps_can_be_set(app: Keyturn, taker: Taker, rotate: Rotate) -> None:
    """To other days, or to none."""
    app.status._steps = (200,)
    end = end_of(rotate())
    make_manual(app)
    look_at(app, end - timedelta(days=199))
    app.status._steps = ()
    look_at(app, end - timedelta(days=198))
    assert [(Kind.EXPIRING, BEGAN, 200), (Kind.EXPIRING, ENDED, 200)] == reported(taker)


def test_the_status_and_the_metrics_know_what_is_reported(app: Keyturn, taker: Taker, rotate: Rotate) -> None:
    """A certificate that ends, and that nothing renews, needs a person there as soon as it is reported."""
    end = end_of(rotate())
    look_at(app, end - timedelta(days=60))
    assert [] == app.status.report().concerns, "a schedule renews it"
    make_manual(app)
    look_at(app, end - timedelta(days=60))
    (finding,) = [each.finding for each in taker.got]
    reports = [app.status.report(), app.status.report(NAME), app.status.overview().report, app.metrics.read().report]
    for report in reports:
        (concern,) = report.concerns
        assert (Harm.EXPIRING, finding.message, finding.since) == (concern.harm, concern.message, concern.since)
        assert finding.next_action == concern.next_action
    (sample,) = [each for each in metrics_json(families(app.metrics.read())) if each["name"] == "keyturn_needs_person"]
    assert [{"connection": NAME, "harm": "EXPIRING"}] == [each["labels"] for each in sample["samples"]]
    look_at(app, end - timedelta(days=10))
    assert [Harm.DUE] == [each.harm for each in app.status.report().concerns], "the more harmful of both"
