"""Installations and worker processes that benchmarks measure."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import pytest
from support import postgresql
from support.environment import NAME, connect, keyturn

from orchestrator.bootstrap import Keyturn
from simulator import Simulator

CONNECTION = NAME
"""The name of the connection."""
TIME_LIMIT = 120.0
"""Seconds after which a wait counts as hung."""
TICK = 0.005


def until(fact: Callable[[], bool]) -> None:
    """Poll until ``fact()`` is true."""
    deadline = time.monotonic() + TIME_LIMIT
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError("a worker did not do what the benchmark waits for")
        time.sleep(TICK)


@contextmanager
def worker(**settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process with one thread, and the default settings but for ``settings``, variables of the environment."""
    command = [str(Path(sys.executable).with_name("keyturn")), "worker", "--threads", "1"]
    process = subprocess.Popen(
        command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until_present(app: Keyturn, process: subprocess.Popen[bytes]) -> None:
    """Wait until the worker has its lock."""
    until(lambda: any(f":{process.pid}:" in each.name and each.is_present for each in app.workers.list()))


@contextmanager
def databases(name: str) -> Iterator[Iterator[str]]:
    """The URLs of new databases: of a PostgreSQL server that is started, or empty for SQLite in the folder."""
    if name == "PostgreSQL":
        with postgresql.server() as socket:
            yield (postgresql.new_database(socket) for _ in iter(int, 1))
    else:
        yield ("" for _ in iter(int, 1))


@contextmanager
def installed(url: str) -> Iterator[tuple[Keyturn, Simulator]]:
    """A Keyturn with one connection to simulated systems; its settings are in the environment."""
    with pytest.MonkeyPatch.context() as monkeypatch, tempfile.TemporaryDirectory() as folder, Simulator() as simulator:
        if url:
            monkeypatch.setenv("KEYTURN_STORE__URL", url)
        with keyturn(Path(folder), monkeypatch) as app:
            connect(app, simulator.credentials, bundles={})  # no rotation but those that are requested
            yield app, simulator
