"""In a quiet time the schedule begins no rotation, unless the certificate's last week comes first."""

from datetime import timedelta
from pathlib import Path

import pytest
from integration.fixture_types import Rotate
from support.clock import OffsetClock
from support.environment import NAME, keyturn

from orchestrator.bootstrap import Keyturn
from orchestrator.schedule import Schedule
from states.quiet import QuietTimes
from states.timing import ROTATE_LATEST

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def schedule(app: Keyturn, rotate: Rotate) -> Schedule:
    """The schedule of a connection that was rotated and is due in an hour; the four days from then on are quiet."""
    rotate()
    due_at = app.connections.show(NAME).due_at
    assert due_at
    assert isinstance(app.clock, OffsetClock)
    app.clock.ahead = due_at - HOUR - app.clock.now()
    quiet = QuietTimes.parse(f"{due_at - DAY:%Y-%m-%d}..{due_at + 2 * DAY:%Y-%m-%d}")
    return Schedule(app.store, app.rotations, app.clock, quiet)


def go_on(app: Keyturn, by: timedelta) -> None:
    """Let time pass."""
    assert isinstance(app.clock, OffsetClock)
    app.clock.ahead += by


def test_a_due_rotation_is_postponed(app: Keyturn, schedule: Schedule) -> None:
    """On a quiet day nothing begins; the connection is due when it is over, and then it is rotated."""
    go_on(app, 2 * HOUR)
    assert ([], [NAME]) == (schedule.all_due(), app.schedule.all_due())
    passed = schedule.start_all_due(actor="schedule")
    connection = app.connections.show(NAME)
    assert connection.due_at
    assert connection.current
    assert ([], [], [(NAME, connection.due_at)]) == (passed.started, passed.failed, passed.postponed)
    assert app.clock.now() < connection.due_at <= connection.current.not_after - ROTATE_LATEST
    assert [] == app.store.rotations.all_open()
    go_on(app, connection.due_at - app.clock.now() - HOUR)
    assert [] == schedule.start_all_due(actor="schedule").started
    go_on(app, 2 * HOUR)
    (started,) = schedule.start_all_due(actor="schedule").started
    assert NAME == started.connection


def test_a_connection_that_is_not_due_is_left_alone(app: Keyturn, schedule: Schedule) -> None:
    """What is not due yet keeps its moment."""
    due_at = app.connections.show(NAME).due_at
    assert [] == schedule.start_all_due(actor="schedule").postponed
    assert due_at == app.connections.show(NAME).due_at


@pytest.mark.usefixtures("schedule")
def test_the_last_week_comes_first(app: Keyturn) -> None:
    """Seven days before expiry a rotation begins on a quiet day, too."""
    current = app.connections.show(NAME).current
    assert current
    go_on(app, current.not_after - ROTATE_LATEST - app.clock.now() + HOUR)
    now = app.clock.now()
    quiet = Schedule(
        app.store, app.rotations, app.clock, QuietTimes.parse(f"{now - DAY:%Y-%m-%d}..{now + DAY:%Y-%m-%d}")
    )
    assert [NAME] == quiet.all_due()
    (started,) = quiet.start_all_due(actor="schedule").started
    assert NAME == started.connection


def test_a_person_begins_one_all_the_same(app: Keyturn, schedule: Schedule) -> None:
    """Quiet days hold back the schedule, and no one else."""
    go_on(app, 2 * HOUR)
    assert [] == schedule.all_due()
    assert NAME == app.rotations.request(NAME, actor="ada").connection


def test_the_schedule_has_the_quiet_times_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting reaches the schedule of workers and commands, with its time zone."""
    with keyturn(
        tmp_path, monkeypatch, KEYTURN_SCHEDULE__QUIET="-2..3", KEYTURN_SCHEDULE__TIME_ZONE="Asia/Tokyo"
    ) as app:
        quiet = app.schedule._quiet
    assert ("-2..3", "Asia/Tokyo") == (app.settings.schedule.quiet, str(quiet.zone))
    assert quiet == QuietTimes.parse("-2..3", quiet.zone)
