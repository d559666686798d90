"""Clocks that jump by days, and clocks that disagree by minutes."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import timedelta
from pathlib import Path

import pytest
from hostile.hostile_worker import Worker, completed_once
from support.advice import text
from support.clock import OffsetClock
from support.environment import connect, keyturn
from support.polling import until
from support.stores import authenticate

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.rotation import Rotation
from states.state import State
from states.timing import HOLD_OFF

QUICK = {"KEYTURN_WORKER__LEASE": "1", "KEYTURN_WORKER__POLL": "0.1"}


@pytest.fixture
def clock() -> OffsetClock:
    return OffsetClock()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator, clock: OffsetClock) -> Iterator[Keyturn]:
    with keyturn(tmp_path, monkeypatch) as running:
        running.clock = clock
        connect(running, simulator.credentials, bundles={})
        yield running


def carry(app: Keyturn, rotation: Rotation, *, worker: str = "tester") -> Rotation:
    """Carry the rotation as far as it goes now."""
    claim = app.store.claims.claim(worker, lease=15, now=app.clock.now(), rotation_id=rotation.id)
    assert claim, "there was nothing to claim"
    with app.engine() as engine:
        return engine.run(claim)


def uploaded(app: Keyturn, simulator: Simulator) -> Rotation:
    """A rotation that is postponed between both sides."""
    simulator.faults.add(Fault("openair.api", "503", action="Add", when="before", times=None, retry_after=60))
    rotation = carry(app, app.rotations.request("acme", actor="tester"))
    assert State.UPLOADED_TO_NETSUITE is rotation.state
    simulator.faults.clear()
    return rotation


AHEAD = """
UPDATE rotations SET
    updated_at = strftime('%Y-%m-%d %H:%M:%f', updated_at, :by),
    available_at = strftime('%Y-%m-%d %H:%M:%f', available_at, :by),
    lease_until = strftime('%Y-%m-%d %H:%M:%f', lease_until, :by),
    in_flight_until = strftime('%Y-%m-%d %H:%M:%f', in_flight_until, :by)
"""


def clock_was_ahead(app: Keyturn, by: timedelta = timedelta(days=3)) -> None:
    """Change the rotations' times as if this computer's clock had been ahead until now."""
    with closing(sqlite3.connect(app.settings.data / "keyturn.db")) as database:
        database.execute(AHEAD, {"by": f"{by.total_seconds()} seconds"})
        database.commit()
    authenticate(app.store)


def failure(rotation: Rotation) -> tuple[str, str]:
    assert rotation.failure
    return rotation.failure.code, text(rotation.failure.next_action)


def test_the_clock_jumps_forward_between_both_sides(app: Keyturn, simulator: Simulator, clock: OffsetClock) -> None:
    """Three days ahead, NetSuite accepts no sign-in: parked, with advice to check the clock; once right, completed."""
    rotation = uploaded(app, simulator)
    clock.ahead = timedelta(days=3)
    code, advice = failure(carry(app, rotation))
    assert ("SIGN_IN_REFUSED", True) == (code, "this machine's clock" in advice)
    clock.ahead = timedelta(0)
    carry(app, app.rotations.resume(rotation.id, actor="tester"))
    completed_once(app, simulator, rotation)


def test_the_clock_was_ahead_when_a_rotation_was_postponed(
    app: Keyturn, simulator: Simulator, clock: OffsetClock
) -> None:
    """Once right, the rotation would wait for three days: the next pass brings it back, and it is completed."""
    rotation = uploaded(app, simulator)
    clock_was_ahead(app)
    assert app.store.claims.claim("tester", lease=15, now=clock.now()) is None
    app.schedule.start_due(actor="tester")
    clock.ahead += HOLD_OFF
    carry(app, rotation)
    completed_once(app, simulator, rotation)


@pytest.mark.parametrize("ahead", [timedelta(days=3), timedelta(minutes=90)], ids=["days", "minutes"])
def test_a_worker_is_killed_while_the_clock_is_ahead(
    app: Keyturn, simulator: Simulator, worker: Callable[..., AbstractContextManager[Worker]], ahead: timedelta
) -> None:
    """Between both sides, and the clock is set right: the next worker says so, takes over at once, and completes it."""
    simulator.faults.add(Fault("openair.api", "delay", action="Add", when="before", seconds=60))
    rotation = app.rotations.request("acme", actor="tester")
    with worker(**QUICK) as running:
        until(lambda: State.UPLOADED_TO_NETSUITE is app.rotations.show(rotation.id).state)
        running.process.kill()
        running.process.wait()
    simulator.faults.clear()
    clock_was_ahead(app, ahead)
    with worker(**QUICK) as running:
        running.wait_to_say("a clock was wrong", rotations=1)
        completed_once(app, simulator, rotation)
        assert 0 == running.stop()


def test_what_is_postponed_by_hours_is_left_alone(app: Keyturn, simulator: Simulator, clock: OffsetClock) -> None:
    """A wait that Keyturn itself decided on is no sign of a wrong clock."""
    rotation = uploaded(app, simulator)
    app.schedule.start_due(actor="tester")
    assert rotation.available_at == app.rotations.show(rotation.id).available_at > clock.now()


def test_a_lease_of_days(app: Keyturn, simulator: Simulator) -> None:
    """The database's clock was ahead when a worker died: no worker waits for its lease, and there is a doubt."""
    rotation = app.rotations.request("acme", actor="tester")
    assert app.store.claims.claim("lost", lease=3 * 86400, now=app.clock.now())
    assert app.store.claims.claim("tester", lease=15, now=app.clock.now()) is None
    app.schedule.start_due(actor="tester")
    carry(app, rotation)
    completed_once(app, simulator, rotation)
    assert "taken_over" in [entry.event for entry in app.rotations.journal(rotation.id)]


def test_a_certificate_made_by_a_wrong_clock(app: Keyturn, simulator: Simulator, clock: OffsetClock) -> None:
    """Not valid yet, it is never installed: parked, given up as advised, and the next one is completed."""
    clock.ahead = timedelta(days=3)
    rotation = app.rotations.request("acme", actor="tester")
    assert "SIGN_IN_REFUSED" == failure(carry(app, rotation))[0]
    clock.ahead = timedelta(0)
    code, advice = failure(carry(app, app.rotations.resume(rotation.id, actor="tester")))
    assert ("NOT_VALID_NOW", True) == (code, "keyturn rotation abandon ID" in advice)
    assert [] == simulator.history.effects("installed")
    app.recovery.abandon(rotation.id, actor="tester")
    after = app.rotations.request("acme", actor="tester")
    carry(app, after)
    completed_once(app, simulator, after)


def test_netsuite_is_minutes_ahead(app: Keyturn, simulator: Simulator) -> None:
    """NetSuite refuses an install whose deadline has passed by its clock: postponed, with advice to set the clock."""
    simulator.clock.offset = timedelta(minutes=4)
    rotation = carry(app, app.rotations.request("acme", actor="tester"))
    assert (State.KEY_GENERATED, "The request reached NetSuite after its deadline, and changed nothing.") == (
        rotation.state,
        rotation.waiting_for,
    )
    assert [] == simulator.history.effects("installed")
    assert any("clock" in finding.message and not finding.ok for finding in app.doctor.examine("acme"))
    simulator.clock.offset = timedelta(0)
    completed_later(app, simulator, rotation)


def test_netsuite_is_minutes_behind(app: Keyturn, simulator: Simulator) -> None:
    """NetSuite accepts no assertion from the future: parked, with advice to check the clock; once right, completed."""
    simulator.clock.offset = timedelta(minutes=-4)
    rotation = carry(app, app.rotations.request("acme", actor="tester"))
    code, advice = failure(rotation)
    assert ("SIGN_IN_REFUSED", True) == (code, "this machine's clock" in advice)
    simulator.clock.offset = timedelta(0)
    carry(app, app.rotations.resume(rotation.id, actor="tester"))
    completed_once(app, simulator, rotation)


def test_two_workers_whose_clocks_are_minutes_apart(app: Keyturn, simulator: Simulator, clock: OffsetClock) -> None:
    """What a worker that is ahead leaves, another takes up as many minutes later; nothing is done twice."""
    clock.off = timedelta(minutes=1)
    rotation = uploaded(app, simulator)
    clock.ahead = timedelta(0)
    assert app.store.claims.claim("other", lease=15, now=clock.now()) is None
    completed_later(app, simulator, rotation)


def completed_later(app: Keyturn, simulator: Simulator, rotation: Rotation) -> None:
    """Carry the rotation on when it is available, by any clock."""
    claim = app.store.claims.claim("other", lease=15, now=rotation.available_at, rotation_id=rotation.id)
    assert claim
    with app.engine() as engine:
        engine.run(claim)
    completed_once(app, simulator, rotation)
