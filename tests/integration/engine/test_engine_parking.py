"""What parks a rotation, with which reason; and what does not."""

import errno
import logging
from dataclasses import replace

import pytest
from integration.engine.environment import CALL, Stage, about, extra, lose_patience
from support.factories import NOW

from states import steps
from states.errors import NotPermitted, TryLater
from states.next_action import NextAction, Verb, by_hand
from states.state import State
from states.table import FAIL
from states.timing import HOLD_OFF


def test_a_refusal_parks_the_rotation(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """What would be refused again is parked at once: with code, reason and next action, journaled and logged."""
    stage.systems.will_fail("openair.read", NotPermitted("No.", next_action=by_hand("Allow it.")))
    parked = stage.run(State.KEY_GENERATED)
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
        stage.last(parked).event,
        stage.last(parked).detail,
    )
    assert (["netsuite.sign", "openair.read"], [parked]) == (stage.systems.calls, stage.heard)
    (record,) = caplog.records
    assert ("rotation parked", logging.ERROR) == (record.message, record.levelno)
    assert {**about(parked), "code": "NOT_PERMITTED", "reason": "No."} == extra(record)


def test_a_connection_that_cannot_be_opened_parks_the_rotation(stage: Stage) -> None:
    """Without the ports there is nothing to try: the rotation is parked before its first step, and told of."""
    stage.refusal = NotPermitted("The vault is locked.")
    parked = stage.run()
    assert (State.FAILED, State.REQUESTED, [parked]) == (parked.state, parked.position, stage.heard)
    assert "The vault is locked." == stage.last(parked).detail["message"]
    assert "looks" not in stage.last(parked).detail


def test_a_bug_before_the_first_step_parks_the_rotation(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw on opening the connection is parked by its type alone; nothing of it is in doubt."""
    stage.refusal = UnicodeDecodeError("utf-8", b"a secret", 0, 1, "invalid start byte")
    claim = stage.begin(State.KEY_GENERATED)
    parked = stage.engine.run(claim)
    assert parked.failure
    assert ("INTERNAL_ERROR", "Keyturn itself failed (UnicodeDecodeError); the log has the details.") == (
        parked.failure.code,
        parked.failure.message,
    )
    assert (None, [], [parked]) == (parked.doubt.since, stage.systems.calls, stage.heard)
    broke, told = caplog.records
    assert ("step broke", logging.ERROR, "rotation parked") == (broke.message, broke.levelno, told.message)
    assert broke.exc_info
    assert about(claim.rotation) == extra(broke)


def test_a_rotation_that_was_changed_is_parked(stage: Stage) -> None:
    """What somebody changed in the database is not carried on: nothing is called, and the reason is told."""
    claim = stage.begin()
    parked = stage.engine.run(replace(claim, rotation=replace(claim.rotation, broken="It was changed.")))
    assert parked.failure
    assert ("JOURNAL_BROKEN", "It was changed.", []) == (
        parked.failure.code,
        parked.failure.message,
        stage.systems.calls,
    )


def test_patience_that_runs_out_parks_the_rotation(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last put-off the rotation is parked, with the count and the last error."""
    lose_patience(monkeypatch, steps.upload_to_netsuite)
    stage.systems.will_fail("openair.read", TryLater("Not now."))
    parked = stage.run(State.KEY_GENERATED)
    assert parked.failure
    assert ("GAVE_UP", "Gave up after 1 rounds of tries. The last error: Not now.") == (
        parked.failure.code,
        parked.failure.message,
    )
    assert [parked] == stage.heard


def test_a_bug_parks_the_rotation_in_doubt(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """An exception that nobody foresaw is parked by its type alone, with everything since the step began in doubt."""
    stage.systems.will_fail("netsuite.install", ZeroDivisionError("a secret"))
    parked = stage.run(State.KEY_GENERATED)
    assert parked.failure
    assert ("INTERNAL_ERROR", "Keyturn itself failed (ZeroDivisionError); the log has the details.") == (
        parked.failure.code,
        parked.failure.message,
    )
    sent_by = NOW + 3 * CALL
    assert (NOW, sent_by + HOLD_OFF) == (parked.doubt.since, parked.doubt.in_flight_until)
    broke, told = caplog.records
    assert ("step broke", logging.ERROR, "rotation parked") == (broke.message, broke.levelno, told.message)
    assert broke.exc_info
    assert about(replace(parked, state=State.KEY_GENERATED)) == extra(broke)
    assert [parked] == stage.heard


@pytest.mark.parametrize("trouble", [TryLater(), OSError(errno.EMFILE, "Too many open files"), MemoryError()])
def test_trouble_that_is_not_the_rotations_own_parks_nothing(stage: Stage, trouble: Exception) -> None:
    """The database is away, or this machine is short of something, before the first step: given back as it was."""
    stage.refusal = trouble
    claim = stage.begin()
    with pytest.raises(type(trouble)):
        stage.engine.run(claim)
    assert not stage.is_held(claim.rotation)
    assert (claim.rotation, []) == (stage.store.rotations.get(claim.rotation.id), stage.heard)
