"""A worker that is killed with SIGKILL between any two steps, or between a write and its answer, is followed by
another that completes the rotation. What happened is judged by the systems' own request history.
"""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from subprocess import Popen

import pytest
from support.environment import NAME
from support.polling import WAIT_LIMIT, until
from support.request_history import assert_openair_came_second, installed, saved

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states import table
from states.connection import Algorithm, Policy
from states.state import State

Start = Callable[[], AbstractContextManager[Popen[bytes]]]

HELD = 45.0
"""Seconds for which a call is held, so that the kill strikes during it; the test is over before."""


@dataclass(frozen=True)
class Moment:
    """When the worker is killed."""

    name: str
    state: State
    fault: Fault
    """What holds the worker there."""


MOMENTS = [
    Moment(
        "before NetSuite is asked",
        State.KEY_GENERATED,
        Fault("netsuite.restlet", "delay", action="sign", when="before", seconds=HELD),
    ),
    Moment(
        "uploaded, answer not seen",
        State.KEY_GENERATED,
        Fault("netsuite.restlet", "delay", action="install", when="after", seconds=HELD),
    ),
    Moment(
        "before OpenAir is saved to",
        State.UPLOADED_TO_NETSUITE,
        Fault("openair.api", "delay", action="Read", when="before", seconds=HELD, skip=1),
    ),
    Moment(
        "saved, answer not seen",
        State.UPLOADED_TO_NETSUITE,
        Fault("openair.api", "delay", action="Add", when="after", seconds=HELD),
    ),
    Moment(
        "before the last look",
        State.SAVED_TO_OPENAIR,
        Fault("netsuite.restlet", "delay", action="sign", when="before", seconds=HELD, skip=1),
    ),
]


def test_every_active_state_is_covered() -> None:
    """There is a kill in every state that has something left to do."""
    assert set(table.ACTIVE) == {moment.state for moment in MOMENTS} | {State.REQUESTED}


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
def test_killed_worker_is_followed_by_another(
    app: Keyturn, simulator: Simulator, worker: Start, moment: Moment
) -> None:
    """Completed, one candidate, one upload of it applied, one journal without gaps; OpenAir came second."""
    simulator.faults.add(moment.fault)
    rotation = app.rotations.request(NAME, actor="tester")
    with worker() as first:
        until(lambda: not simulator.faults.pending())
        killed_in = app.rotations.show(rotation.id)
        _kill(first)
    _finish(app, rotation.id, worker)
    done = app.rotations.show(rotation.id)
    assert done.proofs.candidate
    assert (moment.state, killed_in.proofs.candidate) == (killed_in.state, done.proofs.candidate)
    assert (
        [done.proofs.candidate.fingerprint]
        == installed(simulator.history.entries())
        == saved(simulator.history.entries())
    )
    _assert_reported(app, rotation.id)
    assert_openair_came_second(simulator.history.entries())


def test_killed_while_the_key_is_made(app: Keyturn, simulator: Simulator, worker: Start) -> None:
    """A worker that is killed before its key was stored leaves nothing; the next one makes the only candidate."""
    connection = app.connections.show(NAME)
    app.connections.edit(replace(connection, policy=Policy(algorithm=Algorithm.RSA_4096)), {}, actor="tester")
    rotation = app.rotations.request(NAME, actor="tester")
    with worker() as first:
        until(lambda: _is_claimed(app))
        _kill(first)
    _finish(app, rotation.id, worker)
    done = app.rotations.show(rotation.id)
    assert done.proofs.candidate
    assert (
        [done.proofs.candidate.fingerprint]
        == installed(simulator.history.entries())
        == saved(simulator.history.entries())
    )
    _assert_reported(app, rotation.id)
    assert_openair_came_second(simulator.history.entries())


def test_sigterm_ends_the_worker_after_the_save(app: Keyturn, simulator: Simulator, worker: Start) -> None:
    """On SIGTERM during the upload a worker saves too, and releases the rotation: the next one starts at once."""
    simulator.faults.add(Fault("netsuite.restlet", "delay", action="install", when="after", seconds=1))
    rotation = app.rotations.request(NAME, actor="tester")
    with worker() as first:
        until(lambda: not simulator.faults.pending())
        first.send_signal(signal.SIGTERM)
        assert first.wait(WAIT_LIMIT) == 0
    assert app.rotations.show(rotation.id).state is State.SAVED_TO_OPENAIR
    claim = app.store.claims.claim("test", lease=1, now=app.clock.now(), rotation_id=rotation.id)
    assert claim
    assert claim.rotation.doubt.since is None


def test_a_second_signal_ends_the_worker_at_once(app: Keyturn, simulator: Simulator, worker: Start) -> None:
    """A worker that waits for OpenAir in an outage goes at the second SIGTERM, with 3; the next one completes."""
    simulator.faults.add(Fault("openair.api", "delay", action="Add", when="before", seconds=HELD))
    rotation = app.rotations.request(NAME, actor="tester")
    with worker() as first:
        until(lambda: not simulator.faults.pending())
        until(lambda: first.poll() is not None or first.send_signal(signal.SIGTERM))
        assert first.returncode == 3
    assert app.rotations.show(rotation.id).state is State.UPLOADED_TO_NETSUITE
    _finish(app, rotation.id, worker)
    assert_openair_came_second(simulator.history.entries())


def _is_claimed(app: Keyturn) -> bool:
    return bool(app.store.workers.held())


def _finish(app: Keyturn, rotation_id: str, worker: Start) -> None:
    with worker() as second:
        until(lambda: app.rotations.show(rotation_id).state is State.COMPLETED)
        second.send_signal(signal.SIGTERM)
        assert second.wait(WAIT_LIMIT) == 0


def _assert_reported(app: Keyturn, rotation_id: str) -> None:
    entries = app.rotations.journal(rotation_id)
    moves = [entry.event for entry in entries if entry.source is not entry.target]
    assert list(range(1, len(entries) + 1)) == [entry.seq for entry in entries]
    assert ["request", *(edge.trigger for edge in table.FORWARD)] == moves
    assert app.journal.verify().entries == len(entries)


def _kill(process: Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait(WAIT_LIMIT) == -signal.SIGKILL
