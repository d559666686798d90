"""Advice: the one next safe action, and why a verb is not possible."""

import inspect
from dataclasses import replace
from datetime import timedelta

import pytest
from support.advice import commands, text
from support.factories import changed
from support.pairs import NOW, Pair
from unit.states.rotations import ID, a_rotation, parked

from states import errors, machine
from states.errors import (
    CertificateRecordMissing,
    ForeignRotation,
    KeyturnError,
    Refused,
    SignInRefused,
    WrongBaseUrl,
)
from states.next_action import REPEAT, NextAction, Verb, by_hand
from states.preconditions import advise
from states.rotation import Ending
from states.state import State
from states.table import ACTIVE

REFUSALS = [
    each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Refused) and each is not Refused
]

CONSENTED = NextAction(Verb.AUTHORIZE, then=REPEAT)
MINUTE = timedelta(minutes=1)
HOLDS = "NetSuite has proved that it holds its certificate."


@pytest.mark.parametrize("state", ACTIVE)
def test_under_way_a_worker_carries_it_on(state: State, pair: Pair) -> None:
    """While a rotation is open, the next action is to run a worker."""
    expected = NextAction(Verb.WORKER, because="A worker carries the rotation on.")
    assert expected == advise(a_rotation(pair, state), NOW)


def test_completed_there_is_nothing_to_do(pair: Pair) -> None:
    """A completed rotation needs no action."""
    expected = NextAction(Verb.WAIT, because="Both sides hold the new certificate.")
    assert expected == advise(a_rotation(pair, State.COMPLETED), NOW)


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (Ending.ABANDONED, "abandoned, and NetSuite does not hold its certificate"),
        (Ending.RESTORED, "both sides hold the previous certificate again"),
        (Ending.ADOPTED, "the certificate that both sides held by then"),
    ],
)
def test_closed_there_is_nothing_to_do(ending: Ending, expected: str, pair: Pair) -> None:
    """A closed rotation needs no action, and the reason says how it ended."""
    advice = advise(parked(a_rotation(pair, State.KEY_GENERATED, closed_at=NOW, ending=ending)), NOW)
    assert Verb.WAIT is advice.verb
    assert expected in advice.because


def test_an_unfinished_restore_is_finished_first(pair: Pair) -> None:
    """After an unfinished restore the next action is to restore again, for every reason of the failure."""
    kept = {"previous": pair.certificate, "previous_key_kept": True}
    rotation = parked(a_rotation(pair, State.UPLOADED_TO_NETSUITE, restoring_since=NOW, **kept), ForeignRotation())
    expected = f"Putting the previous certificate back was not finished. Run `keyturn rotation restore {ID}`."
    assert expected == text(advise(rotation, NOW))


def test_what_cannot_be_done_is_not_the_next_action(pair: Pair) -> None:
    """If the certificate of an unfinished restore has expired, the next action is to resume after the hold-off."""
    expired = replace(pair.certificate, not_after=NOW - MINUTE)
    position = a_rotation(
        pair, State.UPLOADED_TO_NETSUITE, previous=expired, previous_key_kept=True, restoring_since=NOW
    )
    landed = advise(parked(position), NOW)
    assert [f"rotation resume {ID}"] == commands(landed)
    assert "was not finished. The previous certificate expired on 2026-11-23." in landed.because
    in_flight = advise(parked(changed(position, in_flight_until=NOW + MINUTE)), NOW)
    assert Verb.WAIT is in_flight.verb
    assert in_flight.because.endswith("may still take effect, until 2026-11-23 12:01:00 UTC.")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SignInRefused("No."), True),
        (Refused("No."), True),
        (SignInRefused("Void.", next_action=by_hand("Consent again.", CONSENTED)), False),
        (WrongBaseUrl("No."), False),
        (ForeignRotation("No."), False),
        (CertificateRecordMissing("No."), False),
    ],
    ids=["sign-in refused", "refused", "refresh token void", "wrong URL", "foreign", "missing"],
)
def test_in_an_outage_restoring_is_advised_where_it_can_succeed(
    error: KeyturnError,
    expected: bool,  # noqa: FBT001
    pair: Pair,
) -> None:
    """Where OpenAir refuses the save, restoring ends the outage.

    Where NetSuite holds something else it would not help; where the connection must be edited first, OpenAir cannot be
    asked, and restoring is refused.
    """
    kept = {"previous": pair.certificate, "previous_key_kept": True}
    in_outage = parked(a_rotation(pair, State.UPLOADED_TO_NETSUITE, **kept), error)
    assert expected == any(each.verb is Verb.RESTORE for each in advise(in_outage, NOW).alternatives)


def test_adopting_waits_for_what_is_in_flight(pair: Pair) -> None:
    """During a hold-off the first action is to resume, and the reason says until when adopting must wait."""
    rotation = parked(a_rotation(pair, State.KEY_GENERATED, in_flight_until=NOW + MINUTE), ForeignRotation())
    advice = advise(rotation, NOW)
    assert [f"rotation resume {ID}", f"rotation resume {ID} --overwrite"] == commands(advice)
    assert advice.because.endswith("may still take effect, until 2026-11-23 12:01:00 UTC.")


def test_a_foreign_rotation_is_a_choice(pair: Pair) -> None:
    """After a foreign rotation the next action is to adopt; overwriting is the alternative."""
    advice = advise(parked(a_rotation(pair, State.KEY_GENERATED), ForeignRotation()), NOW)
    assert [f"rotation adopt {ID}", f"rotation resume {ID} --overwrite"] == commands(advice)


@pytest.mark.parametrize("error", REFUSALS)
@pytest.mark.parametrize(
    "facts",
    [{}, {"restoring_since": NOW}, {"doubt_since": NOW, "in_flight_until": NOW + MINUTE}],
    ids=["parked", "restoring", "in flight"],
)
def test_a_changed_rotation_is_abandoned(pair: Pair, error: type[Refused], facts: dict[str, object]) -> None:
    """For any reason parked, one that was changed outside Keyturn can only be abandoned, and that is advised."""
    waiting = parked(a_rotation(pair, State.KEY_GENERATED), error())
    advice = advise(changed(waiting, broken="Changed.", **facts), NOW)
    assert [f"rotation abandon {ID}"] == commands(advice)
    assert "restore it from a backup" in advice.because


def test_parked_the_failure_says_what_to_do(pair: Pair) -> None:
    """The next action of a failure is rendered with the rotation's id."""
    advice = advise(parked(a_rotation(pair), SignInRefused()), NOW)
    assert ["doctor acme", f"rotation resume {ID}"] == commands(advice)


def test_the_repair_of_the_record_is_shown_unchanged(pair: Pair) -> None:
    """The vendor's steps are unchanged, with the ID _oa_realtime that they name."""
    advice = advise(parked(a_rotation(pair, State.KEY_GENERATED), CertificateRecordMissing()), NOW)
    assert CertificateRecordMissing.repair == advice.because
    assert "Enter the name OpenAir real-time and the ID _oa_realtime." in text(advice)
    assert [f"rotation resume {ID}", f"rotation resume {ID} --create-record"] == commands(advice)


@pytest.mark.parametrize("error", REFUSALS, ids=lambda each: each.code)
def test_advised_commands_name_the_rotation(error: type[KeyturnError], pair: Pair) -> None:
    """Every advised command has the rotation's id instead of a placeholder."""
    advice = advise(parked(a_rotation(pair), error()), NOW)
    assert " ID" not in text(advice).replace("the ID _oa_realtime", "")
    assert f"rotation resume {ID}" in text(advice)


@pytest.mark.parametrize("error", REFUSALS, ids=lambda each: each.code)
def test_what_parks_a_rotation_does_not_advise_another(error: type[KeyturnError]) -> None:
    """A next action that leads to a new rotation abandons the parked one first, because a connection has only one."""
    assert "new rotation" not in text(error().next_action)
    action = error().next_action
    before_another = [each.verb for each in action.walk() if each.leads_to(Verb.ROTATE)]
    assert not before_another or Verb.ABANDON in before_another


@pytest.mark.parametrize("error", REFUSALS, ids=lambda each: each.code)
def test_a_parked_rotation_is_resumed_and_not_requested_again(error: type[KeyturnError], pair: Pair) -> None:
    """For every failure the next action is to resume, and not to repeat the command that began the rotation."""
    shown = text(advise(machine.fail(a_rotation(pair), error(), NOW), NOW))
    assert "repeat the command" not in shown
    assert f"`keyturn rotation resume {ID}" in shown


@pytest.mark.parametrize("verbs", [("adopt", "resume"), ("abandon", "resume"), ("resume", "abandon"), ("abandon",)])
def test_the_first_choice_is_offered_first(verbs: tuple[str, ...], pair: Pair) -> None:
    """The alternatives of a failure keep their order."""
    first, *others = (NextAction(Verb(verb)) for verb in verbs)
    error = Refused(next_action=replace(first, alternatives=tuple(others)))
    rotation = parked(a_rotation(pair, State.KEY_GENERATED), error)
    foreign = replace(rotation, failure=rotation.failure and replace(rotation.failure, code=ForeignRotation.code))
    assert [f"rotation {verb} {ID}" for verb in verbs] == commands(advise(foreign, NOW))


def test_a_verb_that_must_wait_is_shown_with_its_time(pair: Pair) -> None:
    """If abandoning must wait for the hold-off, the next action is to wait, and the reason says until when."""
    rotation = a_rotation(pair, State.KEY_GENERATED, doubt_since=NOW, in_flight_until=NOW)
    advice = advise(parked(rotation, Refused(next_action=NextAction(Verb.ABANDON))), NOW)
    assert Verb.WAIT is advice.verb
    assert advice.because.endswith("take effect, until 2026-11-23 12:00:00 UTC.")


def test_permission_is_part_of_the_advice(pair: Pair) -> None:
    """The command after a foreign rotation includes the option --overwrite."""
    advice = advise(parked(a_rotation(pair, State.KEY_GENERATED), ForeignRotation()), NOW)
    assert f"`keyturn rotation resume {ID} --overwrite`" in text(advice)


def test_the_action_of_a_person_is_shown(pair: Pair) -> None:
    """If the rotation waits for a person, the next action has the step's message and the confirming command."""
    waiting = "A person has to save the file in OpenAir."
    rotation = a_rotation(pair, State.UPLOADED_TO_NETSUITE, waiting_for=waiting, awaits_person=True)
    command = f"keyturn rotation confirm {ID} --fingerprint"
    expected = f"{waiting} Then run `{command}`, followed by the SHA-256 that OpenAir shows."
    assert expected == text(advise(rotation, NOW))


def test_the_upload_that_waits_for_a_person_is_begun(pair: Pair) -> None:
    """Before the upload, the person says that they are ready: there is nothing in OpenAir to confirm yet."""
    rotation = a_rotation(pair, State.KEY_GENERATED, waiting_for="Sign in to OpenAir.", awaits_person=True)
    assert f"Sign in to OpenAir. Then run `keyturn rotation begin {ID}`." == text(advise(rotation, NOW))


@pytest.mark.parametrize("state", ACTIVE)
def test_a_postponed_step_needs_a_worker_only(state: State, pair: Pair) -> None:
    """If a step is postponed, the next action is to run a worker."""
    advice = advise(a_rotation(pair, state, waiting_for="NetSuite is slow."), NOW)
    assert NextAction(Verb.WORKER, because="A worker tries again now. NetSuite is slow.") == advice


def test_a_retry_in_the_future_is_shown_with_its_time(pair: Pair) -> None:
    """The time of the next attempt is shown only while it is in the future."""
    rotation = a_rotation(pair, State.KEY_GENERATED, waiting_for="NetSuite is slow.", available_at=NOW + MINUTE)
    assert "A worker tries again at 2026-11-23 12:01:00 UTC. NetSuite is slow." == advise(rotation, NOW).because
    assert "A worker tries again now. NetSuite is slow." == advise(rotation, NOW + MINUTE).because
