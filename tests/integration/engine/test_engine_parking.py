"""What parks a rotation, with which reason; and what does not."""

import errno
import logging
from dataclasses import replace

import pytest
from integration.engine.environment import CALL, EngineEnvironment, about, allow_one_try, extra
from support.factories import NOW, changed

from states import steps
from states.errors import NotPermitted, TryLater
from states.next_action import NextAction, Verb, by_hand
from states.state import State
from states.table import FAIL
from states.timing import HOLD_OFF


def test_a_refusal_parks_the_rotation(environment: EngineEnvironment, caplog: pytest.LogCaptureFixture) -> None:
    """What would be refused again is parked at once: with code, reason and next action, journaled and logged."""
    environment.systems.will_fail("openair.read", NotPermitted("No.", next_action=by_hand("Allow it.")))
    parked = environment.run(State.KEY_GENERATED)
    assert parked.failure
    resumed = by_hand("Allow it.", NextAction(Verb.RESUME))
    assert ("NOT_PERMITTED", "No.", resumed, State.KEY_GENERATED) == (
        parked.failure.code,
        parked.failure.message,
        parked.failure.next_action,
        parked.failure.failed_from,
    )
    assert NOW + 2 * CALL == parked.failure.at == parked.updated_at
    assert (FAIL, {"code": "NOT_PERMITTED", "message": "No.", "next": resumed.to_data()}) == (
        environment.last(parked).event,
        environment.last(parked).detail,
    )
    assert (["netsuite.sign", "openair.read"], [parked]) == (environment.systems.calls, environment.heard)
    (record,) = caplog.records
    assert ("rotation parked", logging.ERROR) == (record.message, record.levelno)
    assert {**about(parked), "code": "NOT_PERMITTED", "reason": "No."} == extra(record)


def test_a_connection_that_cannot_be_opened_parks_the_rotation(environment: EngineEnvironment) -> None:
    """Without the ports there is nothing to try: the rotation is parked before its first step."""
    environment.refusal = NotPermitted("The vault is locked.")
    parked = environment.run()
    assert (State.FAILED, State.REQUESTED, [parked]) == (parked.state, parked.position, environment.heard)
    assert "The vault is locked." == environment.last(parked).detail["message"]
    assert "looks" not in environment.last(parked).detail


def test_a_bug_before_the_first_step_parks_the_rotation(
    environment: EngineEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    """An unforeseen exception on opening the connection is parked by its type alone; nothing is in doubt."""
    environment.refusal = UnicodeDecodeError("utf-8", b"a secret", 0, 1, "invalid start byte")
    claim = environment.begin(State.KEY_GENERATED)
    parked = environment.engine.run(claim)
    assert parked.failure
    assert ("INTERNAL_ERROR", "Keyturn itself failed (UnicodeDecodeError); the log has the details.") == (
        parked.failure.code,
        parked.failure.message,
    )
    assert (None, [], [parked]) == (parked.doubt.since, environment.systems.calls, environment.heard)
    broke, parking = caplog.records
    assert ("step broke", logging.ERROR, "rotation parked") == (broke.message, broke.levelno, parking.message)
    assert broke.exc_info
    assert about(claim.rotation) == extra(broke)


def test_a_rotation_that_was_changed_is_parked(environment: EngineEnvironment) -> None:
    """A row that was changed in the database is not carried on: nothing is called, and the reason is stored."""
    claim = environment.begin()
    parked = environment.engine.run(replace(claim, rotation=changed(claim.rotation, broken="It was changed.")))
    assert parked.failure
    assert ("TAMPERED", "It was changed.", []) == (
        parked.failure.code,
        parked.failure.message,
        environment.systems.calls,
    )


def test_an_exhausted_retry_policy_parks_the_rotation(
    environment: EngineEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last postponement the rotation is parked, with the count and the last error."""
    allow_one_try(monkeypatch, steps.upload_to_netsuite)
    environment.systems.will_fail("openair.read", TryLater("Not now."))
    parked = environment.run(State.KEY_GENERATED)
    assert parked.failure
    assert ("GAVE_UP", "Gave up after 1 rounds of tries. The last error: Not now.") == (
        parked.failure.code,
        parked.failure.message,
    )
    assert [parked] == environment.heard


def test_a_bug_parks_the_rotation_in_doubt(environment: EngineEnvironment, caplog: pytest.LogCaptureFixture) -> None:
    """An unforeseen exception is parked by its type alone, with everything since the step began in doubt."""
    environment.systems.will_fail("netsuite.install", ZeroDivisionError("a secret"))
    parked = environment.run(State.KEY_GENERATED)
    assert parked.failure
    assert ("INTERNAL_ERROR", "Keyturn itself failed (ZeroDivisionError); the log has the details.") == (
        parked.failure.code,
        parked.failure.message,
    )
    sent_by = NOW + 3 * CALL
    assert (NOW, sent_by + HOLD_OFF) == (parked.doubt.since, parked.doubt.in_flight_until)
    broke, parking = caplog.records
    assert ("step broke", logging.ERROR, "rotation parked") == (broke.message, broke.levelno, parking.message)
    assert broke.exc_info
    assert about(replace(parked, state=State.KEY_GENERATED)) == extra(broke)
    assert [parked] == environment.heard


@pytest.mark.parametrize("trouble", [TryLater(), OSError(errno.EMFILE, "Too many open files"), MemoryError()])
def test_trouble_that_is_not_the_rotations_own_parks_nothing(
    environment: EngineEnvironment, trouble: Exception
) -> None:
    """The database is away, or this machine is short of something, before the first step: given back as it was."""
    environment.refusal = trouble
    claim = environment.begin()
    with pytest.raises(type(trouble)):
        environment.engine.run(claim)
    assert not environment.is_held(claim.rotation)
    assert (claim.rotation, []) == (environment.store.rotations.get(claim.rotation.id), environment.heard)
