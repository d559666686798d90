"""Each endpoint, each fault, each state, over real HTTP: every rotation ends well, or is parked for a true reason and
with a next safe action that ends it well.

What is called in each state, and by each verb, is found by watching one in which nothing goes wrong; what can go wrong
is the simulator's own list. So a new call, a new fault or a new state is covered without a word here.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from support.request_history import assert_openair_came_second

from simulator import KINDS, Fault, Pair
from simulator.faults import ENDPOINTS, When
from states.next_action import NextAction, Verb
from states.rotation import Rotation
from states.state import State
from states.table import ACTIVE
from tests.faults.advised_operator import Person
from tests.faults.environment import Call, Stage, name_of, stage
from tests.faults.error_codes import INVALID_CERTIFICATE, codes
from tests.faults.park_reasons import is_true
from tests.faults.summary import TALLY, WHOLE, count_faults

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
    with pytest.MonkeyPatch.context() as patched, stage(tmp_path_factory.mktemp("watched"), patched, LONG) as watching:
        return {rotated: watching.calls_by_state(rotated=rotated) for rotated in (False, True)}


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of fault."""
    found: str = request.param
    return found


@pytest.fixture
def playing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> Iterator[Stage]:
    with stage(tmp_path, monkeypatch, SHORT if kind in HELD else LONG) as opened:
        yield opened


def test_every_endpoint_is_called(watched: Calls) -> None:
    """The matrix has every endpoint of the simulator but the one that imports go to, and every state but the first,
    in which a key is made and nobody is called.
    """
    for by_state in watched.values():
        called = {call.endpoint for calls in by_state.values() for call in calls}
        assert set(ENDPOINTS) - {"openair.import"} == called
        assert [State.REQUESTED] == [state for state in ACTIVE if not by_state[state]]


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.parametrize("state", [state for state in ACTIVE if state is not State.REQUESTED])
@pytest.mark.parametrize("how", ["once", "lasting", "at first"] if WHOLE else ["once"])
def test_a_fault_is_survived(playing: Stage, watched: Calls, kind: str, state: State, how: str) -> None:
    """Whatever call it strikes, before or after that is applied: completed, or parked truly and mended."""
    rotated = how != "at first"
    for call in watched[rotated][state]:
        for when, code in _ways(kind, call):
            pair, person = playing.case(rotated=rotated)
            fault = playing.fault(call, kind, when, pair, lasting=how == "lasting", code=code)
            _survive(playing, pair, person, state, fault)


def _ways(kind: str, call: Call) -> Iterator[tuple[When, str | None]]:
    """When such a fault may strike the call, and with which code; of the codes only some, unless all is tried.

    A system that refuses says so before it does anything.
    """
    for when in KINDS[kind].when:
        yield when, None
    if kind == "error":
        known = codes(call.endpoint, call.action)
        for code in known if WHOLE else known[:1]:
            yield "before", code


def _survive(playing: Stage, pair: Pair, person: Person, state: State, fault: Fault) -> None:
    waiting = [fault]

    def listen(rotation: Rotation) -> None:
        if rotation.state is state:
            playing.simulator.faults.add(*waiting)
            waiting.clear()

    playing.app.rotations.request(name_of(pair), actor="tester")
    left = playing.carry(pair, listen)
    TALLY[f"left: {left.failure.code if left.failure else left.state}"] += 1
    assert _struck(playing, pair)
    if left.failure:
        journal = playing.app.rotations.journal(left.id)
        assert is_true(left.failure, journal, playing.history(pair)), f"{fault}: {left.failure}"
    playing.simulator.faults.clear()
    _end(playing, pair, person, fault)


@pytest.mark.parametrize("kind", KINDS if WHOLE else ["reset", "late", "missing"], indirect=True)
@pytest.mark.parametrize("verb", ["restore", "adopt", "abandon"])
def test_a_fault_under_a_remedy_is_survived(playing: Stage, verb: str, kind: str) -> None:
    """Whatever call of it a fault strikes: it ends the rotation, or says what to do, and that ends it."""
    prepare = {"restore": _stick, "adopt": _be_overtaken, "abandon": _be_refused}[verb]
    remedy: Callable[..., Rotation] = getattr(playing.app.recovery, verb)
    pair, person = playing.case(rotated=True)
    parked = prepare(playing, pair)
    calls = playing.calls(lambda: remedy(parked.id, actor="ada"))
    assert not playing.app.rotations.show(parked.id).is_open
    for call in calls:
        for when in KINDS[kind].when:
            pair, person = playing.case(rotated=True)
            parked = prepare(playing, pair)
            playing.world.go_on(300)
            fault = playing.fault(call, kind, when, pair)
            playing.simulator.faults.add(fault)
            person.follow(NextAction(Verb(verb), {"rotation": parked.id}))
            playing.settle()
            assert _struck(playing, pair)
            playing.simulator.faults.clear()
            _end(playing, pair, person, fault)


def _stick(playing: Stage, pair: Pair) -> Rotation:
    """Park a rotation between the two sides."""
    playing.simulator.faults.add(SAVE_REFUSED)
    playing.app.rotations.request(name_of(pair), actor="tester")
    parked = playing.carry(pair)
    playing.simulator.faults.clear()
    assert State.UPLOADED_TO_NETSUITE is parked.position
    return parked


def _be_overtaken(playing: Stage, pair: Pair) -> Rotation:
    """Park a rotation because somebody else changed both sides."""
    pair.netsuite.record.reset("foreign")
    held = pair.netsuite.record.held
    assert held
    pair.openair.settings.save_outside(held.pair.certificate_pem())
    playing.app.rotations.request(name_of(pair), actor="tester")
    return playing.carry(pair)


def _be_refused(playing: Stage, pair: Pair) -> Rotation:
    """Park a rotation whose install was lost, and whose certificate NetSuite refuses since; nothing is in flight."""
    for kind, code in (("reset", None), ("error", INVALID_CERTIFICATE)):
        playing.simulator.faults.add(Fault("netsuite.restlet", kind, "install", when="before", code=code))
    playing.app.rotations.request(name_of(pair), actor="tester")
    parked = playing.carry(pair)
    assert parked.doubt.since
    playing.world.go_on(300)
    return parked


def _struck(playing: Stage, pair: Pair) -> bool:
    """Whether the fault struck that was meant for ``pair``."""
    return any(entry.fault for entry in playing.history(pair))


def _end(playing: Stage, pair: Pair, person: Person, fault: Fault) -> None:
    """Whatever is advised is done, and then all is well."""
    app, history = playing.app, playing.history(pair)
    if app.store.rotations.open_for(name_of(pair)):
        playing.carry(pair)
    playing.mend(pair, person, fault)
    TALLY["cases"] += 1
    TALLY.update(f"advised and done: {re.sub('[0-9A-Z]{26}', 'ID', deed)}" for deed in person.done)
    count_faults(history)
    assert "project=T" == playing.simulator.import_requests.send(pair.netsuite.account)
    assert pair.netsuite.record.fingerprint == pair.openair.settings.fingerprint
    assert_openair_came_second(history)
    app.installation.verify_journal()
