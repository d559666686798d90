"""Which verb is possible for a rotation, and when."""

import inspect
from dataclasses import replace
from datetime import timedelta

import pytest
from support.advice import commands, text
from support.factories import changed
from support.pairs import NOW, Pair
from unit.states.rotations import ID, a_rotation, parked

from orchestrator.views.next_actions import command
from states import errors
from states.connection import Policy
from states.errors import (
    CannotSign,
    Drift,
    ForeignRotation,
    Refused,
)
from states.next_action import ADOPT, OVERWRITE, NextAction, Verb, by_hand
from states.preconditions import PRECONDITIONS, advise, why_not
from states.state import State
from states.table import ACTIVE

REFUSALS = [
    each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Refused) and each is not Refused
]

MINUTE = timedelta(minutes=1)
FIND_OUT = by_hand("Find out who.", OVERWRITE)
"""What an older version stored with a rotation that met Drift."""
HOLDS = "NetSuite has proved that it holds its certificate."


def test_the_verbs() -> None:
    """The verbs are in the order in which `explain` shows them."""
    expected = ["watch", "park", "carry", "resume", "begin", "confirm", "restore", "adopt", "abandon"]
    expected.append("withdraw")
    assert expected == [verb.value for verb in PRECONDITIONS]


@pytest.mark.parametrize("state", State)
def test_watching_is_possible_while_it_is_open(state: State, pair: Pair) -> None:
    """Every rotation can be watched until it has ended."""
    rotation = parked(a_rotation(pair)) if state is State.FAILED else a_rotation(pair, state)
    assert ("The rotation has ended." if state is State.COMPLETED else "") == why_not(Verb.WATCH, rotation, NOW)


@pytest.mark.parametrize("state", State)
def test_only_what_is_under_way_is_parked(state: State, pair: Pair) -> None:
    """A parked or ended rotation cannot be parked."""
    rotation = parked(a_rotation(pair)) if state is State.FAILED else a_rotation(pair, state)
    refusals = {State.FAILED: "It is parked already.", State.COMPLETED: "The rotation has ended."}
    assert refusals.get(state, "") == why_not(Verb.PARK, rotation, NOW)


@pytest.mark.parametrize("state", State)
def test_what_is_postponed_can_be_carried_on(state: State, pair: Pair) -> None:
    """A rotation under way need not wait until its next try is due, except before it begins: it is held off then."""
    rotation = parked(a_rotation(pair)) if state is State.FAILED else a_rotation(pair, state)
    refusals = {
        State.REQUESTED: "It has not begun: it is held off until 2026-11-23 12:01:00 UTC.",
        State.FAILED: "It is parked: resume it.",
        State.COMPLETED: "The rotation has ended.",
    }
    postponed = changed(rotation, available_at=NOW + MINUTE)
    assert refusals.get(state, "") == why_not(Verb.CARRY, postponed, NOW)
    assert ("" if state is State.REQUESTED else refusals.get(state, "")) == why_not(Verb.CARRY, rotation, NOW)


def test_what_waits_for_a_person_is_not_carried_on(pair: Pair) -> None:
    """Only the person's confirmation brings it on."""
    rotation = a_rotation(pair, State.UPLOADED_TO_NETSUITE, awaits_person=True)
    assert "It waits for a person." == why_not(Verb.CARRY, rotation, NOW)


@pytest.mark.parametrize("state", ACTIVE)
def test_only_a_parked_rotation_is_resumed(state: State, pair: Pair) -> None:
    """A rotation that is not parked cannot be resumed, and the refusal names its state."""
    rotation = a_rotation(pair, state)
    assert f"The rotation is {state}, not Failed." == why_not(Verb.RESUME, rotation, NOW)
    assert "" == why_not(Verb.RESUME, parked(rotation), NOW)


def test_an_ended_rotation_is_not_resumed(pair: Pair) -> None:
    """A completed or closed rotation cannot be resumed."""
    closed = parked(a_rotation(pair, closed_at=NOW))
    ended = [why_not(Verb.RESUME, each, NOW) for each in (closed, a_rotation(pair, State.COMPLETED))]
    assert ["The rotation has ended."] * 2 == ended


def test_a_failure_that_names_no_command_is_resumed(pair: Pair) -> None:
    """A next action without a command is followed by resuming the rotation."""
    advice = advise(parked(a_rotation(pair), Refused(next_action=by_hand("Correct it.", None))), NOW)
    assert f"Correct it. Then run `keyturn rotation resume {ID}`." == text(advice)


def test_to_the_last_moment(pair: Pair) -> None:
    """A certificate can be restored until its expiry, and a hold-off lasts until its end, both inclusive."""
    rotation = parked(
        a_rotation(pair, State.UPLOADED_TO_NETSUITE, previous=pair.certificate, previous_key_kept=True),
        ForeignRotation(),
    )
    expiry = pair.certificate.not_after
    assert ["", "The previous certificate expired on 2027-11-23."] == [
        why_not(Verb.RESTORE, rotation, moment) for moment in (expiry, expiry + timedelta(microseconds=1))
    ]
    in_flight = changed(rotation, in_flight_until=NOW)
    refused = [why_not(Verb.ADOPT, in_flight, moment) for moment in (NOW, NOW + timedelta(microseconds=1))]
    assert ["What was sent without an answer may still take effect, until 2026-11-23 12:00:00 UTC.", ""] == refused


def test_a_parked_rotation_without_a_failure_is_not_adopted(pair: Pair) -> None:
    """If the failure is missing from a changed database, the rotation cannot be adopted."""
    rotation = replace(parked(a_rotation(pair), ForeignRotation()), failure=None)
    assert "It was not parked because of a foreign certificate." == why_not(Verb.ADOPT, rotation, NOW)


@pytest.mark.parametrize(
    ("awaits_person", "expected"), [(True, ""), (False, "No certificate in OpenAir waits for a person's confirmation.")]
)
def test_only_what_waits_is_confirmed(awaits_person: bool, expected: str, pair: Pair) -> None:  # noqa: FBT001
    """A save can be confirmed only if the rotation waits for a person."""
    rotation = a_rotation(pair, State.UPLOADED_TO_NETSUITE, waiting_for="OpenAir.", awaits_person=awaits_person)
    assert expected == why_not(Verb.CONFIRM, rotation, NOW)


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
    """A rotation can be abandoned if it is parked and NetSuite has not confirmed its candidate.

    In doubt it must wait for the end of the hold-off, unless it has no candidate that could have been sent.
    """
    rotation = a_rotation(pair, state)
    assert f"The rotation is {state}, not Failed." == why_not(Verb.ABANDON, rotation, NOW)
    assert expected == why_not(Verb.ABANDON, parked(rotation), NOW)
    doubtful = parked(changed(rotation, doubt_since=NOW, in_flight_until=NOW))
    waits = "What was sent without an answer may still take effect, until 2026-11-23 12:00:00 UTC."
    assert (waits if state is State.KEY_GENERATED else expected) == why_not(Verb.ABANDON, doubtful, NOW)
    assert expected == why_not(Verb.ABANDON, doubtful, NOW + timedelta(microseconds=1))
    assert "The rotation has ended." == why_not(Verb.ABANDON, parked(replace(rotation, closed_at=NOW)), NOW)


def test_advice_does_not_depend_on_the_policy(pair: Pair) -> None:
    """The advice does not depend on policy and attempt."""
    rotation = a_rotation(pair, State.KEY_GENERATED)
    other = a_rotation(pair, State.KEY_GENERATED, policy=Policy(days=15), attempt=9)
    assert advise(rotation, NOW) == advise(other, NOW)


def test_advice_asks_for_the_fingerprint_if_only_a_person_sees_openair(pair: Pair) -> None:
    """If only a person sees OpenAir, adopting asks for its fingerprint, and a look again comes first."""
    rotation = changed(parked(a_rotation(pair, State.KEY_GENERATED), ForeignRotation()), by_hand=True)
    found = advise(rotation, NOW)
    expected = [f"rotation resume {ID}", f"rotation adopt {ID} --fingerprint", f"rotation resume {ID} --overwrite"]
    assert expected == commands(found)
    assert "only a certificate that Keyturn knows already can be adopted." in text(found)
    assert "--fingerprint`, followed by the SHA-256 that OpenAir shows." in text(found)


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("kind", [ForeignRotation, CannotSign, Drift])
@pytest.mark.parametrize("stored", [None, OVERWRITE, FIND_OUT, replace(OVERWRITE, alternatives=(ADOPT,))])
def test_the_line_to_run_next_replaces_nothing_of_others(
    pair: Pair, kind: type[Refused], stored: NextAction | None, *, by_hand: bool
) -> None:
    """To replace another party's certificate is a choice. So it is where an older version stored it as the first."""
    error = kind(next_action=stored)
    found = advise(changed(parked(a_rotation(pair, State.KEY_GENERATED), error), by_hand=by_hand), NOW)
    assert command(found).startswith((f"keyturn rotation resume {ID}", f"keyturn rotation adopt {ID}"))
    assert "--overwrite" not in command(found)
    assert not found.replaces_others
    assert f"rotation resume {ID} --overwrite" in commands(found)


def test_an_unfinished_restore_asks_what_openair_shows(pair: Pair) -> None:
    """If only a person sees OpenAir, the command that finishes a restore asks for its fingerprint."""
    kept = {"previous": pair.certificate, "previous_key_kept": True}
    begun = parked(a_rotation(pair, State.UPLOADED_TO_NETSUITE, restoring_since=NOW, **kept))
    assert [f"rotation restore {ID} --fingerprint"] == commands(advise(changed(begun, by_hand=True), NOW))
    plain = changed(parked(a_rotation(pair, State.UPLOADED_TO_NETSUITE)), by_hand=True)
    assert advise(changed(plain, by_hand=False), NOW) == advise(plain, NOW)
