"""Restoring over real HTTP against the simulator: what it ends, keeps and destroys."""

from datetime import timedelta

import pytest
from integration.fixture_types import Carry
from integration.recovery.evidence import events, kept_keys, without_key
from support.clock import OffsetClock
from support.environment import NAME
from support.request_history import assert_openair_came_second, installed, saved

from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from states.certificate import Certificate
from states.errors import IllegalMove
from states.rotation import Ending, Rotation
from states.state import State


def test_restoring_ends_the_outage(app: Keyturn, simulator: Simulator, first: Certificate, stuck: Rotation) -> None:
    """A restore ends the outage: both systems agree, health is good, and imports are accepted."""
    refused, problems = simulator.import_requests.send(), app.health.health(NAME).problems
    restored = app.recovery.restore(stuck.id, actor="ada", reason="OpenAir takes nothing")
    assert refused
    assert refused.startswith("Error:")
    assert {"DRIFT", "OUTAGE", "PARKED"} == {problem.code for problem in problems}
    assert ("project=T", ()) == (simulator.import_requests.send(), app.health.health(NAME).problems)
    assert (State.FAILED, Ending.RESTORED, False) == (restored.state, restored.ending, restored.is_open)
    assert without_key(restored) == app.rotations.show(stuck.id)
    assert ["restoring", "restore"] == events(app, stuck)
    assert first.fingerprint == installed(simulator.history.entries())[-1]
    assert [first.fingerprint] == saved(simulator.history.entries()), "OpenAir was not written again"
    assert_openair_came_second(simulator.history.entries())
    app.journal.verify()


def test_restoring_keeps_the_previous_certificate(app: Keyturn, first: Certificate, stuck: Rotation) -> None:
    """The restored certificate keeps its key and its due date, and the candidate's key is destroyed."""
    before = app.connections.show(NAME)
    made_first = app.store.rotations.newest()[-1]
    app.recovery.restore(stuck.id, actor="ada")
    assert before == app.connections.show(NAME)
    assert first == before.current
    assert [True, False] == kept_keys(app, made_first, stuck)


def test_restoring_ends_the_skew(app: Keyturn, clock: OffsetClock, stuck: Rotation) -> None:
    """The skew ends when both systems agree again."""
    clock.ahead = timedelta(minutes=5)
    restored = app.recovery.restore(stuck.id, actor="ada")
    assert restored.skew_from
    assert restored.closed_at
    skew = restored.closed_at - restored.skew_from
    assert skew >= timedelta(minutes=5)
    clock.ahead = timedelta(days=1)
    assert skew == app.rotations.show(stuck.id).skew(clock.now())


def test_a_restored_connection_rotates_again(app: Keyturn, simulator: Simulator, stuck: Rotation, carry: Carry) -> None:
    """After the hold-off the next rotation replaces the restored certificate."""
    restored = app.recovery.restore(stuck.id, actor="ada")
    simulator.faults.clear()
    following = app.rotations.request(NAME, actor="tester")
    assert restored.doubt.in_flight_until == following.available_at
    done = carry(following)
    assert (State.COMPLETED, stuck.previous) == (done.state, done.previous)
    assert_openair_came_second(simulator.history.entries())


def test_restoring_twice(app: Keyturn, simulator: Simulator, stuck: Rotation) -> None:
    """A second restore is refused and sends nothing."""
    app.recovery.restore(stuck.id, actor="ada")
    sent = len(simulator.history.entries())
    with pytest.raises(IllegalMove, match="The rotation has ended"):
        app.recovery.restore(stuck.id, actor="ada")
    assert sent == len(simulator.history.entries())
