"""A simulator, a Keyturn connected to it, and real worker processes that can be killed."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.environment import connect, keyturn
from support.request_history import judged_simulator

from orchestrator.bootstrap import Keyturn
from simulator import Simulator

Worker = subprocess.Popen[bytes]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with judged_simulator() as running:
        yield running


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> Iterator[Keyturn]:
    with keyturn(tmp_path, monkeypatch, KEYTURN_WORKER__POLL="0.05") as running:
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
