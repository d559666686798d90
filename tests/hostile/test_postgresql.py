"""A PostgreSQL server that goes away and comes back while a rotation is under way."""

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import postgres
import pytest
from acceptance.terminal import command
from home import connect, keyturn
from hostile.stage import a_worker, completed_once, error_of

from orchestrator.bootstrap import App
from simulator import Fault, Simulator

pytestmark = pytest.mark.postgresql


@pytest.fixture
def server() -> Iterator[Path]:
    with postgres.server() as socket:
        yield socket


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator, server: Path) -> Iterator[App]:
    url = postgres.new_database(server)
    settings = {"KEYTURN_STORE__URL": url, "KEYTURN_WORKER__LEASE": "1", "KEYTURN_WORKER__POLL": "0.1"}
    with keyturn(tmp_path, monkeypatch, **settings) as running:
        connect(running, simulator.credentials, bundles={})
        yield running


@contextmanager
def away(server: Path) -> Iterator[None]:
    """Stop the server as a crash does, and start it again after the block."""
    program = Path(shlex.split((server / "data" / "postmaster.opts").read_text())[0]).with_name("pg_ctl")
    control = (program, "-D", server / "data", "-w")
    postgres._run(*control, "-m", "immediate", "stop")
    try:
        yield
    finally:
        postgres._run(*control, "-l", server / "data" / "log", "-o", f"-k {server} -h '' -F", "start")


def test_a_server_that_goes_away_and_comes_back(app: App, simulator: Simulator, server: Path, tmp_path: Path) -> None:
    """The upload's move cannot be stored: the worker says so and lives; commands exit with 7; then all goes on."""
    simulator.faults.add(Fault("netsuite.restlet", "delay", action="install", when="after", seconds=2))
    rotation = app.rotations.request("acme", actor="tester")
    with a_worker(tmp_path) as running:
        simulator.history.wait_for(lambda entry: "installed" in entry.effect, seconds=60)
        with away(server):
            told = running.wait_to_say("worker will try again", code="TRY_LATER")
            assert "is not available" in told["reason"]
            for words in (("rotation", "list"), ("worker",), ("rotate", "acme")):
                run = subprocess.run(command(*words, "-o", "json"), capture_output=True, check=False)
                assert ("TRY_LATER", 7) == (error_of(run)["code"], run.returncode)
        completed_once(app, simulator, rotation)
        assert 0 == running.stop()
    assert not running.tracebacks
