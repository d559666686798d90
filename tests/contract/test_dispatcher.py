"""What every dispatcher promises (orchestrator.dispatch.dispatcher), over the real store and engine."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from support.clock import FakeClock
from support.factories import a_certificate, a_connection, a_rotation, add, an_id, pair_of
from support.fake_systems import FakeSystems
from support.polling import WAIT_LIMIT, until

from orchestrator.dispatch.claim_runner import ClaimRunner
from orchestrator.dispatch.dispatcher import Dispatcher
from orchestrator.dispatch.embedded import Embedded
from orchestrator.dispatch.procrastinate import Procrastinate
from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from orchestrator.stop_request import StopRequest
from persistence.store import Store
from states.rotation import Rotation
from states.state import State

LEASE: Final = 60.0
NO_POLL: Final = 3600.0
"""Seconds between two polls, so that no test is ended by one: it would run into its time limit."""

DISPATCHERS: Final = {"sqlite": ["embedded"], "postgresql": ["embedded", "procrastinate"]}
"""Those that each database can have."""

pytestmark = pytest.mark.parametrize(
    ("url", "dispatcher"),
    [
        pytest.param(database, dispatcher, marks=[pytest.mark.postgresql] if database == "postgresql" else [])
        for database, dispatchers in DISPATCHERS.items()
        for dispatcher in dispatchers
    ],
    indirect=True,
)


class Pairs:
    """A pair of systems for each connection, at one clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self._systems: dict[str, FakeSystems] = defaultdict(self._new)

    def of(self, connection: str) -> FakeSystems:
        return self._systems[connection]

    def _new(self) -> FakeSystems:
        systems = FakeSystems(self.clock)
        systems.hold(pair_of(a_certificate()))
        return systems


@pytest.fixture
def pairs() -> Pairs:
    return Pairs()


@pytest.fixture
def stop() -> StopRequest:
    return StopRequest(within=WAIT_LIMIT)


@pytest.fixture
def passes() -> list[bool]:
    """One for each pass over the schedule, which found nothing."""
    return []


@pytest.fixture
def dispatcher(
    request: pytest.FixtureRequest, store: Store, pairs: Pairs, stop: StopRequest, passes: list[bool]
) -> Iterator[Dispatcher]:
    clock = pairs.clock
    with LeaseRenewer(store, lease=LEASE) as leases:
        engine = Engine(
            store,
            lambda name: pairs.of(name).as_ports(),
            leases,
            clock,
            stopping=stop.releases,
            listener=stop.receive,
        )
        runner = ClaimRunner(store, engine, clock, name="w", lease=LEASE, stop=stop)
        if request.param == "embedded":
            yield Embedded(runner, poll=NO_POLL, start_due=lambda: passes.append(False), stop=stop)
        else:
            yield Procrastinate(
                runner, store.hints, clock, poll=NO_POLL, start_due=lambda: passes.append(False), stop=stop
            )


@contextmanager
def running(dispatcher: Dispatcher, stop: StopRequest, threads: int) -> Iterator[None]:
    """The dispatcher in a thread of its own, which is asked to stop, and joined, at the end."""
    thread = threading.Thread(target=dispatcher.run, args=(threads,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def request(store: Store, pairs: Pairs, number: int) -> Rotation:
    """A new rotation of a connection of its own."""
    name = f"connection-{number}"
    store.connections.add(a_connection(name=name))
    return add(store, a_rotation(id=an_id(number), connection=name, previous=pairs.of(name).openair.held))


def is_completed(store: Store, *rotations: Rotation) -> bool:
    return all(store.rotations.get(each.id).state is State.COMPLETED for each in rotations)


def test_drain_carries_all_that_is_claimable(dispatcher: Dispatcher, store: Store, pairs: Pairs) -> None:
    """Every rotation is carried as far as it goes, by the time that the call returns."""
    rotations = [request(store, pairs, number) for number in range(3)]
    dispatcher.drain()
    assert is_completed(store, *rotations)


def test_drain_returns_when_there_is_nothing(dispatcher: Dispatcher) -> None:
    """With nothing claimable it waits for nothing."""
    dispatcher.drain()


def test_run_carries_what_is_claimable_at_the_start(
    dispatcher: Dispatcher, store: Store, pairs: Pairs, stop: StopRequest
) -> None:
    """What is claimable when it starts needs no hint."""
    rotations = [request(store, pairs, number) for number in range(3)]
    with running(dispatcher, stop, threads=2):
        until(lambda: is_completed(store, *rotations))


@pytest.mark.parametrize("threads", [1, 2])
def test_being_asked_to_stop_ends_idle_workers_at_once(
    dispatcher: Dispatcher, store: Store, pairs: Pairs, stop: StopRequest, threads: int
) -> None:
    """No worker waits for its next poll then."""
    carried = request(store, pairs, 1)
    with running(dispatcher, stop, threads):
        until(lambda: is_completed(store, carried))
    assert stop.is_set()


@pytest.mark.parametrize("urgent", [False, True])
def test_a_hint_wakes_an_idle_worker(
    dispatcher: Dispatcher, store: Store, pairs: Pairs, stop: StopRequest, *, urgent: bool
) -> None:
    """A rotation is carried without waiting for a poll, again and again."""
    with running(dispatcher, stop, threads=2):
        for number in range(3):
            rotation = request(store, pairs, number)
            dispatcher.wake(rotation.id, urgent=urgent)
            until(lambda rotation=rotation: is_completed(store, rotation))


def test_a_hint_may_come_before_the_workers(
    dispatcher: Dispatcher, store: Store, pairs: Pairs, stop: StopRequest
) -> None:
    """A hint that no worker waits for, and one for what does not exist, do no harm."""
    rotation = request(store, pairs, 1)
    dispatcher.wake(rotation.id, urgent=False)
    dispatcher.wake(an_id(99), urgent=True)
    with running(dispatcher, stop, threads=1):
        until(lambda: is_completed(store, rotation))


def test_run_passes_over_the_schedule(dispatcher: Dispatcher, stop: StopRequest, passes: list[bool]) -> None:
    """A worker starts what is due as soon as it runs."""
    with running(dispatcher, stop, threads=1):
        until(lambda: passes)


def test_what_is_between_both_sides_is_carried_through_the_save(
    dispatcher: Dispatcher, store: Store, pairs: Pairs, stop: StopRequest
) -> None:
    """A worker that is asked to stop during the upload saves to OpenAir, and releases the rotation without a doubt."""
    rotation = request(store, pairs, 1)
    pairs.of(rotation.connection).after_call = lambda call: stop.set() if call == "netsuite.install" else None
    dispatcher.run(1)
    assert State.SAVED_TO_OPENAIR is store.rotations.get(rotation.id).state
    claim = store.claims.claim("another", lease=LEASE, now=pairs.clock.now())
    assert claim
    assert claim.rotation.doubt.since is None


def test_what_has_not_begun_is_left_when_it_stops(
    dispatcher: Dispatcher, store: Store, pairs: Pairs, stop: StopRequest
) -> None:
    """Of several rotations that are claimable, a worker that is asked to stop begins no other one."""
    rotations = [request(store, pairs, number) for number in range(3)]
    for each in rotations:
        pairs.of(each.connection).after_call = lambda _call: stop.set()
    dispatcher.run(1)
    assert 1 == sum(bool(pairs.of(each.connection).calls) for each in rotations)
