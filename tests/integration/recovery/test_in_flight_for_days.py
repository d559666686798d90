"""A hold-off that a fast clock set days ahead delays no verb for longer than a right clock would."""

import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from integration.fixture_types import Carry
from support.clock import OffsetClock
from support.stores import authenticate

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.errors import IllegalMove, RestoreUnfinished
from states.rotation import Rotation
from states.state import State
from states.timing import HOLD_OFF

DAYS = timedelta(days=3)


def in_flight(app: Keyturn, rotation: Rotation, ahead: timedelta) -> None:
    """Store a lost request with the hold-off of a clock that is ``ahead``."""
    until = app.clock.now() + HOLD_OFF + ahead
    with closing(sqlite3.connect(app.settings.data / "keyturn.db")) as database:
        text = until.replace(tzinfo=None).isoformat(" ", "microseconds")
        database.execute("UPDATE rotations SET in_flight_until = ? WHERE id = ?", (text, rotation.id))
        database.commit()
    authenticate(app.store)


def reason(app: Keyturn, rotation: Rotation, verb: str) -> str:
    """Return why the verb is not possible, as `rotation explain` shows it."""
    verbs = app.rotations.explain(rotation.id).verbs
    return next(why_not for each, why_not in verbs if each.verb == verb)


@pytest.mark.parametrize(("verb", "which"), [("restore", "stuck"), ("adopt", "foreign")])
def test_a_verb_waits_for_minutes(
    app: Keyturn, clock: OffsetClock, verb: str, which: str, request: pytest.FixtureRequest
) -> None:
    """Even without a worker, the verb is refused for three minutes after the first call, and then possible."""
    parked: Rotation = request.getfixturevalue(which)
    in_flight(app, parked, DAYS)
    asked = app.clock.now()
    with pytest.raises(IllegalMove, match="may still take effect"):
        getattr(app.recovery, verb)(parked.id, actor="ada")
    until = app.rotations.show(parked.id).doubt.in_flight_until
    assert until
    assert asked + HOLD_OFF <= until <= app.clock.now() + HOLD_OFF
    assert f"until {until:%Y-%m-%d %H:%M:%S} UTC" in reason(app, parked, verb)
    clock.ahead = 2 * HOLD_OFF
    assert "" == reason(app, parked, verb)


def test_explaining_is_enough(app: Keyturn, stuck: Rotation, caplog: pytest.LogCaptureFixture) -> None:
    """`explain` alone corrects the hold-off, and the log reports the clock once."""
    in_flight(app, stuck, DAYS)
    for _ in range(2):
        explanation = reason(app, stuck, "restore")
    until = app.rotations.show(stuck.id).doubt.in_flight_until
    assert until
    assert until <= app.clock.now() + HOLD_OFF
    assert f"until {until:%Y-%m-%d %H:%M:%S} UTC" in explanation
    assert 1 == [record.message for record in caplog.records].count("a clock was wrong")


def test_resuming_and_restoring_do_not_send_for_each_other(
    app: Keyturn, simulator: Simulator, clock: OffsetClock, stuck: Rotation, carry: Carry
) -> None:
    """After a restore by a fast clock, a resume can send the candidate minutes later."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="before"))
    with pytest.raises(RestoreUnfinished):
        app.recovery.restore(stuck.id, actor="ada")
    in_flight(app, stuck, DAYS)
    with pytest.raises(IllegalMove, match="may still take effect"):
        app.rotations.resume(stuck.id, actor="ada")
    simulator.faults.clear()
    clock.ahead = 2 * HOLD_OFF
    assert State.COMPLETED is carry(app.rotations.resume(stuck.id, actor="ada")).state


def test_what_is_in_flight_by_a_right_clock_stays(app: Keyturn, stuck: Rotation) -> None:
    """A hold-off of a right clock is not changed."""
    in_flight(app, stuck, timedelta(minutes=1))
    before = app.rotations.show(stuck.id)
    assert "may still take effect" in reason(app, stuck, "restore")
    assert before == app.rotations.show(stuck.id)
