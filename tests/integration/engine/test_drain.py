"""What a run for cron does with a rotation that is left between both sides, and how a worker starts what is due."""

from datetime import timedelta

import pytest
from integration.engine.environment import LEASE, EngineEnvironment
from support.clock import FakeClock
from support.fake_systems import FakeSystems

from orchestrator.dispatch.claim_runner import ClaimRunner
from orchestrator.dispatch.embedded import Embedded
from orchestrator.stop_request import StopRequest
from states.errors import TryLater
from states.rotation import Rotation
from states.state import State
from states.timing import SCHEDULE_EVERY, STAY_WITH_OUTAGE

BETWEEN = State.UPLOADED_TO_NETSUITE


class Stop(StopRequest):
    """The event that asks to stop: waiting for it takes no time, but moves the clock on."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.waited: list[float] = []
        self.comes = False
        """Whether it is set while a caller waits for it."""

    def is_set(self) -> bool:
        return self.comes and bool(self.waited)

    def wait(self, seconds: float) -> bool:
        self.waited.append(round(seconds))
        self._clock.moment += timedelta(seconds=seconds)
        return self.comes


@pytest.fixture
def stop(systems: FakeSystems) -> Stop:
    return Stop(systems.clock)


@pytest.fixture
def drain(environment: EngineEnvironment, stop: Stop) -> ClaimRunner:
    return runner(environment, stop)


def runner(environment: EngineEnvironment, stop: Stop) -> ClaimRunner:
    return ClaimRunner(
        environment.store, environment.engine, environment.systems.clock, name="cron", lease=LEASE, stop=stop
    )


def left_in(environment: EngineEnvironment, state: State) -> Rotation:
    """A rotation that an earlier worker left there."""
    claim = environment.begin(state)
    environment.store.claims.release(claim)
    return claim.rotation


def asks_to_wait(seconds: float, times: int = 1) -> list[Exception | None]:
    return [TryLater("OpenAir is down.", retry_after=seconds)] * times


def test_it_stays_with_what_is_between_both_sides(
    environment: EngineEnvironment, stop: Stop, drain: ClaimRunner
) -> None:
    """A save that is postponed by seconds is tried again by the same run, as often as necessary."""
    rotation = left_in(environment, BETWEEN)
    environment.systems.will_fail("openair.save", *asks_to_wait(30, times=4))
    drain.drain()
    assert State.COMPLETED is environment.store.rotations.get(rotation.id).state
    assert [30, 30, 30, 60] == stop.waited  # longer and longer by itself, and never for less than was asked for


def test_it_does_not_stay_for_long(environment: EngineEnvironment, drain: ClaimRunner) -> None:
    """Where the save does not get through, the run ends: the next one, or a person, comes back to it."""
    rotation = left_in(environment, BETWEEN)
    environment.systems.will_fail("openair.save", *asks_to_wait(60, times=1000))
    began = environment.systems.clock.now()
    drain.drain()
    left = environment.store.rotations.get(rotation.id)
    assert (BETWEEN, None) == (left.state, left.failure)
    assert timedelta(minutes=9) < environment.systems.clock.now() - began <= STAY_WITH_OUTAGE


def test_it_leaves_at_once_what_is_postponed_for_long(
    environment: EngineEnvironment, stop: Stop, drain: ClaimRunner
) -> None:
    """Where OpenAir asks for more time than the run would stay, it does not stay at all."""
    left_in(environment, BETWEEN)
    environment.systems.will_fail("openair.save", *asks_to_wait(601))
    drain.drain()
    assert [] == stop.waited


@pytest.mark.parametrize("state", [State.KEY_GENERATED, State.SAVED_TO_OPENAIR])
def test_it_leaves_what_is_no_outage(
    environment: EngineEnvironment, stop: Stop, drain: ClaimRunner, state: State
) -> None:
    """Where both sides agree, a postponed rotation can wait for the next run."""
    rotation = left_in(environment, state)
    environment.systems.will_fail("netsuite.sign", *asks_to_wait(30))
    drain.drain()
    assert state is environment.store.rotations.get(rotation.id).state
    assert [] == stop.waited


def test_it_stops_when_it_is_asked_to(environment: EngineEnvironment, stop: Stop, drain: ClaimRunner) -> None:
    """Being asked to stop ends the waiting, and nothing more is carried."""
    rotation = left_in(environment, BETWEEN)
    environment.systems.will_fail("openair.save", *asks_to_wait(30))
    stop.comes = True
    drain.drain()
    assert BETWEEN is environment.store.rotations.get(rotation.id).state
    assert [30] == stop.waited


def test_it_leaves_what_another_worker_took(environment: EngineEnvironment, stop: Stop, drain: ClaimRunner) -> None:
    """A rotation that another worker carries by then is not watched."""
    rotation = left_in(environment, BETWEEN)
    environment.systems.will_fail("openair.save", *asks_to_wait(30))
    wait = stop.wait

    def taken(seconds: float) -> bool:
        stopped = wait(seconds)
        assert environment.store.claims.claim(
            "another", lease=LEASE, now=environment.systems.clock.now(), rotation_id=rotation.id
        )
        return stopped

    stop.wait = taken  # type: ignore[method-assign]
    drain.drain()
    assert BETWEEN is environment.store.rotations.get(rotation.id).state
    assert [30] == stop.waited


def test_the_schedule_is_asked_again_at_once_while_more_is_due(environment: EngineEnvironment, stop: Stop) -> None:
    """A worker whose pass over the schedule was full does not let the rest wait for the next one."""
    passes = [False, True, True]
    stop.comes = True
    worker = Embedded(runner(environment, stop), poll=1.0, start_due=passes.pop, stop=stop)
    worker.run(0)
    assert ([], [round(SCHEDULE_EVERY)]) == (passes, stop.waited)
