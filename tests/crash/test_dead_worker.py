"""A worker that is killed is noticed by its presence: another one takes over at once, however long the lease is."""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from subprocess import Popen

import pytest
from support.environment import NAME
from support.polling import WAIT_LIMIT, until
from support.request_history import assert_openair_came_second, installed, saved

from orchestrator.bootstrap import Keyturn
from persistence.journal import TAKEN_OVER
from simulator import Fault, Simulator
from states.state import State

Start = Callable[[], AbstractContextManager[Popen[bytes]]]
LEASE = "600"
"""Longer than the test may take: a worker that waits for it fails the test."""


@pytest.fixture
def settings() -> dict[str, str]:
    return {"KEYTURN_WORKER__LEASE": LEASE}


def test_a_killed_worker_is_followed_at_once(app: Keyturn, simulator: Simulator, worker: Start) -> None:
    """Killed in an outage, its rotation is taken over in doubt and completed, with one upload and one save."""
    simulator.faults.add(Fault("openair.api", "delay", action="Add", when="before", seconds=2 * WAIT_LIMIT))
    rotation = app.rotations.request(NAME, actor="tester")
    with worker() as first, worker() as second:
        until(lambda: not simulator.faults.pending())
        workers = {first.pid: first, second.pid: second}
        holder = next(pid for pid in workers if f":{pid}:" in _holder(app, rotation.id))
        workers[holder].kill()
        until(lambda: app.rotations.show(rotation.id).state is State.COMPLETED)
    took_over = [entry for entry in app.rotations.journal(rotation.id) if entry.event == TAKEN_OVER]
    assert [State.UPLOADED_TO_NETSUITE] == [entry.target for entry in took_over]
    history = simulator.history.entries()
    assert 1 == len(installed(history)) == len(set(saved(history)))
    assert_openair_came_second(history)
    died = next(each for each in app.workers.list() if f":{holder}:" in each.name)
    assert (False, True) == (died.is_present, died.ended_at is not None)


def test_a_killed_command_is_followed_at_once(app: Keyturn, simulator: Simulator, worker: Start) -> None:
    """A process that starts later finds what died before it, and a worker that was stopped cleanly leaves nothing."""
    simulator.faults.add(Fault("netsuite.restlet", "delay", action="install", when="after", seconds=2 * WAIT_LIMIT))
    rotation = app.rotations.request(NAME, actor="tester")
    with worker() as first:
        until(lambda: not simulator.faults.pending())
        first.kill()
        first.wait(WAIT_LIMIT)
    with worker() as second:
        until(lambda: app.rotations.show(rotation.id).state is State.COMPLETED)
        second.send_signal(signal.SIGTERM)
        assert second.wait(WAIT_LIMIT) == 0
    assert [] == list(app.settings.data.glob("worker-*"))
    assert all(each.ended_at and not each.is_present for each in app.workers.list())


def _holder(app: Keyturn, rotation_id: str) -> str:
    """The worker that made the rotation's last move."""
    return app.rotations.journal(rotation_id)[-1].actor
