"""Random schedules of several connections, workers, clocks and operators at once, under faults of all kinds."""

import functools
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from support.environment import keyturn

from orchestrator import retry
from orchestrator.adapters import http
from persistence.journal import TAKEN_OVER
from states.state import State
from tests.faults.attacked_schedule import AttackedSchedule
from tests.faults.random_schedule import LEASE, Schedule
from tests.faults.schedule_actions import NAMES
from tests.faults.summary import SEED, SLICE, WHOLE

PARTS = 8
"""So many parts, each with a seed of its own, so that they can be shared out."""
SCHEDULES = 2000 // (SLICE or 1) if WHOLE else 112
ATTACKED_SCHEDULES = 800 // (SLICE or 1) if WHOLE else 32
STEPS = 40
LEAST_PLACES = 16
"""A rotation makes eight calls and more, with a place before and after each."""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The attributes of schedules with files of their own, and with few attempts for each step."""
    for step, usual in retry.TABLE.items():
        monkeypatch.setitem(retry.TABLE, step, replace(usual, attempts=2, most_postponements=2))
    with keyturn(tmp_path, monkeypatch, KEYTURN_WORKER__LEASE="600") as app:
        made = app.settings
    empty = (made.data / "keyturn.db").rename(tmp_path / "empty.db")
    use = staticmethod(functools.partial(monkeypatch.setattr, http, "session"))
    return {"settings": made, "template": empty, "use": use}


@pytest.fixture
def batch(environment: dict[str, Any]) -> type[Schedule]:
    """Schedules without an attacker."""
    return type("Batch", (Schedule,), environment)


@pytest.fixture
def attacked(environment: dict[str, Any]) -> type[AttackedSchedule]:
    """Schedules in which an attacker writes the database."""
    return type("Attacked", (AttackedSchedule,), environment)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_schedule_breaks_a_rule(batch: type[Schedule], part: int) -> None:
    """Nothing is lost and no rule broken on the way; every rotation ends Completed, or parked and then recovered."""
    run(batch, part, SCHEDULES)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_schedule_acts_on_what_was_written(attacked: type[AttackedSchedule], part: int) -> None:
    """With a writer of the database, too: what he changed is parked before anything is sent, and recovered then."""
    run(attacked, part, ATTACKED_SCHEDULES)


def run(schedule: type[Schedule], part: int, schedules: int) -> None:
    """Try one part of all schedules."""
    run_state_machine_as_test(
        seed(SEED * PARTS + part)(schedule),
        settings=settings(
            max_examples=schedules // PARTS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rotated", [0, len(NAMES)])
def test_a_lease_may_run_out_in_the_middle_of_any_call(batch: type[Schedule], rotated: int) -> None:
    """Before and after each request of a rotation: another worker completes it; the first one harms nothing then.

    Only where the first had just spent OpenAir's refresh token, and the next one is lost, must a person consent.
    """
    for places in itertools.count(1):
        schedule = batch()
        schedule.open(record="placeholder", rotated=rotated, at_once=places % 2 == 0)
        schedule.work(None, "w1", places)
        if not schedule.actors["w1"].place:
            break
        schedule.virtual_time.go_on(LEASE + 1)
        for _ in NAMES:
            schedule.work(None, "w2", 0)
            schedule.actors["w2"].finish()
        with schedule.database() as database:
            query = "SELECT state, failure_code FROM rotations JOIN journal ON rotation_id = id WHERE event = ?"
            (taken_over,) = database.execute(query, (TAKEN_OVER,))
        assert taken_over in [(State.COMPLETED, None), (State.FAILED, "SIGN_IN_REFUSED")]
        schedule.actors["w1"].finish()
        schedule.rules_hold()
        schedule.teardown()
    assert places > LEAST_PLACES
    schedule.teardown()
