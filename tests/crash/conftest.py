"""A simulator, a Keyturn connected to it, and real worker processes that can be killed, under either dispatcher."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from support import postgresql as postgres
from support.environment import connect, keyturn
from support.request_history import judged_simulator

from orchestrator.bootstrap import Keyturn
from simulator import Simulator

Worker = subprocess.Popen[bytes]

_POSTGRESQL = [
    pytest.param(("postgresql", name), id=name, marks=pytest.mark.postgresql) for name in ("procrastinate", "embedded")
]
PLACES = [
    pytest.param(("sqlite", "embedded"), id="sqlite"),
    *(_POSTGRESQL if os.environ.get("CRASH") else _POSTGRESQL[:1]),
]
"""`make crash` tries the embedded dispatcher on PostgreSQL too."""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with judged_simulator() as running:
        yield running


@pytest.fixture
def settings() -> dict[str, str]:
    """Variables of the environment."""
    return {"KEYTURN_WORKER__POLL": "0.05"}


@pytest.fixture(params=PLACES)
def app(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    simulator: Simulator,
    settings: dict[str, str],
) -> Iterator[Keyturn]:
    """A Keyturn with one connection: each database, with each dispatcher that it can have."""
    database, dispatcher = request.param
    with ExitStack() as stack:
        if database == "postgresql":
            socket = stack.enter_context(postgres.server())
            settings = {**settings, "KEYTURN_STORE__URL": postgres.new_database(socket)}
        settings = {**settings, "KEYTURN_WORKER__DISPATCHER": dispatcher}
        running = stack.enter_context(keyturn(tmp_path, monkeypatch, **settings))
        connect(running, simulator.credentials)
        yield running


@pytest.fixture
def worker(app: Keyturn) -> Callable[[], AbstractContextManager[Worker]]:
    """Start `keyturn worker` as a process of its own; it is killed at the end if it still lives."""
    del app  # its settings are in the environment by now

    @contextmanager
    def start() -> Iterator[Worker]:
        command = [sys.executable, "-m", "orchestrator.cli", "worker", "--threads", "1"]
        process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    return start
