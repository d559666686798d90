"""Asked to stop, the engine ends an outage first: it goes on through the save, for one round and a bounded time."""

from datetime import timedelta

import pytest
from integration.engine.environment import LEASE, EngineEnvironment
from support.fake_systems import FakeSystems

from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from orchestrator.stop_request import StopRequest
from persistence.journal import POSTPONED
from persistence.store import Store
from states.errors import TryLater, Unknown
from states.state import State

WITHIN = 60.0


@pytest.fixture
def stop(systems: FakeSystems) -> StopRequest:
    """A request whose time passes with the systems' clock."""
    return StopRequest(WITHIN, elapsed=lambda: systems.clock.now().timestamp())


@pytest.fixture
def engine(store: Store, environment: EngineEnvironment, stop: StopRequest) -> Engine:
    leases = LeaseRenewer(store, lease=LEASE)
    clock = environment.systems.clock
    return Engine(store, environment.connect, leases, clock, stopping=stop.releases, listener=stop.receive)


def asked_at(call: str, environment: EngineEnvironment, stop: StopRequest) -> None:
    """Ask to stop while ``call`` is under way."""
    environment.systems.after_call = lambda done: stop.set() if done == call else None


def test_an_install_under_way_is_followed_by_the_save(
    environment: EngineEnvironment, engine: Engine, stop: StopRequest
) -> None:
    """Asked to stop while NetSuite installs, it saves to OpenAir before it releases the rotation."""
    asked_at("netsuite.install", environment, stop)
    left = engine.run(environment.begin(State.KEY_GENERATED))
    assert (State.SAVED_TO_OPENAIR, 1) == (left.state, len(environment.systems.saved))
    assert not environment.is_held(left)


def test_a_lost_install_is_looked_for_and_saved(
    environment: EngineEnvironment, engine: Engine, stop: StopRequest
) -> None:
    """Where the install's answer is lost, NetSuite is asked what it holds; what it holds is saved."""
    asked_at("netsuite.install", environment, stop)
    environment.systems.will_fail("netsuite.install", Unknown("Lost."), applied=True)
    left = engine.run(environment.begin(State.KEY_GENERATED))
    assert (State.SAVED_TO_OPENAIR, 1) == (left.state, environment.systems.calls.count("netsuite.install"))


@pytest.mark.parametrize("state", [State.REQUESTED, State.KEY_GENERATED, State.SAVED_TO_OPENAIR])
def test_what_is_no_outage_begins_no_step(
    environment: EngineEnvironment, engine: Engine, stop: StopRequest, state: State
) -> None:
    """Where both sides agree, the rotation is released at once."""
    stop.set()
    left = engine.run(environment.begin(state))
    assert (state, []) == (left.state, environment.systems.calls)
    assert not environment.is_held(left)


def test_a_save_has_its_first_round(environment: EngineEnvironment, engine: Engine, stop: StopRequest) -> None:
    """A save that fails is tried again while the round lasts; a round that fails is the last one."""
    stop.set()
    environment.systems.will_fail("openair.save", *[TryLater("OpenAir is down.")] * 8)
    left = engine.run(environment.begin(State.UPLOADED_TO_NETSUITE))
    assert (State.UPLOADED_TO_NETSUITE, POSTPONED, 8) == (
        left.state,
        environment.last(left).event,
        environment.systems.calls.count("openair.save"),
    )


def test_a_round_is_cut_when_the_time_is_over(
    environment: EngineEnvironment, engine: Engine, stop: StopRequest
) -> None:
    """No try begins after the bounded time: the rotation is postponed, and not held."""
    stop.set()
    environment.systems.will_fail("openair.save", *[TryLater("OpenAir is down.")] * 8)

    def passes(call: str) -> None:
        if call == "openair.save":
            environment.systems.clock.moment += timedelta(seconds=WITHIN)

    environment.systems.after_call = passes
    left = engine.run(environment.begin(State.UPLOADED_TO_NETSUITE))
    assert (State.UPLOADED_TO_NETSUITE, 1) == (left.state, environment.systems.calls.count("openair.save"))
    assert not environment.is_held(left)


def test_another_step_is_not_tried_again(environment: EngineEnvironment, engine: Engine, stop: StopRequest) -> None:
    """Where no outage is at stake, a failed try is the last one."""
    asked_at("openair.read", environment, stop)
    environment.systems.will_fail("openair.read", *[TryLater("OpenAir is down.")] * 5)
    left = engine.run(environment.begin(State.KEY_GENERATED))
    assert (State.KEY_GENERATED, 1) == (left.state, environment.systems.calls.count("openair.read"))
