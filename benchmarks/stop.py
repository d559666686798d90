"""Whether a worker that is asked to stop leaves an outage, and how long it takes, next to one that has nothing to do.

Each worker gets SIGTERM at a random moment of a rotation, from its request to some time after its end.
"""

import argparse
import random
import signal
import statistics
import subprocess
import time
from collections import Counter

from figures import print_figure, print_machine
from workers import CONNECTION, TIME_LIMIT, databases, installed, until, wait_until_present, worker

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.errors import RotationOpen

AT_ONCE = {"KEYTURN_WORKER__POLL": "0.05"}
LATENCY = 0.05
"""Seconds that each system takes for an answer, so that the calls are most of a rotation, as they are in earnest."""


def request(app: Keyturn) -> str:
    """Return the id of a new rotation, or of the one that the worker before has left."""
    try:
        return app.rotations.request(CONNECTION, actor="benchmark").id
    except RotationOpen:
        return app.store.rotations.newest(connection=CONNECTION)[0].id


def stop(process: subprocess.Popen[bytes]) -> tuple[float, int]:
    """Ask the worker to stop; return the seconds that it took, and its exit code."""
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    exit_code = process.wait(TIME_LIMIT)
    return time.monotonic() - asked, exit_code


def usual_seconds(app: Keyturn) -> float:
    """The seconds from the request of a rotation to its end, undisturbed."""
    with worker(**AT_ONCE) as process:
        wait_until_present(app, process)
        began = time.monotonic()
        rotation = request(app)
        until(lambda: not app.store.rotations.get(rotation).is_open)
        took = time.monotonic() - began
        stop(process)
    return took


def measure(name: str, count: int, seed: int) -> None:
    """Measure on one database, and print."""
    moments, floor, took = random.Random(seed), [], []  # noqa: S311 - moments
    positions: Counter[str] = Counter()
    exits: Counter[int] = Counter()
    with databases(name) as urls, installed(next(urls)) as (app, simulator):
        for endpoint in ("netsuite.restlet", "openair.api"):
            simulator.faults.add(Fault(endpoint, "delay", when="before", seconds=LATENCY, times=None))
        usual = usual_seconds(app)
        for _ in range(min(count, 10)):
            with worker(**AT_ONCE) as process:
                wait_until_present(app, process)
                floor.append(stop(process)[0])
        outages = 0
        for _ in range(count):
            with worker(**AT_ONCE) as process:
                wait_until_present(app, process)
                rotation = request(app)
                time.sleep(moments.uniform(0, 1.2 * usual))
                positions[app.store.rotations.get(rotation).state.value] += 1
                seconds, exit_code = stop(process)
                took.append(seconds)
                exits[exit_code] += 1
            outages += is_out(simulator)
    print_figure(f"{name}: a worker without work stops (floor)", statistics.median(floor), digits=2)
    print_figure(f"{name}: one in a rotation stops", statistics.median(took), f"longest: {max(took):.2f}", digits=2)
    stopped = ", ".join(f"{number} in {position}" for position, number in positions.items())
    print_figure(f"{name}: outages left", outages, f"wanted: 0; stopped {stopped}")
    print_figure(f"{name}: did not exit with 0", exits.total() - exits[0], f"wanted: 0; exit codes {dict(exits)}")


def is_out(simulator: Simulator) -> bool:
    """Whether imports are refused."""
    answer = simulator.import_requests.send()
    return answer is not None and answer.startswith("Error:")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=100, help="workers that are stopped, on each database")
    options.add_argument("--seed", type=int, default=0, help="of the moments; 0: a new one")
    chosen = options.parse_args()
    seed = chosen.seed or random.randrange(1, 100_000)  # noqa: S311 - a seed
    print_machine()
    print(f"median, seconds; --seed {seed}")
    for name in ("SQLite", "PostgreSQL"):
        measure(name, chosen.count, seed)


if __name__ == "__main__":
    main()
