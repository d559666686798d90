"""A step that cannot be done now is postponed: for how long, with what count, and what is published."""

import errno
import logging
from datetime import timedelta

import pytest
from integration.engine.environment import CALL, EngineEnvironment, about, extra
from support.factories import NOW

from persistence.journal import POSTPONED
from states.errors import AwaitingPerson, Throttled, TryLater
from states.state import State
from states.timing import HOLD_OFF


def test_trouble_that_goes_on_puts_the_step_off(
    environment: EngineEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    """After its tries the step is postponed as the table says: counted, journaled, logged, and given back."""
    environment.systems.will_fail("openair.read", *[TryLater("Not now.")] * 5)
    before = environment.systems.clock.now()
    waiting = environment.run(State.KEY_GENERATED)
    now = environment.systems.clock.now()
    until = now + timedelta(minutes=1)
    assert (State.KEY_GENERATED, 1, until, now) == (
        waiting.state,
        waiting.tries,
        waiting.available_at,
        waiting.updated_at,
    )
    assert before < now
    assert ("Not now.", False) == (waiting.waiting_for, waiting.awaits_person)
    assert (POSTPONED, {"code": "TRY_LATER", "message": "Not now.", "until": until.isoformat()}) == (
        environment.last(waiting).event,
        environment.last(waiting).detail,
    )
    record = caplog.records[-1]
    assert ("rotation postponed", logging.WARNING) == (record.message, record.levelno)
    assert {**about(waiting), "code": "TRY_LATER", "until": until, "outage": False} == extra(record)
    assert ([waiting], waiting) == (environment.heard, environment.store.rotations.get(waiting.id))
    assert not environment.is_held(waiting)


def test_waiting_in_an_outage_raises_the_alarm(
    environment: EngineEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    """Postponed in UploadedToNetSuite, the rotation waits for seconds, and the log has an error."""
    environment.systems.will_fail("openair.save", *[TryLater()] * 8)
    waiting = environment.run(State.UPLOADED_TO_NETSUITE)
    assert timedelta(seconds=5) == waiting.available_at - waiting.updated_at
    assert {logging.ERROR} == {record.levelno for record in caplog.records}


@pytest.mark.parametrize(("asked", "waits"), [(90.0, 90), (30.0, 60)])
def test_the_longer_wait_counts(environment: EngineEnvironment, asked: float, waits: int) -> None:
    """The other system's Retry-After is honoured where it is longer than the table's wait."""
    environment.systems.will_fail("openair.read", Throttled(retry_after=asked))
    waiting = environment.run(State.KEY_GENERATED)
    assert timedelta(seconds=waits) == waiting.available_at - waiting.updated_at


@pytest.mark.parametrize(("seconds", "waits"), [(30, 30), (90, 60)])
def test_what_will_be_over_is_waited_for_no_longer(environment: EngineEnvironment, seconds: int, waits: int) -> None:
    """Where it is known when the trouble ends, the rotation is tried again then, if that is sooner."""
    over_at = NOW + timedelta(seconds=seconds)
    environment.systems.will_fail("openair.read", TryLater(retry_after=9, over_at=over_at))
    waiting = environment.run(State.KEY_GENERATED)
    assert min(over_at, waiting.updated_at + timedelta(seconds=waits)) == waiting.available_at


def test_each_postponement_counts(environment: EngineEnvironment) -> None:
    """The second postponement is the longer one, and the count goes on from the first."""
    environment.systems.will_fail("openair.read", *[TryLater()] * 10)
    first = environment.run(State.KEY_GENERATED)
    second = environment.go_on(first)
    assert (2, timedelta(minutes=5)) == (second.tries, second.available_at - second.updated_at)


def test_what_hardly_passes_is_not_retried_for_long(environment: EngineEnvironment) -> None:
    """An error with a limit of its own parks the rotation once it comes again after so many postponements."""
    refused = TryLater("No reason.", gives_up_after=2)
    environment.systems.will_fail("openair.read", *[TryLater("Busy.")] * 15, *[refused] * 10)
    waiting = environment.run(State.KEY_GENERATED)
    for tries in (2, 3, 4):
        waiting = environment.go_on(waiting)
        assert (State.KEY_GENERATED, tries) == (waiting.state, waiting.tries)
    parked = environment.go_on(waiting)
    assert parked.failure
    assert ("GAVE_UP", "Gave up after 5 rounds of tries. The last error: No reason.") == (
        parked.failure.code,
        parked.failure.message,
    )


def test_a_machine_that_is_short_of_something_is_waited_for(environment: EngineEnvironment) -> None:
    """In the middle of a step it is not known what was sent: the rotation is postponed in doubt, and not parked."""
    environment.systems.will_fail("netsuite.install", OSError(errno.ENOSPC, "a secret"))
    waiting = environment.run(State.KEY_GENERATED)
    now = NOW + 3 * CALL
    assert (State.KEY_GENERATED, 1, NOW, now + HOLD_OFF, now + timedelta(minutes=1)) == (
        waiting.state,
        waiting.tries,
        waiting.doubt.since,
        waiting.doubt.in_flight_until,
        waiting.available_at,
    )
    assert (POSTPONED, "MACHINE_EXHAUSTED") == (
        environment.last(waiting).event,
        environment.last(waiting).detail["code"],
    )
    assert "This machine is short of something that Keyturn needs: No space left on device." == waiting.waiting_for
    assert ([waiting], waiting) == (environment.heard, environment.store.rotations.get(waiting.id))


def test_waiting_for_a_person_is_no_failure(environment: EngineEnvironment, caplog: pytest.LogCaptureFixture) -> None:
    """A person's part is waited for by the hour, without counting: who, what and until when is recorded."""
    environment.systems.will_fail("openair.save", AwaitingPerson("A person saves it."))
    waiting = environment.run(State.UPLOADED_TO_NETSUITE)
    now = environment.systems.clock.now()
    until = now + timedelta(hours=1)
    assert (True, 0, until, now) == (waiting.awaits_person, waiting.tries, waiting.available_at, waiting.updated_at)
    assert "A person saves it." == waiting.waiting_for
    assert {"code": "AWAITING_PERSON", "message": "A person saves it.", "until": until.isoformat()} == environment.last(
        waiting
    ).detail
    (record,) = caplog.records
    assert ("rotation waits for a person", logging.WARNING) == (record.message, record.levelno)
    assert {**about(waiting), "code": "AWAITING_PERSON"} == extra(record)
    assert not environment.is_held(waiting)
    assert [waiting] == environment.heard


def test_trouble_while_a_person_is_waited_for(environment: EngineEnvironment) -> None:
    """A rotation goes on to wait for its person while a system is away, however long that lasts: it is not parked."""
    environment.systems.will_fail("openair.save", AwaitingPerson("A person saves it."))
    waiting = environment.run(State.UPLOADED_TO_NETSUITE)
    environment.systems.will_fail("netsuite.sign", *[TryLater("Down.")] * 8 * 30)
    for _ in range(30):
        waiting = environment.go_on(waiting)
        assert (True, 0, "A person saves it.") == (waiting.awaits_person, waiting.tries, waiting.waiting_for)
        assert timedelta(hours=1) == waiting.available_at - waiting.updated_at
    assert "Down." == environment.last(waiting).detail["message"]
