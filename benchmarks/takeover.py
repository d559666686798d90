"""How soon a rotation whose worker was killed has another one, next to how soon an idle worker takes a new one."""

import argparse
import signal
import statistics
import time

from figures import print_figure, print_machine
from workers import CONNECTION, TIME_LIMIT, databases, installed, until, wait_until_present, worker

from orchestrator.bootstrap import Keyturn
from persistence.journal import TAKEN_OVER
from simulator import Fault, Simulator
from states.state import State


def is_taken_over(app: Keyturn, rotation_id: str) -> bool:
    """Whether another worker claimed the rotation since its holder died."""
    return any(entry.event == TAKEN_OVER for entry in app.store.journal.of(rotation_id))


def take_over(app: Keyturn, simulator: Simulator) -> tuple[float, float]:
    """Kill the worker of a rotation in UploadedToNetSuite; return the seconds until another one claimed it.

    Also the seconds from the request of that rotation to its first move, which is the floor: a worker that lives.
    """
    simulator.faults.add(Fault("openair.api", "delay", action="Add", when="before", seconds=TIME_LIMIT))
    with worker() as first:
        wait_until_present(app, first)
        asked = time.monotonic()
        rotation = app.rotations.request(CONNECTION, actor="benchmark")
        until(lambda: app.store.rotations.get(rotation.id).state is not State.REQUESTED)
        begun = time.monotonic() - asked
        until(lambda: not simulator.faults.pending())
        with worker() as second:
            wait_until_present(app, second)
            first.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            until(lambda: is_taken_over(app, rotation.id))
            taken = time.monotonic() - killed
            until(lambda: not app.store.rotations.get(rotation.id).is_open)
    return taken, begun


def measure(name: str, count: int) -> None:
    """Measure on one database, and print. Each kill has a store of its own: a lost answer holds off the next one."""
    times = []
    with databases(name) as urls:
        for _ in range(count):
            with installed(next(urls)) as (app, simulator):
                times.append(take_over(app, simulator))
    taken, begun = zip(*times, strict=True)
    print_figure(f"{name}: a new rotation begins (floor)", statistics.median(begun), digits=2)
    note = f"wanted: below 1; longest: {max(taken):.2f}"
    print_figure(f"{name}: taken over after kill -9", statistics.median(taken), note, digits=2)


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
