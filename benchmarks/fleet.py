"""A worker over many connections with few file descriptors, and lists of them: memory, next to one connection's."""

import argparse
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from figures import print_figure, print_machine
from workers import TICK

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import pytest
from support.environment import connect, keyturn

from orchestrator.bootstrap import Keyturn
from persistence.read_model import RotationFilter
from simulator import Simulator
from states.errors import Exhausted
from states.state import State

COMMAND = str(Path(sys.executable).with_name("keyturn"))
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
TIME_LIMIT = 3600.0
"""Seconds after which the worker counts as hung."""
MEGA = 1024
"""Kibibytes in a mebibyte."""


class Worked(NamedTuple):
    """What a worker needed."""

    seconds: float
    memory: float
    """Its highest resident size, in MiB."""
    descriptors: int
    """The most that were open at once."""


@contextmanager
def fleet(connections: int, rotated: int) -> Iterator[Keyturn]:
    """A Keyturn with so many connections; the systems of the first ``rotated`` are simulated, each pair its own."""
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        tempfile.TemporaryDirectory() as folder,
        Simulator(accounts=rotated) as simulator,
        keyturn(Path(folder), monkeypatch) as app,
    ):
        pairs = [pair.credentials for pair in simulator.pairs.values()]
        for number in range(connections):
            given = pairs[number % rotated]
            if number >= rotated:  # never called: only its account and its company have to be its own
                url = f"https://c{number}.app.openair.com"
                given = replace(given, account=f"{number}T", openair_url=url)
            connect(app, given, f"c{number:05}", bundles={})
        yield app


@contextmanager
def limited_worker(threads: int, descriptors: int) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process that can open so many descriptors."""
    limit = (descriptors, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    process = subprocess.Popen(
        [COMMAND, "worker", "--threads", str(threads)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limit)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def work(app: Keyturn, rotated: int, threads: int, descriptors: int) -> Worked:
    """Request ``rotated`` rotations at once, and let one worker carry them all."""
    for number in range(rotated):
        app.rotations.request(f"c{number:05}", actor="benchmark")
    completed = RotationFilter(states=[State.COMPLETED])
    most, memory, began = 0, 0.0, time.monotonic()
    with limited_worker(threads, descriptors) as process:
        while (done := app.store.rotations.count(completed)) < rotated:
            assert time.monotonic() - began < TIME_LIMIT, f"{done} of {rotated} completed, then nothing more"
            most = max(most, len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
            time.sleep(TICK * 20)
        seconds = time.monotonic() - began
        found = PEAK.search(Path(f"/proc/{process.pid}/status").read_text())
        assert found
        memory = int(found[1]) / MEGA
    notes = [entry for each in app.store.rotations.newest(limit=rotated) for entry in app.store.journal.of(each.id)]
    short = [entry for entry in notes if entry.detail.get("code") == Exhausted.code]
    assert not short, f"{len(short)} steps were postponed for want of descriptors"
    return Worked(seconds, memory, most)


def memory_of(arguments: Sequence[str]) -> float:
    """The highest resident size of a command, in MiB."""
    # A small process in between: the kernel counts the size of the process that forks as the child's.
    printed = subprocess.check_output([sys.executable, "-c", MEASURE, COMMAND, *arguments], text=True)
    return int(printed) / MEGA


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--connections", type=int, default=10_000)
    options.add_argument("--rotations", type=int, default=1_000, help="requested at once")
    options.add_argument("--descriptors", type=int, default=256, help="the worker's soft limit")
    options.add_argument("--threads", type=int, default=8, help="of the worker")
    chosen = options.parse_args()
    print_machine()
    lists = {
        "connection list": ("connection", "list", "-o", "json"),
        "rotation list": ("rotation", "list", "--limit", "100000", "-o", "json"),
    }
    with fleet(1, 1) as app:
        alone = work(app, 1, chosen.threads, chosen.descriptors)
        floors = {name: memory_of(arguments) for name, arguments in lists.items()}
    with fleet(chosen.connections, chosen.rotations) as app:
        many = work(app, chosen.rotations, chosen.threads, chosen.descriptors)
        listed = {name: memory_of(arguments) for name, arguments in lists.items()}
    print(f"a worker with {chosen.threads} threads and {chosen.descriptors} descriptors")
    print_figure("1 connection, MiB (floor)", alone.memory)
    print_figure(f"{chosen.connections:,} connections, MiB", many.memory, f"{chosen.rotations:,} rotations at once")
    print_figure("descriptors at most", many.descriptors, f"of 1 connection: {alone.descriptors}")
    print_figure("completed a second", chosen.rotations / many.seconds, "all completed", digits=1)
    print("a list as JSON, MiB")
    for name, memory in listed.items():
        print_figure(name, memory, f"of 1: {floors[name]:.0f}")


if __name__ == "__main__":
    main()
