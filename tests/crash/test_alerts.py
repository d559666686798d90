"""A worker that is killed after it parked a rotation, and before it notified anyone: another one tells."""

import base64
import json
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen

import pytest
from pytest_httpserver import HTTPServer
from support.environment import NAME
from support.polling import WAIT_LIMIT, until
from werkzeug import Request, Response

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
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


def test_what_a_killed_worker_did_not_send_is_sent(
    app: Keyturn, simulator: Simulator, worker: Callable[[], AbstractContextManager[Popen[bytes]]]
) -> None:
    """The message was committed with the move, so it arrives; to a receiver that goes by the id, once."""
    simulator.faults.add(Fault("openair.api", "401", action="Add", when="before", times=None))
    rotation = app.rotations.request(NAME, actor="tester")
    with worker() as first:
        until(lambda: app.rotations.show(rotation.id).state is State.FAILED)
        first.send_signal(signal.SIGKILL)
        assert first.wait(WAIT_LIMIT) == -signal.SIGKILL
    assert app.alerts.newest(9), "written with the move"
    with worker():
        until(lambda: got)
    assert 1 == len(set(got))
    assert got[0].startswith(rotation.id)
