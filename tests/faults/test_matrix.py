"""Each endpoint, each fault, each state, over real HTTP: every rotation ends well, or is parked for a true reason and
with a next safe action that ends it well.

What is called in each state, and by each verb, is found by watching one in which nothing goes wrong; what can go wrong
is the simulator's own list. So a new call, a new fault or a new state is covered without a word here.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from support.request_history import assert_openair_came_second

from simulator import KINDS, Fault, Pair
from simulator.faults import ENDPOINTS, When
from states.connection import OnRefusal
from states.next_action import NextAction, Verb
from states.rotation import Ending, Rotation
from states.state import State
from states.table import ACTIVE
from tests.faults.advised_operator import Person
from tests.faults.environment import Call, FaultEnvironment, name_of, open_environment
from tests.faults.error_codes import INVALID_CERTIFICATE, codes
from tests.faults.park_reasons import is_true
from tests.faults.summary import COUNTS, WHOLE, count_faults, selected

HELD = ("delay", "drip")
"""Faults that hold a client up for real, so that its time-out is short."""
SHORT, LONG = 1.0, 20.0
"""Seconds that a client waits for an answer."""
SAVE_REFUSED = Fault("openair.api", "401", "Modify", times=None)

pytestmark = pytest.mark.timeout(1800)

Calls = Mapping[bool, Mapping[State, list[Call]]]
"""By state, where the connection was rotated before, and where it was not."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """What is called in each state."""
    with (
        pytest.MonkeyPatch.context() as patched,
        open_environment(tmp_path_factory.mktemp("watched"), patched, LONG) as watching,
    ):
        return {rotated: watching.calls_by_state(rotated=rotated) for rotated in (False, True)}


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of fault."""
    found: str = request.param
    return found


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> Iterator[FaultEnvironment]:
    with open_environment(tmp_path, monkeypatch, SHORT if kind in HELD else LONG) as opened:
        yield opened


def test_every_endpoint_is_called(watched: Calls) -> None:
    """The matrix has every endpoint that a rotation calls, and every state but the first, which
    makes a key and calls neither system.
    """
    for by_state in watched.values():
        called = {call.endpoint for calls in by_state.values() for call in calls}
        assert set(ENDPOINTS) - {"openair.import", "netsuite.certificates"} == called
        assert [State.REQUESTED] == [state for state in ACTIVE if not by_state[state]]


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.parametrize("state", [state for state in ACTIVE if state is not State.REQUESTED])
@pytest.mark.parametrize("how", ["once", "lasting", "at first"] if WHOLE else ["once"])
def test_a_fault_is_survived(environment: FaultEnvironment, watched: Calls, kind: str, state: State, how: str) -> None:
    """At each call, before and after it takes effect: completed, or parked for a true reason and recovered."""
    rotated = how != "at first"
    cases = [(call, when, code) for call in watched[rotated][state] for when, code in _ways(kind, call)]
    for call, when, code in selected(cases):
        pair, person = environment.case(rotated=rotated)
        fault = environment.fault(call, kind, when, pair, lasting=how == "lasting", code=code)
        _survive(environment, pair, person, state, fault)


def _ways(kind: str, call: Call) -> Iterator[tuple[When, str | None]]:
    """When such a fault may strike the call, and with which code; of the codes only some, unless all is tried.

    A system that refuses says so before it does anything, but for NetSuite's save().
    """
    for when in KINDS[kind].when:
        yield when, None
    if kind == "error":
        known = codes(call.endpoint, call.action)
        for code in known if WHOLE else known[:1]:
            yield "before", code
            if call.action == "install":  # what save() throws proves nothing: it may have swapped the key before
                yield "after", code


def _survive(environment: FaultEnvironment, pair: Pair, person: Person, state: State, fault: Fault) -> None:
    waiting = [fault]

    def listen(rotation: Rotation) -> None:
        if rotation.state is state:
            environment.simulator.faults.add(*waiting)
            waiting.clear()

    environment.app.rotations.request(name_of(pair), actor="tester")
    left = environment.carry(pair, listen)
    COUNTS[f"left: {left.failure.code if left.failure else left.state}"] += 1
    assert _struck(environment, pair)
    if left.failure:
        journal = environment.app.rotations.journal(left.id)
        assert is_true(left.failure, journal, environment.history(pair)), f"{fault}: {left.failure}"
    environment.simulator.faults.clear()
    _end(environment, pair, person, fault)


@pytest.mark.parametrize("kind", KINDS if WHOLE else ["reset", "late", "missing"], indirect=True)
@pytest.mark.parametrize("verb", ["restore", "adopt", "abandon"])
def test_a_fault_in_recovery_is_survived(environment: FaultEnvironment, verb: str, kind: str) -> None:
    """A fault at each call of a recovery verb: the verb ends the rotation, or advises what then ends it."""
    prepare = {"restore": _stick, "adopt": _be_overtaken, "abandon": _be_refused}[verb]
    recover: Callable[..., Rotation] = getattr(environment.app.recovery, verb)
    pair, person = environment.case(rotated=True)
    parked = prepare(environment, pair)
    calls = environment.calls(lambda: recover(parked.id, actor="ada"))
    assert not environment.app.rotations.show(parked.id).is_open
    for call, when in selected(list(itertools.product(calls, KINDS[kind].when))):
        pair, person = environment.case(rotated=True)
        parked = prepare(environment, pair)
        environment.virtual_time.go_on(300)
        fault = environment.fault(call, kind, when, pair)
        environment.simulator.faults.add(fault)
        person.follow(NextAction(Verb(verb), {"rotation": parked.id}))
        environment.settle()
        assert _struck(environment, pair)
        environment.simulator.faults.clear()
        _end(environment, pair, person, fault)


@pytest.mark.parametrize("kind", KINDS if WHOLE else ["reset", "late", "stale"], indirect=True)
def test_a_fault_while_keyturn_restores_is_survived(environment: FaultEnvironment, kind: str) -> None:
    """A fault at each call of a restore that Keyturn does by itself: once the fault is over, the outage ends, unless
    it needs a person, who does as advised.
    """
    pair, person = environment.case(rotated=True)
    parked = _stick(environment, pair, OnRefusal.RESTORE)
    calls = environment.calls(lambda: environment.carry(pair))
    assert Ending.RESTORED is environment.app.rotations.show(parked.id).ending
    for call, when in selected(list(itertools.product(calls, KINDS[kind].when))):
        pair, person = environment.case(rotated=True)
        parked = _stick(environment, pair, OnRefusal.RESTORE)
        environment.virtual_time.go_on(300)
        fault = environment.fault(call, kind, when, pair)
        environment.simulator.faults.add(fault)
        left = environment.carry(pair)
        assert _struck(environment, pair)
        environment.simulator.faults.clear()
        assert Ending.RESTORED is left.ending or _needs_person(environment, pair, left), fault
        COUNTS[f"restored by itself: {'no' if left.is_open else 'yes'}"] += 1
        _end(environment, pair, person, fault)


def _needs_person(environment: FaultEnvironment, pair: Pair, left: Rotation) -> bool:
    """Whether another party changed a system, or OpenAir cannot be read before a person consents again."""
    last = environment.app.rotations.journal(left.id)[-1]
    changed = any(entry.endpoint == "outside" for entry in environment.history(pair))
    return changed or "refresh token is void" in str(last.detail["message"])


def _stick(environment: FaultEnvironment, pair: Pair, on_refusal: OnRefusal = OnRefusal.PARK) -> Rotation:
    """Park a rotation between the two sides."""
    environment.simulator.faults.add(SAVE_REFUSED)
    environment.app.rotations.request(name_of(pair), actor="tester", on_refusal=on_refusal)
    parked = environment.carry_until_parked(pair)
    environment.simulator.faults.clear()
    assert State.UPLOADED_TO_NETSUITE is parked.position
    return parked


def _be_overtaken(environment: FaultEnvironment, pair: Pair) -> Rotation:
    """Park a rotation because another party changed both sides."""
    pair.netsuite.record.reset("foreign")
    held = pair.netsuite.record.held
    assert held
    pair.openair.settings.save_outside(held.pair.certificate_pem())
    environment.app.rotations.request(name_of(pair), actor="tester")
    return environment.carry(pair)


def _be_refused(environment: FaultEnvironment, pair: Pair) -> Rotation:
    """Park a rotation whose install was lost, and whose certificate NetSuite refuses since; nothing is in flight."""
    for kind, code in (("reset", None), ("error", INVALID_CERTIFICATE)):
        environment.simulator.faults.add(Fault("netsuite.restlet", kind, "install", when="before", code=code))
    environment.app.rotations.request(name_of(pair), actor="tester")
    parked = environment.carry(pair)
    assert parked.doubt.since
    environment.virtual_time.go_on(300)
    return parked


def _struck(environment: FaultEnvironment, pair: Pair) -> bool:
    """Whether the fault struck that was meant for ``pair``."""
    return any(entry.fault for entry in environment.history(pair))


def _end(environment: FaultEnvironment, pair: Pair, person: Person, fault: Fault) -> None:
    """Follow the advice until all is well."""
    app, history = environment.app, environment.history(pair)
    if app.store.rotations.open_for(name_of(pair)):
        environment.carry(pair)
    environment.recover(pair, person, fault)
    COUNTS["cases"] += 1
    COUNTS.update(f"advised and done: {re.sub('[0-9A-Z]{26}', 'ID', action)}" for action in person.done)
    count_faults(history)
    assert "project=T" == environment.simulator.import_requests.send(pair.netsuite.account)
    assert pair.netsuite.record.fingerprint == pair.openair.settings.fingerprint
    assert_openair_came_second(history)
    app.journal.verify()
