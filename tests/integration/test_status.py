"""What needs a person now: the status, the doctor, the health and the schedule agree about an outage."""

from dataclasses import replace
from datetime import timedelta

import pytest
from integration.fixture_types import Rotate
from support.database_writer import EVIL, columns, setting, write
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.views.connection import connection_json
from orchestrator.views.status import status_json
from persistence import models
from simulator import Fault, Simulator
from states.concern import Harm
from states.errors import VaultLocked
from states.next_action import Verb
from states.outage import outage_of
from states.state import State
from states.timing import UNATTENDED_AFTER

REFUSED = Fault("openair.api", "error", action="Add", code="5", times=None)


def test_all_is_well(app: Keyturn, rotate: Rotate) -> None:
    """After a completed rotation nothing needs a person, and the next one is named."""
    rotate()
    report = app.status.report()
    due_at = app.connections.show(NAME).due_at
    assert ([], 1, 0, (due_at, NAME)) == (report.concerns, report.connections, report.under_way, report.next_due)
    assert not status_json(report)["needs_person"]
    assert [] == app.doctor.waiting()


def test_an_outage_comes_first(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """A rotation parked after the upload is an outage in the status, the doctor, the health and the lists."""
    simulator.faults.add(REFUSED)
    parked = rotate()
    outage = outage_of(parked)
    assert outage
    report = app.status.report()
    (concern,) = report.concerns
    assert (Harm.OUTAGE, NAME, parked.id, outage) == (
        concern.harm,
        concern.connection,
        concern.rotation,
        concern.outage,
    )
    assert concern.message.startswith(outage.sentence(report.at))
    assert [outage] == app.status.outages()
    (finding,) = app.doctor.waiting(NAME)
    assert (False, True) == (finding.ok, finding.message.startswith("Imports are refused since "))
    health = app.health.health(NAME)
    assert (outage, "OUTAGE") == (health.outage, health.problems[0].code)
    shown = connection_json(app.connections.show(NAME), rotation=parked, now=report.at)
    assert (True, None, outage.sentence(report.at)) == (
        shown["open_rotation"]["parked"],
        shown["due_at"],
        shown["outage"]["sentence"],
    )


def test_a_parked_rotation_needs_a_person(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """A rotation parked before the upload is no outage, but waits for a person."""
    simulator.faults.add(Fault("netsuite.restlet", "302", times=None))
    parked = rotate()
    (concern,) = app.status.report(NAME).concerns
    assert (Harm.PARKED, parked.id, None) == (concern.harm, concern.rotation, concern.outage)
    assert concern.next_action.leads_to(Verb.RESUME)


def test_a_connection_that_was_changed(app: Keyturn, rotate: Rotate) -> None:
    """One that someone wrote outside Keyturn needs a person, though nothing is due of it; given again, it is well."""
    rotate()
    before = app.connections.show(NAME)
    write(app, setting("openair", "url", EVIL))
    report = app.status.report()
    (concern,) = report.concerns
    assert (Harm.TAMPERED, NAME, True) == (concern.harm, concern.connection, report.is_checked)
    assert concern.message.startswith(f"Connection {NAME} was changed outside Keyturn")
    assert Verb.EDIT_CONNECTION is concern.next_action.verb
    assert {NAME: concern.message} == {name: each.message for name, each in app.status.changed([NAME]).items()}
    given_again = replace(before, version=app.connections.show(NAME).version)
    app.connections.edit(given_again, {}, actor="ada", is_given_again=True)
    assert ([], {}) == (app.status.report(NAME).concerns, app.status.tampered())


@pytest.mark.parametrize("is_parked", [False, True])
def test_a_rotation_that_was_changed(app: Keyturn, *, is_parked: bool) -> None:
    """An open one that someone wrote needs a person before a worker finds it, and after it was parked."""
    requested = app.rotations.request(NAME, actor="tester")
    if is_parked:
        app.rotations.park(requested.id, actor="tester")
    write(app, columns(models.rotations, may_overwrite=True))
    for report in (app.status.report(), app.status.report(NAME), app.status.overview().report):
        (concern,) = report.concerns
        expected = (Harm.TAMPERED, requested.id, f"Rotation {requested.id} was changed outside Keyturn.")
        assert expected == (concern.harm, concern.rotation, concern.message)


def test_an_outage_of_a_changed_connection(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """The outage comes first, then that the connection was changed, and how to give it again."""
    simulator.faults.add(REFUSED)
    rotate()
    write(app, setting("openair", "url", EVIL))
    (concern,) = app.status.report().concerns
    assert (Harm.OUTAGE, Verb.EDIT_CONNECTION) == (concern.harm, concern.next_action.verb)
    assert f"Connection {NAME} was changed outside Keyturn" in concern.message


def test_without_the_key(app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the key-encryption key nothing is said to be changed, and the report says that it was not checked."""
    app.rotations.request(NAME, actor="tester")
    write(app, columns(models.rotations, may_overwrite=True))
    write(app, setting("openair", "url", EVIL))
    monkeypatch.setattr(app.store.vault, "unlock", _locked)
    report = app.status.report()
    assert ([], False, None, {}) == (
        report.concerns,
        report.is_checked,
        app.status.tampered(),
        app.status.changed([NAME]),
    )
    assert not status_json(report)["checked"]


def _locked() -> None:
    raise VaultLocked


def test_a_due_rotation_that_no_worker_starts(app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that has been due for more than a day was left alone; until then a timer may begin it."""
    assert [] == app.status.report().concerns
    late = app.clock.now() + UNATTENDED_AFTER + timedelta(minutes=1)
    monkeypatch.setattr(app.clock, "now", lambda: late, raising=False)
    (concern,) = app.status.report().concerns
    assert (Harm.LEFT_ALONE, Verb.WORKER) == (concern.harm, concern.next_action.verb)


def test_what_a_run_would_do(app: Keyturn) -> None:
    """The schedule knows what a run would start, carry, and report as parked."""
    assert [NAME] == app.schedule.all_due()
    requested = app.rotations.request(NAME, actor="tester")
    left = app.schedule.left()
    assert ([], [requested.id], [], []) == (
        app.schedule.all_due(),
        [each.id for each in left.claimable],
        left.waiting,
        left.parked,
    )
    app.rotations.park(requested.id, actor="tester")
    left = app.schedule.left()
    assert ([], [], [requested.id]) == (left.claimable, left.waiting, [each.id for each in left.parked])


def test_a_run_stays_with_an_outage(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """A run carries a rotation in UploadedToNetSuite that is postponed for less than ten minutes."""
    simulator.faults.add(Fault("openair.api", "503", action="Add", when="before", times=16, retry_after=5))
    postponed = rotate()
    assert State.UPLOADED_TO_NETSUITE is postponed.state
    left = app.schedule.left()
    assert ([postponed.id], []) == ([each.id for each in left.claimable], left.waiting)
