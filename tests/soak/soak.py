"""The soak: rotates many connections without pause, with random faults, by workers that are killed in turn."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest
from soak.history_watch import Watch
from soak.operators import ALL, People
from soak.random_faults import RandomFaults
from soak.report import Report
from soak.worker_processes import WorkerProcesses
from support.environment import connect, keyturn

from orchestrator.adapters.system import SystemClock
from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from simulator.certificates import fingerprint
from states.errors import InternalError, JournalBroken
from states.rotation import Rotation
from states.state import State

TICK: Final = 0.25
"""Seconds between two rounds."""
CALM: Final = 15 * 60.0
"""Seconds for all rotations to end without faults. A postponement or a hold-off may have minutes left."""
SETTINGS: Final = {
    "KEYTURN_WORKER__LEASE": "4",
    "KEYTURN_WORKER__POLL": "0.2",
    "KEYTURN_HTTP__TIMEOUT": "5",
    "KEYTURN_LOG__LEVEL": "warning",
}
"""Short times, so that many rotations meet many faults."""
BUGS: Final = (InternalError.code, JournalBroken.code)
"""Codes that no fault explains."""
TOKEN_SECONDS: Final = 60.0
"""Access tokens are renewed often, which can fail too."""


def soak(
    folder: Path, *, minutes: float, seed: int, connections: int, others: int, say: Callable[[str], None]
) -> Report:
    """Run for ``minutes``, then let all rotations end without faults. ``others`` workers are killed."""
    report = Report(minutes, seed, connections, others + 1)
    tokens = {"netsuite_token_seconds": TOKEN_SECONDS, "openair_token_seconds": TOKEN_SECONDS}
    with (
        pytest.MonkeyPatch.context() as patch,
        Simulator(accounts=connections, **tokens) as simulator,
        keyturn(folder, patch, **SETTINGS) as app,
    ):
        app.clock = SystemClock()  # the people wait in real time
        for number, pair in enumerate(simulator.pairs.values(), start=1):
            connect(app, pair.credentials, f"connection-{number:02}")
        _Soak(app, simulator, report, say).run(folder, others)
    return report


class _Soak:
    def __init__(self, app: Keyturn, simulator: Simulator, report: Report, say: Callable[[str], None]) -> None:
        self._app = app
        self._simulator = simulator
        self._report = report
        self._say = say
        self._random = Random(report.seed)  # noqa: S311 - to be repeated, not to be secret
        self._watch = Watch(simulator.history)
        self._people = People(app, simulator, self._random)

    def run(self, folder: Path, others: int) -> None:
        with WorkerProcesses(folder, self._random, others) as workers:
            self._disturb(workers)
            self._say("no more faults; all rotations end, and each connection is rotated once more")
            self._settle(workers)
        self._report.kills, self._report.memory = workers.kills, workers.memory
        self._report.violations += workers.violations
        self._judge()

    def _disturb(self, workers: WorkerProcesses) -> None:
        random_faults = RandomFaults(self._simulator.faults, self._random)
        began = time.monotonic()
        minutes = 0
        while (passed := time.monotonic() - began) < self._report.minutes * 60:
            random_faults.arm()
            workers.kill_one()
            self._round(workers, set(self._people.accounts))
            if passed >= (minutes + 1) * 60:
                minutes += 1
                self._say(f"minute {minutes}: {len(self._people.asked)} rotations asked for, {workers.kills} kills")
        random_faults.disarm()

    def _settle(self, workers: WorkerProcesses) -> None:
        left = set(self._people.accounts)
        deadline = time.monotonic() + CALM
        while still := self._round(workers, left):
            if time.monotonic() > deadline:
                self._report.violations += [f"stuck: {_where(each)}" for each in still]
                return

    def _round(self, workers: WorkerProcesses, wanted: set[str]) -> list[Rotation]:
        """Let each person act once, and return the open rotations. Removes from ``wanted`` the connections for which a
        rotation was requested.
        """
        time.sleep(TICK)
        workers.look()
        self._watch.look()
        still = self._people.open()
        for each in still:
            if each.failure:
                self._people.look_after(each)
        for name in sorted(wanted - {each.connection for each in still}):
            if self._people.ask(name):
                wanted.remove(name)
        return self._people.open()

    def _judge(self) -> None:
        report, watch, people = self._report, self._watch, self._people
        watch.look()
        report.calls, report.faults, report.parked, report.taken = (
            watch.calls,
            watch.faults,
            people.parked,
            people.taken,
        )
        report.violations += watch.violations
        report.violations += [
            f"{number} rotations parked with {code}" for code, number in people.parked.items() if code in BUGS
        ]
        rotations = self._app.store.rotations.newest(limit=ALL)
        report.endings = Counter(_ending(each) for each in rotations)
        report.doubts = sum(each.doubt.in_flight_until is not None for each in rotations)
        completed = [each for each in rotations if each.state is State.COMPLETED]
        report.skews = [skew.total_seconds() for each in completed if (skew := each.skew(each.updated_at))]
        if lost := people.asked - {each.id for each in rotations}:
            report.violations.append(f"lost: {', '.join(sorted(lost))}")
        report.violations += [broken for each in completed if (broken := self._unproved(each))]
        report.violations += [
            broken for name, account in people.accounts.items() if (broken := self._differ(name, account))
        ]
        try:
            report.journal = self._app.journal.verify().entries
        except JournalBroken as error:
            report.violations.append(error.message)
        report.judge_memory()

    def _unproved(self, completed: Rotation) -> str:
        """Whether the systems' history lacks anything that a completed rotation claims."""
        assert completed.proofs.candidate
        lacking = [
            what for what, seen in self._watch.effects.items() if completed.proofs.candidate.fingerprint not in seen
        ]
        return f"rotation {completed.id} is Completed, but its certificate was not {lacking}" if lacking else ""

    def _differ(self, name: str, account: str) -> str:
        """Whether the systems and Keyturn disagree about a connection's certificate at the end."""
        pair, current = self._simulator.pairs[account], self._app.connections.show(name).current
        held, trusted = pair.netsuite.record.held, pair.openair.settings.trusted
        here = (
            held and held.pair.fingerprint,
            trusted and fingerprint(trusted),
            current and current.fingerprint,
        )
        return f"{name}: NetSuite, OpenAir and Keyturn hold {here}" if len(set(here)) > 1 or None in here else ""


def _ending(rotation: Rotation) -> str:
    return str(rotation.ending or rotation.state)


def _where(rotation: Rotation) -> str:
    waits = rotation.failure.message if rotation.failure else rotation.waiting_for
    place = f"rotation {rotation.id} of {rotation.connection} in {rotation.position}, attempt {rotation.attempt}"
    return f"{place}, available {rotation.available_at:%H:%M:%S}: {waits}"
