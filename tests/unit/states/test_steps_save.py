"""save_to_openair saves, reads back and compares; after a lost answer it reads before it sends again."""

from datetime import timedelta
from functools import partial

import pytest
from support.fake_systems import REMOTE_CALL
from support.pairs import NOW
from unit.states.save_calls import AT, SAVED, stale
from unit.states.step_systems import StepSystems

from states.errors import (
    AwaitingPerson,
    CutOff,
    KeyturnError,
    NotSavedYet,
    Refused,
    SignInRefused,
    Stale,
    Throttled,
    TryLater,
    Unknown,
    UnreadableCertificate,
)
from states.ports import Write
from states.rotation import Receipt
from states.steps import save_to_openair
from states.timing import READ_BACK_DELAY

LOST = ["openair.save", "unknown", "openair.read"]
"""The calls of a step with a lost answer: the loss is stored before OpenAir is read."""


# --- success ----------------------------------------------------------------------------------------------------------


def test_the_confirmed_certificate_is_saved_and_read_back(systems: StepSystems) -> None:
    """The receipt has the certificate and the time at which it was read back."""
    done = save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)
    assert Receipt(systems.candidate.fingerprint, NOW + timedelta(seconds=2 * REMOTE_CALL)) == done
    assert SAVED == systems.calls
    assert [systems.candidate.fingerprint] == systems.saved


def test_the_skew_ends_when_openair_was_read_back(systems: StepSystems) -> None:
    """The skew ends when the certificate is read back, because imports may be refused until then."""
    rotation = systems.rotation(AT)
    moved = systems.moved(rotation, save_to_openair(rotation, systems.ports, systems.attempt))
    assert timedelta(seconds=2 * REMOTE_CALL) == moved.skew(NOW + timedelta(days=1))


# --- reading back -----------------------------------------------------------------------------------------------------


def test_a_save_that_shows_late_is_found_by_the_second_look(systems: StepSystems) -> None:
    """If OpenAir shows the previous certificate for a moment, the second read finds the new one."""
    systems.openair.shows_after = READ_BACK_DELAY / 2
    assert save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)
    assert [*SAVED, "openair.read"] == systems.calls
    assert [READ_BACK_DELAY] == systems.clock.slept


def test_a_save_that_does_not_show_is_not_believed(systems: StepSystems) -> None:
    """If two reads after a save show another certificate, the outcome is unknown, because the save may show later."""
    systems.openair.shows_after = 3600
    with pytest.raises(NotSavedYet):
        save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)
    assert [*SAVED, "openair.read", "unknown"] == systems.calls
    assert [(Write.SAVE, "NOT_SAVED_YET")] == systems.attempt.unknown


def test_a_certificate_that_openair_cuts_off_is_not_saved_again(systems: StepSystems) -> None:
    """If OpenAir keeps only its beginning, saving it again does not help: that is a refusal, and no "not yet"."""
    pem = systems.candidate.certificate.pem
    systems.will_fail("openair.read", UnreadableCertificate(text=pem[:255]))
    with pytest.raises(CutOff, match="only the first 255 characters"):
        save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)
    assert ([*SAVED, "unknown"], [(Write.SAVE, "CUT_OFF")]) == (systems.calls, systems.attempt.unknown)


def test_a_text_that_is_no_certificate_is_replaced(systems: StepSystems) -> None:
    """In doubt the step looks first; a text that cannot be read is replaced, also one that an earlier save cut."""
    rotation = systems.rotation(AT, doubt_since=NOW)
    cut = UnreadableCertificate(text=systems.candidate.certificate.pem[:255])
    systems.will_fail("openair.read", cut, UnreadableCertificate(text="text"))
    assert save_to_openair(rotation, systems.ports, systems.attempt)
    assert [systems.candidate.fingerprint] == systems.saved


def test_an_openair_that_stays_empty_is_not_believed(systems: StepSystems) -> None:
    """If OpenAir holds no certificate after a save, the outcome is unknown."""
    systems.will_answer("openair.save", "ok")
    systems.openair.held = None
    with pytest.raises(NotSavedYet):
        save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)


def test_a_lost_answer_is_settled_by_reading_back(systems: StepSystems) -> None:
    """After a lost answer the loss is stored; then one read finds the save, which is not sent again."""
    systems.will_fail("openair.save", Unknown(), applied=True)
    assert save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)
    assert LOST == systems.calls
    assert [(Write.SAVE, "UNKNOWN_OUTCOME")] == systems.attempt.unknown
    assert ["OpenAir holds the candidate."] == systems.attempt.looks
    assert [systems.candidate.fingerprint] == systems.saved


def test_a_save_that_lands_late_is_found_by_the_second_look(systems: StepSystems) -> None:
    """A save that takes effect between the two reads is found by the second."""
    systems.will_fail("openair.save", Unknown(), late=READ_BACK_DELAY / 2)
    assert save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)
    assert [*LOST, "openair.read"] == systems.calls
    assert ["OpenAir holds another certificate.", "OpenAir holds the candidate."] == systems.attempt.looks


def test_a_save_that_never_arrived_stays_unknown(systems: StepSystems) -> None:
    """If two reads do not find the save, the outcome is unknown, with the first error's message."""
    systems.will_fail("openair.save", Unknown("The connection was reset."))
    with pytest.raises(Unknown, match=r"The connection was reset\."):
        save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)
    assert [*LOST, "openair.read"] == systems.calls


@pytest.mark.parametrize("error", [Throttled(), TryLater(), SignInRefused()], ids=lambda error: error.code)
def test_a_lost_answer_is_not_forgotten_when_reading_back_fails(systems: StepSystems, error: KeyturnError) -> None:
    """If OpenAir cannot be read after a lost answer, the outcome is unknown, with the first error's message."""
    systems.will_fail("openair.save", Unknown("The connection was reset."), applied=True)
    systems.will_fail("openair.read", error)
    with pytest.raises(Unknown, match=r"The connection was reset\."):
        save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)


@pytest.mark.parametrize("error", [Throttled(), SignInRefused()], ids=lambda error: error.code)
def test_an_answered_save_that_cannot_be_seen_is_unknown(systems: StepSystems, error: KeyturnError) -> None:
    """If OpenAir cannot be read after a confirmed save, the rotation is left in doubt."""
    systems.will_fail("openair.read", error)
    with pytest.raises(NotSavedYet, match="cannot be read now"):
        save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)
    assert [(Write.SAVE, "NOT_SAVED_YET")] == systems.attempt.unknown


# --- the rotation was lost --------------------------------------------------------------------------------------------


def test_the_hold_is_checked_right_before_the_save(systems: StepSystems) -> None:
    """The claim is checked after the last other request, right before the save."""
    save_to_openair(stale(systems), systems.ports, systems.attempt)
    assert ["netsuite.sign"] == systems.attempt.checks


def test_a_worker_that_lost_the_rotation_does_not_save(systems: StepSystems) -> None:
    """If another worker holds the rotation, nothing is sent to OpenAir."""
    systems.attempt.is_lost = True
    with pytest.raises(Stale):
        save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)
    assert [] == systems.calls


def test_an_answer_whose_loss_cannot_be_stored_ends_the_step(systems: StepSystems) -> None:
    """If a lost answer cannot be stored, the step ends at once: it neither reads nor sends again."""
    systems.will_fail("openair.save", Unknown(), applied=True)
    systems.attempt.can_store = False
    with pytest.raises(Stale):
        save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)
    assert ["openair.save"] == systems.calls


# --- after doubt ------------------------------------------------------------------------------------------------------


def test_after_doubt_openair_is_read_first(systems: StepSystems) -> None:
    """In doubt the step reads OpenAir first; if the certificate is there, nothing else is sent."""
    rotation = systems.rotation(AT, doubt_since=NOW)
    systems.openair.held = systems.candidate.certificate
    assert save_to_openair(rotation, systems.ports, systems.attempt)
    assert ["openair.read"] == systems.calls


def test_after_doubt_there_are_two_looks_before_sending(systems: StepSystems) -> None:
    """In doubt the step reads twice before it sends again, because the first save may still take effect."""
    assert save_to_openair(systems.rotation(AT, doubt_since=NOW), systems.ports, systems.attempt)
    assert ["openair.read", "openair.read", *SAVED] == systems.calls
    assert [READ_BACK_DELAY] == systems.clock.slept


def test_after_doubt_a_late_landing_is_not_repeated(systems: StepSystems) -> None:
    """A save that takes effect between the two reads is not sent again."""
    rotation = systems.rotation(AT, doubt_since=NOW)
    systems.clock.later(1, partial(setattr, systems.openair, "held", systems.candidate.certificate))
    assert save_to_openair(rotation, systems.ports, systems.attempt)
    assert ["openair.read", "openair.read"] == systems.calls


# --- a person, a refusal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [AwaitingPerson(), Refused(), TryLater(), SignInRefused()], ids=lambda each: each.code
)
def test_errors_of_openair_are_raised_unchanged(systems: StepSystems, error: KeyturnError) -> None:
    """A wait for a person, a refusal or a busy system is raised unchanged, and nothing is read back."""
    systems.will_fail("openair.save", error)
    with pytest.raises(type(error)) as caught:
        save_to_openair(systems.rotation(AT), systems.ports, systems.attempt)
    assert error is caught.value
    assert ["openair.save"] == systems.calls
