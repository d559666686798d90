"""What only the dispatcher with a queue promises: hints may be lost, doubled or late; jobs of the dead are deleted."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support import postgresql as postgres
from support.factories import a_certificate, a_rotation, add, an_id, pair_of
from support.fake_systems import FakeSystems
from support.polling import until

from orchestrator.dispatch import procrastinate
from orchestrator.dispatch.claim_runner import ClaimRunner
from orchestrator.dispatch.procrastinate import Procrastinate
from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from orchestrator.stop_request import StopRequest
from persistence.hints import Hints
from persistence.store import Store
from states.rotation import Rotation
from states.state import State

pytestmark = pytest.mark.postgresql

LEASE = 60.0
ALIVE = "SELECT id FROM procrastinate_workers WHERE last_heartbeat > now() - interval '9 seconds'"
DEAD = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')"
LEFT = """
INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, worker_id)
  SELECT 'keyturn', 'keyturn.carry', '{"rotation_id" \\: "%s"}', 'doing', id
  FROM (SELECT id FROM procrastinate_workers UNION ALL SELECT NULL) AS dead
"""
"""The jobs of a worker that Procrastinate still has, and of one that it has removed."""
JOB = "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('keyturn', '%s', '%s')"
STRANGE = {
    "a task of a later version": ("keyturn.later", "{}"),
    "no rotation": ("keyturn.carry", "{}"),
    "an id that is none": ("keyturn.carry", '{"rotation_id" \\: 7}'),
    "more than an id": ("keyturn.carry", '{"rotation_id" \\: "", "state" \\: "Completed"}'),
    "a task of Procrastinate": ("procrastinate.builtin_tasks.remove_old_jobs", '{"max_hours" \\: 0}'),
}
"""Jobs that Keyturn never made: its next version did, or who can write the database."""
END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


@pytest.fixture
def url(postgresql: Path, migrated_postgresql: str) -> Iterator[str]:
    with postgres.temporary_database(postgresql, migrated_postgresql) as made:
        yield made


class Machine:
    """A worker with a queue, of one connection whose systems are fakes."""

    def __init__(self, store: Store, systems: FakeSystems, leases: LeaseRenewer) -> None:
        self.store, self.systems = store, systems
        self.stop, self.passes = StopRequest(), 0
        engine = Engine(store, lambda _: systems.as_ports(), leases, systems.clock, stopping=self.stop.releases)
        runner = ClaimRunner(store, engine, systems.clock, name="w", lease=LEASE, stop=self.stop)
        self.dispatcher = Procrastinate(
            runner, store.hints, systems.clock, poll=0.1, start_due=self._pass, stop=self.stop
        )

    def _pass(self) -> bool:
        self.passes += 1
        return False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run with one thread, and wait until the queue knows the worker."""
        thread = threading.Thread(target=self.dispatcher.run, args=(1,))
        thread.start()
        try:
            until(lambda: ask(self.store, ALIVE))
            yield
        finally:
            self.stop.set()
            thread.join()

    def request(self) -> Rotation:
        return add(self.store, a_rotation(id=an_id(1), connection="acme", previous=self.systems.openair.held))

    def is_completed(self, rotation: Rotation) -> bool:
        return self.store.rotations.get(rotation.id).state is State.COMPLETED


@pytest.fixture
def machine(store: Store) -> Iterator[Machine]:
    systems = FakeSystems()
    with LeaseRenewer(store, lease=LEASE) as leases:
        systems.hold(pair_of(a_certificate()))
        yield Machine(store, systems, leases)


def ask(store: Store, statement: str) -> list[Any]:
    """Ask about the tables of the queue."""
    with store._database.writing() as tx:
        tx.execute(text("SET LOCAL search_path = public_queue"))
        result = tx.execute(text(statement))
        return list(result) if result.returns_rows else []


def is_queue_empty(store: Store) -> bool:
    return not ask(store, "SELECT id FROM procrastinate_jobs")


def test_a_hint_alone_is_enough(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a sweep, the rotation that a hint names is carried; the hint is deleted afterwards."""
    monkeypatch.setattr(Hints, "sweep", lambda _self, _now: None)
    with machine.running():
        rotation = machine.request()
        machine.dispatcher.wake(rotation.id, urgent=False)
        until(lambda: machine.is_completed(rotation))
        until(lambda: is_queue_empty(machine.store))


def test_hints_are_heard(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notifications alone wake the worker, which looks into the queue by itself only for those that it missed."""
    monkeypatch.setattr(Hints, "sweep", lambda _self, _now: None)
    monkeypatch.setattr(procrastinate, "_FETCH_EVERY", 3600)
    others = map(an_id, itertools.count(2))
    with machine.running():
        rotation = machine.request()
        machine.dispatcher.wake(rotation.id, urgent=False)

        def is_heard() -> bool:
            machine.dispatcher.wake(next(others), urgent=False)  # one more, as Procrastinate may forget one
            return machine.is_completed(rotation)

        until(is_heard, tick=0.2)


def test_a_hint_that_is_lost_is_given_again_by_a_sweep(machine: Machine) -> None:
    """A rotation that no hint names is carried."""
    with machine.running():
        rotation = machine.request()
        until(lambda: machine.is_completed(rotation))


def test_hints_that_come_twice_late_or_for_nothing(machine: Machine) -> None:
    """A hint for a closed rotation, one more of it, and one for none: nothing is asked of either system."""
    with machine.running():
        rotation = machine.request()
        machine.dispatcher.wake(rotation.id, urgent=False)
        until(lambda: machine.is_completed(rotation))
        calls = list(machine.systems.calls)
        for rotation_id in (rotation.id, rotation.id, an_id(99)):
            machine.dispatcher.wake(rotation_id, urgent=True)
        until(lambda: is_queue_empty(machine.store))
    assert calls == machine.systems.calls


def test_what_a_dead_worker_left_in_the_queue_is_deleted(machine: Machine) -> None:
    """Its job is taken neither for work nor for a reason to wait, whether Procrastinate still has the worker or not."""
    rotation = machine.request()
    ask(machine.store, DEAD)
    ask(machine.store, LEFT % rotation.id)
    with machine.running():
        until(lambda: machine.is_completed(rotation))
        until(lambda: is_queue_empty(machine.store))


@pytest.mark.parametrize("job", STRANGE.values(), ids=STRANGE)
def test_a_job_of_another_kind_is_no_harm(machine: Machine, job: tuple[str, str]) -> None:
    """The worker deletes the job, and goes on."""
    with machine.running():
        ask(machine.store, JOB % job)
        until(lambda: is_queue_empty(machine.store))
        rotation = machine.request()
        until(lambda: machine.is_completed(rotation))


def test_sessions_that_end_are_opened_again(machine: Machine) -> None:
    """The server ends every session of the queue: the worker says so, and goes on."""
    with machine.running():
        ask(machine.store, END_SESSIONS)
        rotation = machine.request()
        until(lambda: machine.is_completed(rotation))


def test_an_error_is_not_repeated_at_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation that cannot be claimed is hinted at again and again; the thread rests after each error."""
    tries: list[datetime] = []

    def refuse(*_: object, **__: object) -> None:
        tries.append(machine.systems.clock.now())
        raise MemoryError

    monkeypatch.setattr(machine.store.claims, "claim", refuse)
    rests: list[float] = []
    wait = machine.stop.wait

    def rest(seconds: float) -> bool:
        rests.append(seconds)
        return wait(seconds)

    monkeypatch.setattr(machine.stop, "wait", rest)
    with machine.running():
        machine.request()
        until(lambda: len(tries) > 1)
    assert rests.count(0.1) >= len(tries) - 1


def test_the_schedule_is_of_the_whole_fleet(machine: Machine) -> None:
    """A minute's pass is one job, however many workers there are."""
    with machine.running():
        until(lambda: machine.passes)
        assert [("keyturn.schedule",)] == ask(machine.store, "SELECT task_name FROM procrastinate_periodic_defers")
