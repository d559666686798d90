"""How soon a rotation whose worker was killed has another one, next to how soon an idle worker takes a new one."""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from figures import print_figure, print_machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import pytest
from support import postgresql
from support.environment import NAME, connect, keyturn

from orchestrator.bootstrap import Keyturn
from persistence.journal import TAKEN_OVER
from simulator import Fault, Simulator
from states.state import State

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
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A worker process with one thread and the default settings of poll and lease."""
    command = [str(Path(sys.executable).with_name("keyturn")), "worker", "--threads", "1"]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def is_taken_over(app: Keyturn, rotation_id: str) -> bool:
    """Whether another worker claimed the rotation since its holder died."""
    return any(entry.event == TAKEN_OVER for entry in app.store.journal.of(rotation_id))


def take_over(app: Keyturn, simulator: Simulator) -> tuple[float, float]:
    """Kill the worker of a rotation in UploadedToNetSuite; return the seconds until another one claimed it.

    Also the seconds from the request of that rotation to its first move, which is the floor: a worker that lives.
    """
    simulator.faults.add(Fault("openair.api", "delay", action="Add", when="before", seconds=TIME_LIMIT))
    with worker() as first:
        until(lambda: is_present(app, first))
        asked = time.monotonic()
        rotation = app.rotations.request(NAME, actor="benchmark")
        until(lambda: app.store.rotations.get(rotation.id).state is not State.REQUESTED)
        begun = time.monotonic() - asked
        until(lambda: not simulator.faults.pending())
        with worker() as second:
            until(lambda: is_present(app, second))
            first.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            until(lambda: is_taken_over(app, rotation.id))
            taken = time.monotonic() - killed
            until(lambda: not app.store.rotations.get(rotation.id).is_open)
    return taken, begun


def is_present(app: Keyturn, process: subprocess.Popen[bytes]) -> bool:
    """Whether the worker has its lock."""
    return any(f":{process.pid}:" in each.name and each.is_present for each in app.workers.list())


def measure(name: str, count: int) -> None:
    """Measure on one database, and print. Each kill has a store of its own: a lost answer holds off the next one."""
    times = []
    with ExitStack() as stack:
        socket = stack.enter_context(postgresql.server()) if name == "PostgreSQL" else None
        for _ in range(count):
            with pytest.MonkeyPatch.context() as monkeypatch, _folder() as folder, Simulator() as simulator:
                if socket:
                    monkeypatch.setenv("KEYTURN_STORE__URL", postgresql.new_database(socket))
                with keyturn(folder, monkeypatch) as app:
                    connect(app, simulator.credentials)
                    times.append(take_over(app, simulator))
    taken, begun = zip(*times, strict=True)
    print_figure(f"{name}: a new rotation begins (floor)", statistics.median(begun), digits=2)
    note = f"wanted: below 1; longest: {max(taken):.2f}"
    print_figure(f"{name}: taken over after kill -9", statistics.median(taken), note, digits=2)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=20, help="workers that are killed, on each database")
    chosen = options.parse_args()
    print_machine()
    print("median, seconds; the lease is 15 s")
    for name in ("SQLite", "PostgreSQL"):
        measure(name, chosen.count)


if __name__ == "__main__":
    main()
