"""The request to stop: what it lets go on, for how long, and what it leaves."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.factories import NOW, a_rotation, an_id

from orchestrator.events import ConnectionSaved, OutcomeUnknown, Parked, TakenOver
from orchestrator.stop_request import CALM, StopRequest, is_between_sides
from states.errors import Unknown
from states.ports import Write
from states.rotation import Doubt, Ending, Failure, Rotation
from states.state import State

WITHIN = 60.0
BETWEEN = a_rotation(state=State.UPLOADED_TO_NETSUITE, skew_from=NOW)
UPLOADING = a_rotation(state=State.KEY_GENERATED)
IN_DOUBT = replace(UPLOADING, doubt=Doubt(since=NOW))
SAVED = a_rotation(state=State.SAVED_TO_OPENAIR)


def parked(position: State, **changes: object) -> Rotation:
    return a_rotation(state=State.FAILED, failure=Failure.of(Unknown(), position, NOW), **changes)


class Elapsed:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def elapsed() -> Elapsed:
    return Elapsed()


@pytest.fixture
def stop(elapsed: Elapsed) -> StopRequest:
    return StopRequest(WITHIN, elapsed=elapsed)


@pytest.mark.parametrize(
    ("rotation", "between"),
    [
        (a_rotation(), False),
        (UPLOADING, False),
        (IN_DOUBT, True),
        (BETWEEN, True),
        (SAVED, False),
        (replace(SAVED, doubt=Doubt(since=NOW)), False),
        (parked(State.UPLOADED_TO_NETSUITE, skew_from=NOW), True),
        (parked(State.KEY_GENERATED), False),
        (parked(State.KEY_GENERATED, restoring_since=NOW), True),
        (parked(State.UPLOADED_TO_NETSUITE, closed_at=NOW, ending=Ending.RESTORED), False),
        (a_rotation(state=State.COMPLETED, closed_at=NOW), False),
    ],
)
def test_what_is_between_both_sides(rotation: Rotation, *, between: bool) -> None:
    """Where NetSuite may hold a certificate that OpenAir does not: confirmed, or sent without an answer."""
    assert between is is_between_sides(rotation)


def test_without_a_request_nothing_ends(stop: StopRequest, elapsed: Elapsed) -> None:
    """However long it carries, a process that is not asked to stop goes on."""
    with stop.carrying(BETWEEN):
        elapsed.seconds += 10 * WITHIN
        assert (False, False, False) == (stop.is_set(), stop.is_over(), stop.releases(SAVED))


@pytest.mark.parametrize(
    ("rotation", "released"),
    [(a_rotation(), True), (UPLOADING, True), (IN_DOUBT, False), (BETWEEN, False), (SAVED, True)],
)
def test_only_an_outage_goes_on(stop: StopRequest, rotation: Rotation, *, released: bool) -> None:
    """A rotation that is between both sides goes to its next step; every other one is released."""
    stop.set()
    assert released is stop.releases(rotation)


def test_an_outage_goes_on_for_a_bounded_time(stop: StopRequest, elapsed: Elapsed) -> None:
    """Once the time is over it is released, too; a second request does not lengthen it."""
    stop.set()
    elapsed.seconds += WITHIN - 1
    stop.set()
    assert not stop.releases(BETWEEN)
    elapsed.seconds += 2
    assert stop.releases(BETWEEN)


@pytest.mark.parametrize(
    ("rotation", "limit"),
    [(SAVED, CALM), (a_rotation(), CALM), (UPLOADING, WITHIN), (IN_DOUBT, WITHIN), (BETWEEN, WITHIN)],
)
def test_how_long_a_step_may_take(stop: StopRequest, elapsed: Elapsed, rotation: Rotation, limit: float) -> None:
    """A step that could leave an outage may take all of the time; any other, and an idle thread, a few seconds."""
    with stop.carrying(rotation):
        stop.set()
        elapsed.seconds += limit - 1
        assert not stop.is_over()
        elapsed.seconds += 2
        assert stop.is_over()


def test_an_idle_process_ends_soon(stop: StopRequest, elapsed: Elapsed) -> None:
    """A process that carries nothing does not wait long for a database that does not answer."""
    stop.set()
    assert (True, False) == (stop.is_idle(), stop.is_over())
    elapsed.seconds += CALM + 1
    assert stop.is_over()


def test_a_short_bound_holds_for_calm_steps_too(elapsed: Elapsed) -> None:
    """With 0 seconds, the process ends at once."""
    stop = StopRequest(0, elapsed=elapsed)
    stop.set()
    elapsed.seconds += 0.1
    assert stop.is_over()


def test_events_tell_how_far_a_rotation_got(stop: StopRequest) -> None:
    """What is left is what the last event said, while it is carried and afterwards."""
    with stop.carrying(UPLOADING):
        assert (False, []) == (stop.is_idle(), stop.left())
        stop.receive(OutcomeUnknown(IN_DOUBT, Write.INSTALL, "UNKNOWN"))
        stop.receive(ConnectionSaved("acme", 1, "ada"))
        assert [IN_DOUBT] == stop.left()
    assert (True, [IN_DOUBT]) == (stop.is_idle(), stop.left())
    with stop.carrying(IN_DOUBT):
        assert [IN_DOUBT] == stop.left()
        stop.receive(Parked(SAVED, "DRIFT", "It drifted."))
        assert [] == stop.left()
    assert [] == stop.left()


def test_events_of_other_rotations_are_ignored(stop: StopRequest) -> None:
    """Only what this process carries can be left by it."""
    stop.receive(TakenOver(a_rotation(id=an_id(2), state=State.UPLOADED_TO_NETSUITE)))
    assert ([], True) == (stop.left(), stop.is_idle())


def test_waiting_ends_with_the_request(stop: StopRequest) -> None:
    """It returns whether there was one."""
    assert not stop.wait(0)
    stop.set()
    assert stop.wait(timedelta(days=1).total_seconds())
