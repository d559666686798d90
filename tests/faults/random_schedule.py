"""One random schedule: two connections, several workers and operators who act at once, faults, time, strangers."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.environment import connect
from support.randomness import FakeRandom
from support.request_history import assert_openair_came_second

from orchestrator.bootstrap import Keyturn
from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from orchestrator.settings import Settings
from persistence.store import Claim
from simulator import Entry, Fault, Pair, Simulator
from states.preconditions import goes_on
from states.rotation import Ending, Failure, Rotation
from tests.faults import direct_transport
from tests.faults.actors import Actor, operate, pause_at
from tests.faults.advised_operator import Person
from tests.faults.park_reasons import is_outage, is_true, waits_needlessly
from tests.faults.schedule_actions import ERRING, NAMES, OPERATORS, VERBS, WORKERS, actions, change_systems
from tests.faults.summary import COUNTS, count_faults
from tests.faults.virtual_time import VirtualTime, WorkersClock

LEASE = 60.0
"""Seconds. No lease is renewed, so every lease may run out in the middle of a step."""
MOST_ACTIONS = 12
AT_LAST = timedelta(minutes=20)
"""After this time no lease is left and every late request has taken effect, however wrong any clock was."""


class Schedule(RuleBasedStateMachine):
    """In any order of actions, no rule is broken, and at the end every rotation ends well."""

    settings: Settings
    template: Path
    use: Callable[[Callable[..., Any]], None]
    """Makes this what opens the sessions of our adapters."""

    # --- the environment

    @initialize(
        record=st.sampled_from(["valid", "placeholder"]), rotated=st.sampled_from([0, 1, 2, 2]), at_once=st.booleans()
    )
    def open(self, record: str, rotated: int, at_once: bool) -> None:  # noqa: FBT001 - drawn
        """Two connections, of which ``rotated`` have rotated once; recovery at the end begins at once or later."""
        self.recovered_after = timedelta(seconds=LEASE + 1) if at_once else AT_LAST
        self.virtual_time, self.random = VirtualTime(), FakeRandom()
        self.virtual_time.before_time_passes = self._hasten
        self.simulator = Simulator(accounts=len(NAMES), record=record, clock=self.virtual_time)
        self.elsewhere: list[str] = []
        self.use(direct_transport.session(self.simulator, self.virtual_time, pause_at, self.elsewhere))
        self._put_template()
        self.opened = ExitStack()
        self.actors: dict[str, Actor] = {}
        self.opened.callback(self._close)
        self.actors |= {name: self._actor(name) for name in (*WORKERS, *OPERATORS)}
        self.operator_app = self._app()
        self.virtual_time.rule(self.operator_app.store)
        self.removed: set[str] = set()
        self.start()
        self.pairs = dict(zip(NAMES, self.simulator.pairs.values(), strict=True))
        for name, pair in self.pairs.items():
            connect(self.operator_app, pair.credentials, name)
        for name in NAMES[:rotated]:
            begun = self.operator_app.rotations.request(name, actor="ada")
            self._drive(name)
            if record == "valid":  # the vendor's, which is replaced only when a person allows it
                self.operator_app.rotations.resume(begun.id, actor="ada", overwrite=True)
                self._drive(name)
        self.known: set[str] = set()
        self.judged = 0

    def _put_template(self) -> None:
        # As a new file: SQLite shares what it keeps of a file's log between a process's connections to it. One that a
        # schedule left open would make the next one fail with "disk I/O error" (SQLITE_IOERR_SHORT_READ).
        database = self.settings.data / "keyturn.db"
        shutil.copy(self.template, database.with_name("new.db")).replace(database)
        for extra in ("-wal", "-shm"):
            database.with_name(f"keyturn.db{extra}").unlink(missing_ok=True)

    def _app(self) -> Keyturn:
        app = Keyturn(self.settings)
        self.opened.callback(app.close)
        app.clock = WorkersClock(self.virtual_time)  # type: ignore[assignment]
        app.random = self.random  # type: ignore[assignment]
        return app

    def _actor(self, name: str) -> Actor:
        return Actor(name, self._app(), self.virtual_time)

    def _hasten(self, moment: Any) -> None:
        for actor in self.actors.values():
            actor.hasten(moment)

    # --- what happens

    @rule(action=actions)
    def happens(self, action: tuple[str, Any]) -> None:
        """One action of one actor."""
        name, *details = action
        getattr(self, name)(*details)

    def work(self, trouble: Fault | tuple[str, str] | int | None, worker: str, places: int) -> None:
        """Trouble comes. A worker goes on; one that is idle claims what is next, or waits for it, or begins it."""
        if isinstance(trouble, Fault):
            self.simulator.faults.add(trouble)
        elif isinstance(trouble, int):
            self.virtual_time.go_on(trouble)
        elif trouble:
            name, change = trouble
            change_systems(self.pairs[name], change)
        actor = self.actors[worker]
        if not actor.place:
            self._claim(actor)
        actor.go_on(places)

    def _claim(self, actor: Actor) -> None:
        if actor.app.clock.ahead == ERRING:  # type: ignore[attr-defined]
            actor.app.clock.ahead = timedelta()  # type: ignore[attr-defined]
        COUNTS["brought back"] += actor.app.store.claims.repair_clocks(actor.app.clock.now())
        for name in NAMES:
            if not self._open(name):
                self.request(actor, name)
        coming = [it.available_at for it in map(self._open, NAMES) if it and goes_on(it)]
        if coming:
            self.virtual_time.until(min(coming) - actor.app.clock.ahead)  # type: ignore[attr-defined]
        if claim := actor.app.store.claims.claim(actor.name, lease=LEASE, now=actor.app.clock.now()):
            self.begin(actor, claim.rotation, "carry", lambda: self._engine(actor.app).run(claim))

    def ask(self, name: str, who: str, choice: int, places: int) -> None:
        """An operator goes on for some places; one that is idle does something that `explain` does not rule out."""
        actor, rotation = self.actors[who], self._open(name)
        if rotation and not actor.place:
            verbs = [
                it.verb.value for it, why_not in self.operator_app.rotations.explain(rotation.id).verbs if not why_not
            ]
            possible = [verb for verb in VERBS if verb.split()[0] in verbs] or VERBS
            verb = possible[choice % len(possible)]
            self.begin(actor, rotation, verb, lambda: operate(actor.app, verb, rotation.id))
        actor.go_on(places)

    def kill(self, who: str) -> None:
        """A process is killed where it has paused, and another of its name starts; or all faults end."""
        if self.actors[who].place:
            COUNTS["killed: a process"] += 1
            self.actors[who].kill()
            self.actors[who] = self._actor(who)
        else:
            self.simulator.faults.clear()

    def disagree(self, whose: str, ahead: int) -> None:
        """A clock is set wrong by no more than is assumed; the database's by as much, or by days."""
        if whose in self.actors:
            if self.actors[whose].app.clock.ahead != ERRING:  # type: ignore[attr-defined]
                self.actors[whose].app.clock.ahead = timedelta(seconds=ahead)  # type: ignore[attr-defined]
        elif whose == "systems":
            self.virtual_time.offset = timedelta(seconds=ahead)
        else:
            self.virtual_time.database_ahead = timedelta(days=ahead // 10)
            self.recovered_after = AT_LAST

    def err(self, whose: str) -> None:
        """The clock of a worker that is at something is days ahead, until it is done, or killed.

        It is not set right in the middle of a try: an install's deadline would be as far away (hostile-conditions.md).
        """
        if self.actors[whose].place:
            COUNTS["a clock was wrong"] += 1
            self.recovered_after = AT_LAST
            self.actors[whose].app.clock.ahead = ERRING  # type: ignore[attr-defined]

    # --- what always holds

    @invariant()
    def rules_hold(self) -> None:
        """Rule 1 and rule 3, no request elsewhere, one candidate, no lost rotation, an unbroken journal."""
        if not hasattr(self, "judged"):
            return
        assert_openair_came_second(self.simulator.history.entries())
        assert [] == self.elsewhere
        with self.database() as database:
            (entries,) = database.execute("SELECT count(*) FROM journal").fetchone()
            if entries == self.judged:
                return
            self.judged = entries
            twice = database.execute(
                "SELECT connection FROM rotations WHERE closed_at IS NULL GROUP BY connection HAVING count(*) > 1"
            ).fetchall()
            several = database.execute(
                "SELECT rotation_id FROM journal WHERE event = 'generate_key' GROUP BY rotation_id HAVING count(*) > 1"
            ).fetchall()
            ids = {row[0] for row in database.execute("SELECT id FROM rotations")}
        assert ([], [], set()) == (twice, several, self.known - ids - self.removed)
        self.known = ids
        self.verify_journal()

    # --- what a schedule with an attacker does in its own way

    def start(self) -> None:
        """Begin, with everything in place."""

    def request(self, actor: Actor, name: str) -> None:
        """A worker requests the rotation that is due."""
        actor.app.rotations.request(name, actor=actor.name, scheduled=True)

    def begin(self, actor: Actor, _rotation: Rotation, _verb: str, /, action: Callable[[], object]) -> None:
        """An actor begins to carry the rotation, or to do another verb with it."""
        actor.begin(action)

    def carry(self, claim: Claim) -> None:
        """Carry a rotation on at the end."""
        self._engine(self.operator_app).run(claim)

    def verify_journal(self) -> None:
        """Check the whole journal."""
        self.operator_app.journal.verify()

    def is_true(self, failure: Failure, rotation: Rotation) -> bool:
        """Whether what parked the rotation really happened."""
        journal = self.operator_app.rotations.journal(rotation.id)
        return is_true(failure, journal, self._history(rotation.connection))

    # --- the end

    def teardown(self) -> None:
        """All faults end. Every rotation is carried on and, where it is parked, recovered as Keyturn advises."""
        if not hasattr(self, "opened"):
            return
        with self.opened:
            if hasattr(self, "judged"):
                self.end()

    def _close(self) -> None:
        for actor in self.actors.values():
            actor.kill()
        with self.simulator:
            """Its ports are closed."""

    def end(self) -> None:
        """End all trouble, and every rotation."""
        count_faults(self.simulator.history.entries())
        self.simulator.faults.clear()
        for actor in self.actors.values():
            actor.finish()
            actor.app.clock.ahead = timedelta()  # type: ignore[attr-defined]
        self.virtual_time.offset = self.virtual_time.database_ahead = timedelta()
        self.virtual_time.go_on(self.recovered_after.total_seconds())
        COUNTS["brought back"] += self.operator_app.store.claims.repair_clocks(self.operator_app.clock.now())
        for name, pair in self.pairs.items():
            self._recover(name, pair)
        self.rules_hold()
        for rotation in self.operator_app.store.rotations.newest(limit=1000):
            assert not rotation.is_open, rotation
            COUNTS[f"ended: {(rotation.ending or rotation.state).value}"] += 1
        with self.database() as database:
            noted = "SELECT event, json_extract(detail, '$.code'), count(*) FROM journal GROUP BY 1, 2"
            for event, code, count in database.execute(noted):
                COUNTS[f"journal: {event} {code or ''}"] += count
        COUNTS["schedules"] += 1

    def _recover(self, name: str, pair: Pair) -> None:
        person = Person(self.operator_app, pair, name, lambda actions: actions[-1])
        self._drive(name)
        self.agree(name, pair)
        for _ in range(MOST_ACTIONS):
            if not person.act():
                break
            self._drive(name)
            self.agree(name, pair)
        problems = self.operator_app.health.health(name).problems
        assert not problems, f"{problems}, in spite of {person.done}"
        assert pair.netsuite.record.fingerprint == pair.openair.settings.fingerprint
        assert [] == pair.netsuite.record.file_cabinet.paths_with_private_key()

    def _drive(self, name: str) -> None:
        """Carry the connection's rotation until it waits for a person or has ended."""
        while (rotation := self._open(name)) and goes_on(rotation):
            self.virtual_time.until(rotation.available_at)
            claim = self.operator_app.store.claims.claim(
                "operator_app", lease=LEASE, now=self.operator_app.clock.now(), rotation_id=rotation.id
            )
            assert claim, f"no worker can claim {rotation}"
            self.carry(claim)
        if rotation and rotation.failure:
            assert self.is_true(rotation.failure, rotation), rotation.failure
            if is_outage(rotation, self.pairs[name]):
                COUNTS["parked: during an outage"] += 1
                journal = self.operator_app.rotations.journal(rotation.id)
                assert not waits_needlessly(rotation, journal, self.operator_app.clock.now()), rotation

    def agree(self, name: str, pair: Pair) -> None:
        """What the last rotation ended with is in place, unless another party acted since it was installed."""
        with self.database() as database:
            query = "SELECT latest_rotation FROM connections WHERE name = ?"
            (latest,) = database.execute(query, (name,)).fetchone()
        if latest is None:
            return
        ended = self.operator_app.rotations.show(latest)
        if ended.closed_at is None or ended.ending is Ending.ABANDONED:
            return
        current = self.operator_app.connections.show(name).current
        assert current
        # By the order of the history: the systems' clock is not ours.
        history = self._history(name)
        ours = (place for place, it in enumerate(history) if it.effect.get("installed") == current.fingerprint)
        if any(entry.endpoint == "outside" for entry in history[next(ours, 0) :]):
            return
        assert (current.fingerprint,) * 2 == (pair.netsuite.record.fingerprint, pair.openair.settings.fingerprint)

    # --- helpers

    def _open(self, name: str) -> Rotation | None:
        return self.operator_app.store.rotations.open_for(name)

    def _history(self, name: str) -> list[Entry]:
        return self.simulator.history.entries(account=self.pairs[name].netsuite.account)

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The database, without Keyturn."""
        with closing(sqlite3.connect(self.settings.data / "keyturn.db")) as database:
            yield database

    def _engine(self, app: Keyturn) -> Engine:
        return Engine(app.store, app.connect, LeaseRenewer(app.store, lease=LEASE), app.clock)
