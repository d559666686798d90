"""How soon an idle worker on PostgreSQL claims what another process requested, and what waiting costs, by dispatcher.

The floor is PostgreSQL's own: from a NOTIFY of one session until another one hears it.
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from figures import print_figure, print_machine
from workers import CONNECTION, databases, installed, until, wait_until_present, worker

from orchestrator.bootstrap import Keyturn

DISPATCHERS = ("embedded", "procrastinate")
TICK = 0.001
SETTLED = 3.0
"""Seconds after which a worker that was just started has nothing left to set up."""


def heard_after(url: str) -> float:
    """The milliseconds from a NOTIFY to the session that listens."""
    with psycopg.connect(url, autocommit=True) as listener, psycopg.connect(url, autocommit=True) as notifier:
        listener.execute("LISTEN benchmark")
        began = time.monotonic()
        notifier.execute("NOTIFY benchmark")
        for _ in listener.notifies(timeout=60, stop_after=1):
            pass
        return (time.monotonic() - began) * 1000


def claimed_after(app: Keyturn, session: psycopg.Connection) -> float:
    """The milliseconds from the commit of a request to its claim by the worker, which then completes it."""
    committed: list[float] = []
    give = app.store.hints.give

    def noted(rotation_id: str, *, urgent: bool) -> None:
        committed.append(time.monotonic())  # a hint is the first thing after the commit
        give(rotation_id, urgent=urgent)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(app.store.hints, "give", noted)
        rotation = app.rotations.request(CONNECTION, actor="benchmark").id
    while session.execute("SELECT fence FROM rotations WHERE id = %s", [rotation]).fetchone() == (0,):
        time.sleep(TICK)
    took = (time.monotonic() - committed[0]) * 1000
    until(lambda: not app.store.rotations.get(rotation).is_open)
    return took


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has taken so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """The resident memory of a process, in MB (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def measure(dispatcher: str, new_url: Callable[[], str], count: int, rest: float) -> None:
    """Measure one dispatcher, and print."""
    url = new_url()
    pauses = random.Random(count)  # noqa: S311 - moments
    with (
        installed(url) as (app, _),
        psycopg.connect(url, autocommit=True) as session,
        worker(KEYTURN_WORKER__DISPATCHER=dispatcher) as process,
    ):
        wait_until_present(app, process)
        time.sleep(min(SETTLED, rest))
        before = cpu_seconds(process.pid)
        time.sleep(rest)
        idle = (cpu_seconds(process.pid) - before) / rest * 100
        times = []
        for _ in range(count):
            time.sleep(pauses.random())
            times.append(claimed_after(app, session))
        memory = resident_mb(process.pid)
    note = f"longest: {max(times):.0f}"
    print_figure(f"{dispatcher}: commit to claim, ms", statistics.median(times), note, digits=1)
    print_figure(f"{dispatcher}: idle, % of a processor", idle, f"{memory:.0f} MB after {count} rotations", digits=1)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=30, help="rotations, of which the median is printed")
    options.add_argument("--rest", type=float, default=20.0, help="seconds in which an idle worker is watched")
    chosen = options.parse_args()
    print_machine()
    with databases("PostgreSQL") as urls:
        url = next(urls)
        floor = statistics.median(heard_after(url) for _ in range(chosen.count))
        print_figure("NOTIFY to LISTEN, ms (floor)", floor, digits=1)
        for dispatcher in DISPATCHERS:
            measure(dispatcher, lambda: next(urls), chosen.count, chosen.rest)


if __name__ == "__main__":
    main()
