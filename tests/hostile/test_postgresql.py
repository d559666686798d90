"""A PostgreSQL server that goes away, or may not be written to, while a rotation is under way."""

import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from acceptance.installed_keyturn import command
from hostile.hostile_worker import a_worker, completed_once, error_of
from support import postgresql as postgres
from support.environment import connect, keyturn

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator

pytestmark = pytest.mark.postgresql


@pytest.fixture
def server() -> Iterator[Path]:
    with postgres.server() as socket:
        yield socket


@pytest.fixture(params=["embedded", "procrastinate"])
def app(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    simulator: Simulator,
    server: Path,
) -> Iterator[Keyturn]:
    """A Keyturn with one connection, and each dispatcher."""
    url = postgres.new_database(server)
    settings = {"KEYTURN_STORE__URL": url, "KEYTURN_WORKER__LEASE": "1", "KEYTURN_WORKER__POLL": "0.1"}
    settings["KEYTURN_WORKER__DISPATCHER"] = request.param
    with keyturn(tmp_path, monkeypatch, **settings) as running:
        connect(running, simulator.credentials, bundles={})
        yield running


def control(server: Path, *words: str) -> None:
    """Stop or start the server, or make it the primary."""
    program = Path(shlex.split((server / "data" / "postmaster.opts").read_text())[0]).with_name("pg_ctl")
    postgres._run(program, "-D", server / "data", "-w", *words)


def start(server: Path) -> None:
    control(server, "-l", str(server / "data" / "log"), "-o", f"-k {server} -h '' -F", "start")


@contextmanager
def away(server: Path) -> Iterator[None]:
    """Stop the server as a crash does, and start it again after the block."""
    control(server, "-m", "immediate", "stop")
    try:
        yield
    finally:
        start(server)


@contextmanager
def standby(server: Path) -> Iterator[None]:
    """Restart the server as a standby, as after a failover, and make it the primary after the block."""
    control(server, "-m", "fast", "stop")
    (server / "data" / "standby.signal").touch()
    start(server)
    try:
        yield
    finally:
        control(server, "promote")


@contextmanager
def read_only(server: Path) -> Iterator[None]:
    """Make transactions read-only by default while the block runs, as some maintenance does."""
    with psycopg.connect(host=str(server), user="postgres", autocommit=True) as administrator:

        def change(words: str) -> None:
            administrator.execute(f"ALTER SYSTEM {words}")  # type: ignore[arg-type]  # the words are ours
            administrator.execute("SELECT pg_reload_conf()")

        change("SET default_transaction_read_only = on")
        try:
            yield
        finally:
            change("RESET default_transaction_read_only")


def test_a_server_that_goes_away_and_comes_back(
    app: Keyturn, simulator: Simulator, server: Path, tmp_path: Path
) -> None:
    """The upload's move cannot be stored: the worker says so and lives; commands exit with 7; then all goes on."""
    simulator.faults.add(Fault("netsuite.restlet", "delay", action="install", when="after", seconds=2))
    rotation = app.rotations.request("acme", actor="tester")
    with a_worker(tmp_path) as running:
        simulator.history.wait_for(lambda entry: "installed" in entry.effect, seconds=60)
        with away(server):
            reported = running.wait_to_say("worker will try again", code="TRY_LATER")
            assert "is not available" in reported["reason"]
            for words in (("rotation", "list"), ("worker",), ("rotate", "acme")):
                run = subprocess.run(command(*words, "-o", "json"), capture_output=True, check=False)
                assert ("TRY_LATER", 7) == (error_of(run)["code"], run.returncode)
        completed_once(app, simulator, rotation)
        assert 0 == running.stop()
    assert not running.tracebacks


@pytest.mark.parametrize("made_so", [standby, read_only])
def test_a_server_that_becomes_read_only(
    app: Keyturn,
    simulator: Simulator,
    server: Path,
    tmp_path: Path,
    made_so: Callable[[Path], AbstractContextManager[None]],
) -> None:
    """Who runs or starts says so and lives; a command that writes exits with 7, one that reads works; all goes on."""
    simulator.faults.add(Fault("netsuite.restlet", "delay", action="install", when="after", seconds=2))
    rotation = app.rotations.request("acme", actor="tester")
    with a_worker(tmp_path) as running, ExitStack() as late:
        simulator.history.wait_for(lambda entry: "installed" in entry.effect, seconds=60)
        with made_so(server):
            workers = [running, late.enter_context(a_worker(tmp_path))]
            for worker in workers:
                reported = worker.wait_to_say("worker will try again", code="TRY_LATER")
                assert "is not available" in reported["reason"]
            for words in (("run-due",), ("rotate", "acme"), ("connection", "edit", "acme", "--days", "300")):
                run = subprocess.run(command(*words, "-o", "json"), capture_output=True, check=False)
                assert ("TRY_LATER", 7) == (error_of(run)["code"], run.returncode)
                assert "read-only transaction" in error_of(run)["message"]
            subprocess.run(command("rotation", "explain", rotation.id), capture_output=True, check=True)
        completed_once(app, simulator, rotation)
        assert [0, 0] == [worker.stop() for worker in workers]
    assert [False, False] == [worker.tracebacks for worker in workers]
