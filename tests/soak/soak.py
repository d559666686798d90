"""The soak: many connections rotated without pause, in bad weather, by workers that are killed one after another."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest
from soak.history_watch import Watch
from soak.operators import ALL, People
from soak.random_faults import Weather
from soak.report import Report
from soak.worker_processes import Crew
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
"""Seconds for everything to come to its end in calm weather. A put-off may have minutes left, and a hold-off too."""
SETTINGS: Final = {
    "KEYTURN_WORKER__LEASE": "4",
    "KEYTURN_WORKER__POLL": "0.2",
    "KEYTURN_HTTP__TIMEOUT": "5",
    "KEYTURN_LOG__LEVEL": "warning",
}
"""Short times, so that many rotations meet many troubles."""
BUGS: Final = (InternalError.code, JournalBroken.code)
"""Codes that no weather excuses."""
TOKEN_SECONDS: Final = 60.0
"""Access tokens are renewed all the time: that has troubles of its own."""


def soak(
    folder: Path, *, minutes: float, seed: int, connections: int, others: int, say: Callable[[str], None]
) -> Report:
    """Run for ``minutes``, then let everything come to its end in fair weather; ``others`` workers are killed."""
    report = Report(minutes, seed, connections, others + 1)
    tokens = {"netsuite_token_seconds": TOKEN_SECONDS, "openair_token_seconds": TOKEN_SECONDS}
    with (
        pytest.MonkeyPatch.context() as patch,
        Simulator(accounts=connections, **tokens) as simulator,
        keyturn(folder, patch, **SETTINGS) as app,
    ):
        app.clock = SystemClock()  # the people wait like everybody else
        for number, pair in enumerate(simulator.pairs.values(), start=1):
            connect(app, pair.credentials, f"connection-{number:02}")
        _Play(app, simulator, report, say).run(folder, others)
    return report


class _Play:
    def __init__(self, app: Keyturn, simulator: Simulator, report: Report, say: Callable[[str], None]) -> None:
        self._app = app
        self._simulator = simulator
        self._report = report
        self._say = say
        self._random = Random(report.seed)  # noqa: S311 - to be repeated, not to be secret
        self._watch = Watch(simulator.history)
        self._people = People(app, simulator, self._random)

    def run(self, folder: Path, others: int) -> None:
        with Crew(folder, self._random, others) as crew:
            self._storm(crew)
            self._say("the weather is calm; everything comes to its end, and each connection is rotated once more")
            self._calm(crew)
        self._report.kills, self._report.memory = crew.kills, crew.memory
        self._report.violations += crew.violations
        self._judge()

    def _storm(self, crew: Crew) -> None:
        weather = Weather(self._simulator.faults, self._random)
        began = time.monotonic()
        told = 0
        while (passed := time.monotonic() - began) < self._report.minutes * 60:
            weather.blow()
            crew.strike()
            self._round(crew, set(self._people.accounts))
            if passed >= (told + 1) * 60:
                told += 1
                self._say(f"minute {told}: {len(self._people.asked)} rotations asked for, {crew.kills} kills")
        weather.calm()

    def _calm(self, crew: Crew) -> None:
        left = set(self._people.accounts)
        deadline = time.monotonic() + CALM
        while still := self._round(crew, left):
            if time.monotonic() > deadline:
                self._report.violations += [f"stuck: {_where(each)}" for each in still]
                return

    def _round(self, crew: Crew, wanted: set[str]) -> list[Rotation]:
        """Let everybody act once; return the rotations that are open then. ``wanted`` loses the connections that were
        asked a rotation for.
        """
        time.sleep(TICK)
        crew.look()
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
        rotations = self._app.rotations.recent(limit=ALL)
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
            report.journal = self._app.installation.verify_journal()
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
