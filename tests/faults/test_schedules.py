"""Random schedules of several connections, workers, clocks and operators at once, under faults of all kinds."""

from dataclasses import replace
from pathlib import Path

import pytest
from home import keyturn
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from orchestrator import patience
from orchestrator.adapters import http
from simulator import Simulator
from tests.faults import wire
from tests.faults.actors import stand
from tests.faults.schedule import Schedule
from tests.faults.tally import SEED, WHOLE
from tests.faults.world import World

BATCHES = 8
"""So many parts, each with a seed of its own, so that they can be shared out."""
SCHEDULES = 2000 if WHOLE else 160
STEPS = 40


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_schedule_breaks_a_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """Nothing is lost and no rule broken on the way; every rotation ends Completed, or parked and then mended."""
    for step, usual in patience.TABLE.items():
        monkeypatch.setitem(patience.TABLE, step, replace(usual, attempts=2, most_put_offs=2))
    with keyturn(tmp_path, monkeypatch, KEYTURN_WORKER__LEASE="600") as app:
        made = app.settings
    empty = (made.data / "keyturn.db").rename(tmp_path / "empty.db")

    class Batch(Schedule):
        settings = made
        template = empty

        def wire(self, simulator: Simulator, world: World) -> None:
            monkeypatch.setattr(http, "session", wire.session(simulator, world, stand))

    run_state_machine_as_test(
        seed(SEED * BATCHES + batch)(Batch),
        settings=settings(
            max_examples=SCHEDULES // BATCHES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
