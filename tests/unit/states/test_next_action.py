"""Advice: the one next safe action, and why a verb is not possible."""

import inspect
from dataclasses import replace
from datetime import timedelta

import pytest
from support.factories import changed
from unit.states.rotations import ID, NOW, Pair, a_rotation, parked

from states import errors, machine
from states.errors import (
    CertificateRecordMissing,
    Exhausted,
    ForeignRotation,
    KeyturnError,
    Refused,
    SignInRefused,
    Throttled,
    TryLater,
)
from states.next_action import Advice, advise, for_a_command, outside_a_rotation, resolve
from states.rotation import Ending
from states.state import State
from states.table import ACTIVE

REFUSALS = [
    each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Refused) and each is not Refused
]

MINUTE = timedelta(minutes=1)
HOLDS = "NetSuite has proved that it holds its certificate."


@pytest.mark.parametrize("state", ACTIVE)
def test_under_way_a_worker_carries_it_on(state: State, pair: Pair) -> None:
    """Nothing to do but to have a worker."""
    expected = Advice("Nothing to do: a worker carries it on. Start one if none is running.", "keyturn worker")
    assert expected == advise(a_rotation(pair, state), NOW)


def test_completed_there_is_nothing_to_do(pair: Pair) -> None:
    """No command is offered."""
    expected = Advice("Nothing to do: both sides hold the new certificate.", "")
    assert expected == advise(a_rotation(pair, State.COMPLETED), NOW)


@pytest.mark.parametrize(
    ("ending", "tells"),
    [
        (Ending.ABANDONED, "abandoned, and NetSuite does not hold its certificate"),
        (Ending.RESTORED, "both sides hold the previous certificate again"),
        (Ending.ADOPTED, "the certificate that both sides held by then"),
    ],
)
def test_closed_there_is_nothing_to_do(ending: Ending, tells: str, pair: Pair) -> None:
    """A failed rotation that was closed cannot be resumed, so it is not advised; how it ended is told."""
    advice = advise(parked(a_rotation(pair, State.KEY_GENERATED, closed_at=NOW, ending=ending)), NOW)
    assert ("", True) == (advice.command, advice.sentence.startswith("Nothing to do: "))
    assert tells in advice.sentence


def test_an_unfinished_restore_is_finished_first(pair: Pair) -> None:
    """Whatever it was parked for: the one next safe command is to restore again."""
    kept = {"previous": pair.certificate, "previous_key_kept": True}
    rotation = parked(a_rotation(pair, State.UPLOADED_TO_NETSUITE, restoring_since=NOW, **kept), ForeignRotation())
    expected = Advice("Putting the previous certificate back was not finished.", f"keyturn rotation restore {ID}")
    assert expected == advise(rotation, NOW)


def test_what_cannot_be_done_is_not_the_next_action(pair: Pair) -> None:
    """An unfinished restore of a certificate that expired meanwhile is not begun again: resuming is, once it may."""
    expired = replace(pair.certificate, not_after=NOW - MINUTE)
    position = a_rotation(
        pair, State.UPLOADED_TO_NETSUITE, previous=expired, previous_key_kept=True, restoring_since=NOW
    )
    landed = advise(parked(position), NOW)
    assert f"keyturn rotation resume {ID}" == landed.command
    assert "was not finished. The previous certificate expired on 2026-11-23." in landed.sentence
    in_flight = advise(parked(changed(position, in_flight_until=NOW + MINUTE)), NOW)
    assert "" == in_flight.command
    assert in_flight.sentence.endswith("may still take effect, until 2026-11-23 12:01:00 UTC.")


def test_adopting_waits_for_what_is_in_flight(pair: Pair) -> None:
    """Until then the command that is offered is the one that is possible, and the sentence tells how long."""
    rotation = parked(a_rotation(pair, State.KEY_GENERATED, in_flight_until=NOW + MINUTE), ForeignRotation())
    advice = advise(rotation, NOW)
    assert f"keyturn rotation resume {ID}" == advice.command
    assert advice.sentence.endswith("may still take effect, until 2026-11-23 12:01:00 UTC.")


def test_a_foreign_rotation_is_a_choice(pair: Pair) -> None:
    """Accept it or overwrite it: both commands are named, and the one that changes neither system is offered."""
    advice = advise(parked(a_rotation(pair, State.KEY_GENERATED), ForeignRotation()), NOW)
    for command in (f"`keyturn rotation adopt {ID}`", f"`keyturn rotation resume {ID} --overwrite`"):
        assert command in advice.sentence
    assert f"keyturn rotation adopt {ID}" == advice.command


WAITING = {
    "Nothing to do: Keyturn tries again by itself.": "Repeat the command after a while.",
    "Free it. Keyturn tries again by itself.": "Free it. Repeat the command after a while.",
    "Mend it, then run `keyturn rotation resume ID`.": "Mend it, then run `keyturn rotation resume ID`.",
}


@pytest.mark.parametrize(("said", "told"), WAITING.items())
def test_a_command_is_not_repeated_by_itself(said: str, told: str) -> None:
    """A rotation is; what a person asked for has to be asked again, and resuming stays what was advised."""
    assert told == for_a_command(said)
    assert told.replace(", then run `keyturn rotation resume ID`", "") == outside_a_rotation(said)


@pytest.mark.parametrize("error", [TryLater, Throttled, Exhausted])
def test_nothing_that_passes_is_said_to_be_repeated_by_itself(error: type[KeyturnError]) -> None:
    """The errors' own sentences are the ones that are looked for."""
    assert for_a_command(error.next_action).endswith("Repeat the command after a while.")


def test_commands_are_resolved_and_prose_is_not() -> None:
    """ID is replaced in commands only: the vendor's repair asks for the ID _oa_realtime."""
    resolved = resolve(CertificateRecordMissing.next_action, "01JD")
    assert "`keyturn rotation resume 01JD`" in resolved
    assert "`keyturn rotation resume 01JD --create-record`" in resolved
    assert "the ID _oa_realtime" in resolved


def test_parked_the_failure_says_what_to_do(pair: Pair) -> None:
    """With this rotation's id in place, ready to be copied."""
    advice = advise(parked(a_rotation(pair), SignInRefused()), NOW)
    sentence = f"Check the connection's credentials with `keyturn doctor`, then run `keyturn rotation resume {ID}`."
    assert Advice(sentence, f"keyturn rotation resume {ID}") == advice


def test_the_repair_of_the_record_is_told_unchanged(pair: Pair) -> None:
    """The vendor's steps ask for the ID _oa_realtime: that is not the rotation's id."""
    sentence = advise(parked(a_rotation(pair, State.KEY_GENERATED), CertificateRecordMissing()), NOW).sentence
    assert "Enter the name OpenAir real-time and the ID _oa_realtime." in sentence
    assert f"`keyturn rotation resume {ID} --create-record`" in sentence


@pytest.mark.parametrize("error", REFUSALS, ids=lambda each: each.code)
def test_advised_commands_name_the_rotation(error: type[KeyturnError], pair: Pair) -> None:
    """No command is left with a placeholder in it."""
    sentence = advise(parked(a_rotation(pair), error()), NOW).sentence
    assert "resume ID" not in sentence
    assert ("resume" in error().next_action) is (f"resume {ID}" in sentence)


@pytest.mark.parametrize("error", REFUSALS, ids=lambda each: each.code)
def test_the_command_is_one_that_the_sentence_names(error: type[KeyturnError], pair: Pair) -> None:
    """With its options: plainly resumed, a rotation that was parked for drift would be parked for drift again."""
    advice = advise(parked(a_rotation(pair, State.KEY_GENERATED), error()), NOW)
    assert ("resume ID" in error().next_action) is (f"`{advice.command}`" in advice.sentence)


@pytest.mark.parametrize("error", REFUSALS, ids=lambda each: each.code)
def test_what_parks_a_rotation_does_not_advise_another(error: type[KeyturnError]) -> None:
    """A parked rotation still holds its connection, so a new one would be refused: the advice must be possible."""
    assert "keyturn rotate`" not in error().next_action
    assert "new rotation" not in error().next_action


@pytest.mark.parametrize("error", REFUSALS, ids=lambda each: each.code)
def test_a_parked_rotation_is_resumed_not_asked_for_again(error: type[KeyturnError], pair: Pair) -> None:
    """Whatever parked it: the command that begins one would be refused, so nobody is told to repeat it."""
    sentence = advise(machine.fail(a_rotation(pair), error(), NOW), NOW).sentence
    assert "repeat the command" not in sentence
    assert f"`keyturn rotation resume {ID}" in sentence


@pytest.mark.parametrize("verbs", [("adopt", "resume"), ("abandon", "resume"), ("resume", "abandon"), ("abandon",)])
def test_the_first_verb_that_is_named_is_offered(verbs: tuple[str, ...], pair: Pair) -> None:
    """Whichever it is: after a certificate that NetSuite refuses, resuming would only be refused again."""
    error = Refused(next_action=" or ".join(f"`keyturn rotation {verb} ID`" for verb in verbs))
    rotation = parked(a_rotation(pair, State.KEY_GENERATED), error)
    foreign = replace(rotation, failure=rotation.failure and replace(rotation.failure, code=ForeignRotation.code))
    assert f"keyturn rotation {verbs[0]} {ID}" == advise(foreign, NOW).command


def test_what_has_to_wait_is_told_with_its_time(pair: Pair) -> None:
    """While something may still land, giving up is not possible yet: until when is told, and nothing else offered."""
    rotation = a_rotation(pair, State.KEY_GENERATED, doubt_since=NOW, in_flight_until=NOW)
    advice = advise(parked(rotation, Refused(next_action="Run `keyturn rotation abandon ID`.")), NOW)
    assert ("", True) == (advice.command, advice.sentence.endswith("take effect, until 2026-11-23 12:00:00 UTC."))


def test_permission_is_part_of_the_advice(pair: Pair) -> None:
    """After a foreign rotation the way on is named, flag and all."""
    sentence = advise(parked(a_rotation(pair, State.KEY_GENERATED), ForeignRotation()), NOW).sentence
    assert f"`keyturn rotation resume {ID} --overwrite`" in sentence


def test_waiting_for_a_person_is_told(pair: Pair) -> None:
    """The person's part, in the words of whoever waits for it."""
    waiting = "Save the file in OpenAir, then run `keyturn rotation confirm ID`."
    rotation = a_rotation(pair, State.UPLOADED_TO_NETSUITE, waiting_for=waiting, awaits_person=True)
    expected = f"Save the file in OpenAir, then run `keyturn rotation confirm {ID}`."
    assert Advice(expected, f"keyturn rotation watch {ID}") == advise(rotation, NOW)


@pytest.mark.parametrize("state", ACTIVE)
def test_a_put_off_step_needs_nobody(state: State, pair: Pair) -> None:
    """Elsewhere nothing waits for a person: the worker tries again."""
    assert "keyturn worker" == advise(a_rotation(pair, state, waiting_for="NetSuite is slow."), NOW).command
