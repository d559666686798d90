"""Advice: the one next safe action, and why a verb is not possible."""

import inspect
from dataclasses import replace
from datetime import timedelta

import pytest
from unit.states.rotations import ID, NOW, Pair, a_rotation, parked

from states import errors, lifecycle
from states.advice import VERBS, Advice, advise, for_a_command, outside_a_rotation, resolve, why_not
from states.connection import Policy
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
    in_flight = advise(parked(replace(position, in_flight_until=NOW + MINUTE)), NOW)
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
    sentence = advise(lifecycle.fail(a_rotation(pair), error(), NOW), NOW).sentence
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


# --- verbs ------------------------------------------------------------------------------------------------------------


def test_the_verbs() -> None:
    """Each has the command that its advice would give."""
    expected = ["watch", "park", "resume", "confirm", "restore", "adopt", "abandon"]
    assert expected == [verb.name for verb in VERBS]
    assert {True} == {f"rotation {verb.name} {{id}}" in verb.command for verb in VERBS}


@pytest.mark.parametrize("state", State)
def test_watching_is_possible_while_it_is_open(state: State, pair: Pair) -> None:
    """Only what has ended cannot be watched."""
    rotation = parked(a_rotation(pair)) if state is State.FAILED else a_rotation(pair, state)
    assert ("The rotation has ended." if state is State.COMPLETED else "") == why_not("watch", rotation, NOW)


@pytest.mark.parametrize("state", State)
def test_only_what_is_under_way_is_parked(state: State, pair: Pair) -> None:
    """What is parked already, or has ended, is not parked again."""
    rotation = parked(a_rotation(pair)) if state is State.FAILED else a_rotation(pair, state)
    refusals = {State.FAILED: "It is parked already.", State.COMPLETED: "The rotation has ended."}
    assert refusals.get(state, "") == why_not("park", rotation, NOW)


@pytest.mark.parametrize("state", ACTIVE)
def test_only_a_parked_rotation_is_resumed(state: State, pair: Pair) -> None:
    """The sentence names the state it is in; parked there, it can be resumed."""
    rotation = a_rotation(pair, state)
    assert f"The rotation is {state}, not Failed." == why_not("resume", rotation, NOW)
    assert "" == why_not("resume", parked(rotation), NOW)


def test_an_ended_rotation_is_not_resumed(pair: Pair) -> None:
    """Completed or closed, it stays as it is."""
    closed = parked(a_rotation(pair, closed_at=NOW))
    ended = [why_not("resume", each, NOW) for each in (closed, a_rotation(pair, State.COMPLETED))]
    assert ["The rotation has ended."] * 2 == ended


def test_a_failure_that_names_no_command_is_resumed(pair: Pair) -> None:
    """Whatever was advised when it was parked, what goes on from there is resuming."""
    advice = advise(parked(a_rotation(pair), Refused(next_action="Mend it.")), NOW)
    assert Advice("Mend it.", f"keyturn rotation resume {ID}") == advice


def test_to_the_last_moment(pair: Pair) -> None:
    """A certificate can be restored up to its very expiry; what is in flight is waited for up to its very end."""
    rotation = parked(
        a_rotation(pair, State.UPLOADED_TO_NETSUITE, previous=pair.certificate, previous_key_kept=True),
        ForeignRotation(),
    )
    expiry = pair.certificate.not_after
    assert ["", "The previous certificate expired on 2027-11-23."] == [
        why_not("restore", rotation, moment) for moment in (expiry, expiry + timedelta(microseconds=1))
    ]
    in_flight = replace(rotation, in_flight_until=NOW)
    refused = [why_not("adopt", in_flight, moment) for moment in (NOW, NOW + timedelta(microseconds=1))]
    assert ["What was sent without an answer may still take effect, until 2026-11-23 12:00:00 UTC.", ""] == refused


def test_a_failure_that_is_gone_is_nobodys(pair: Pair) -> None:
    """Somebody changed the database: without its failure, a parked rotation is not somebody else's doing."""
    rotation = replace(parked(a_rotation(pair), ForeignRotation()), failure=None)
    assert "It was not parked because of somebody else's certificate." == why_not("adopt", rotation, NOW)


@pytest.mark.parametrize(("awaits_person", "expected"), [(True, ""), (False, "Nothing waits for a person.")])
def test_only_what_waits_is_confirmed(awaits_person: bool, expected: str, pair: Pair) -> None:  # noqa: FBT001
    """A person confirms a save only where the rotation waits for one, not for OpenAir itself."""
    rotation = a_rotation(pair, State.UPLOADED_TO_NETSUITE, waiting_for="OpenAir.", awaits_person=awaits_person)
    assert expected == why_not("confirm", rotation, NOW)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.REQUESTED, ""),
        (State.KEY_GENERATED, ""),
        (State.UPLOADED_TO_NETSUITE, HOLDS),
        (State.SAVED_TO_OPENAIR, HOLDS),
    ],
)
def test_only_what_was_never_confirmed_is_abandoned(state: State, expected: str, pair: Pair) -> None:
    """Parked before NetSuite proved that it has the candidate; under way or ended, it is not given up.

    In doubt, whatever was sent must have landed; without a candidate nothing can have been sent.
    """
    rotation = a_rotation(pair, state)
    assert f"The rotation is {state}, not Failed." == why_not("abandon", rotation, NOW)
    assert expected == why_not("abandon", parked(rotation), NOW)
    doubtful = parked(replace(rotation, doubt_since=NOW, in_flight_until=NOW))
    waits = "What was sent without an answer may still take effect, until 2026-11-23 12:00:00 UTC."
    assert (waits if state is State.KEY_GENERATED else expected) == why_not("abandon", doubtful, NOW)
    assert expected == why_not("abandon", doubtful, NOW + timedelta(microseconds=1))
    assert "The rotation has ended." == why_not("abandon", parked(replace(rotation, closed_at=NOW)), NOW)


def test_advice_does_not_depend_on_the_policy(pair: Pair) -> None:
    """It is derived from the state alone."""
    rotation = a_rotation(pair, State.KEY_GENERATED)
    other = a_rotation(pair, State.KEY_GENERATED, policy=Policy(days=15), attempt=9)
    assert advise(rotation, NOW) == advise(other, NOW)


def test_who_sees_openair_tells_what_it_shows(pair: Pair) -> None:
    """Where only a person can look, the commands that depend on it ask for the fingerprint, and a stranger's
    certificate is overwritten rather than adopted.
    """
    rotation = replace(parked(a_rotation(pair, State.KEY_GENERATED), ForeignRotation()), by_hand=True)
    found = advise(rotation, NOW)
    assert f"keyturn rotation resume {ID} --overwrite" == found.command
    assert f"`keyturn rotation adopt {ID} --fingerprint SHA256` accepts" in found.sentence
    assert found.sentence.endswith("only one that Keyturn knows already can be adopted.")


def test_an_unfinished_restore_asks_what_openair_shows(pair: Pair) -> None:
    """The command that finishes it has the option, where only a person can look; other failures' advice has not."""
    kept = {"previous": pair.certificate, "previous_key_kept": True}
    begun = parked(a_rotation(pair, State.UPLOADED_TO_NETSUITE, restoring_since=NOW, **kept))
    assert f"keyturn rotation restore {ID} --fingerprint SHA256" == advise(replace(begun, by_hand=True), NOW).command
    plain = replace(parked(a_rotation(pair, State.UPLOADED_TO_NETSUITE)), by_hand=True)
    assert advise(replace(plain, by_hand=False), NOW) == advise(plain, NOW)
