"""A worker that is killed after it parked a rotation, and before it notified anyone: another one tells, when it may."""

import base64
import json
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

import pytest
from pytest_httpserver import HTTPServer
from support.environment import NAME
from support.polling import WAIT_LIMIT, until
from werkzeug import Request, Response

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.alert import Kind
from states.rotation import Rotation
from states.state import State

got: list[str] = []


@pytest.fixture
def settings(httpserver: HTTPServer, tmp_path: Path) -> dict[str, str]:
    """The variables of a Keyturn with one receiver."""
    got.clear()

    def take(request: Request) -> Response:
        got.append(request.headers["webhook-id"])
        return Response()

    httpserver.expect_request("/hook").respond_with_handler(take)
    file = tmp_path / "hook-secret"
    file.write_bytes(base64.b64encode(b"s" * 32))
    route = {"webhook": httpserver.url_for("/hook"), "secret_file": str(file)}
    return {"KEYTURN_WORKER__POLL": "0.05", "KEYTURN_ALERTS__ROUTES": json.dumps({"ops": route})}


def parked_by_killed_worker(
    app: Keyturn, simulator: Simulator, worker: Callable[[], AbstractContextManager[Popen[bytes]]]
) -> Rotation:
    """A rotation that a worker parked in an outage, and was killed before it sent the message."""
    simulator.faults.add(Fault("openair.api", "401", action="Add", when="before", times=None))
    rotation = app.rotations.request(NAME, actor="tester")
    with worker() as first:
        until(lambda: app.rotations.show(rotation.id).state is State.FAILED)
        first.send_signal(signal.SIGKILL)
        assert first.wait(WAIT_LIMIT) == -signal.SIGKILL
    assert app.alerts.newest(9), "written with the move"
    return rotation


def test_what_a_killed_worker_did_not_send_is_sent(
    app: Keyturn, simulator: Simulator, worker: Callable[[], AbstractContextManager[Popen[bytes]]]
) -> None:
    """The message was committed with the move, so it arrives; to a receiver that goes by the id, once."""
    rotation = parked_by_killed_worker(app, simulator, worker)
    with worker():
        until(lambda: got)
    assert 1 == len(set(got))
    assert got[0].startswith(rotation.id)


def test_a_silence_that_was_added_after_the_kill_holds(
    app: Keyturn, simulator: Simulator, worker: Callable[[], AbstractContextManager[Popen[bytes]]]
) -> None:
    """The next worker sends nothing of what waited; when the silence is ended, it tells what lasts."""
    rotation = parked_by_killed_worker(app, simulator, worker)
    end = app.clock.now() + timedelta(days=2)
    preview = app.silences.preview(NAME, Kind.OUTAGE, until=end, reason="a move", actor="ada")
    app.silences.add(preview)
    with worker():
        until(lambda: not app.store.alerts.has_unsent())
    assert [] == got
    app.silences.end(preview.silence.id, actor="bob")
    app.alerts.look()
    with worker():
        until(lambda: got)
    assert 1 == len(set(got))
    assert got[0].startswith(rotation.id)
    assert got[0].endswith(".2")
