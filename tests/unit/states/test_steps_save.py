"""save_to_openair saves, reads back and compares; after a lost answer it reads before it sends again."""

from datetime import timedelta
from functools import partial

import pytest
from support.fake_systems import REMOTE_CALL
from support.pairs import NOW
from unit.states.fake_world import World
from unit.states.save_calls import AT, SAVED, stale

from states.errors import (
    AwaitingPerson,
    KeyturnError,
    NotSavedYet,
    Refused,
    SignInRefused,
    Stale,
    Throttled,
    TryLater,
    Unknown,
)
from states.ports import Write
from states.rotation import Receipt
from states.steps import save_to_openair
from states.timing import READ_BACK_DELAY

LOST = ["openair.save", "unknown", "openair.read"]
"""The calls of a step with a lost answer: the loss is stored before OpenAir is read."""


# --- success ----------------------------------------------------------------------------------------------------------


def test_the_confirmed_certificate_is_saved_and_read_back(world: World) -> None:
    """The receipt has the certificate and the time at which it was read back."""
    done = save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert Receipt(world.candidate.fingerprint, NOW + timedelta(seconds=2 * REMOTE_CALL)) == done
    assert SAVED == world.calls
    assert [world.candidate.fingerprint] == world.saved


def test_the_skew_ends_when_openair_was_read_back(world: World) -> None:
    """The skew ends when the certificate is read back, because imports may be refused until then."""
    rotation = world.rotation(AT)
    moved = world.moved(rotation, save_to_openair(rotation, world.ports, world.attempt))
    assert timedelta(seconds=2 * REMOTE_CALL) == moved.skew(NOW + timedelta(days=1))


# --- reading back -----------------------------------------------------------------------------------------------------


def test_a_save_that_shows_late_is_found_by_the_second_look(world: World) -> None:
    """If OpenAir shows the previous certificate for a moment, the second read finds the new one."""
    world.openair.shows_after = READ_BACK_DELAY / 2
    assert save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [*SAVED, "openair.read"] == world.calls
    assert [READ_BACK_DELAY] == world.clock.slept


def test_a_save_that_does_not_show_is_not_believed(world: World) -> None:
    """If two reads after a save show another certificate, the outcome is unknown, because the save may show later."""
    world.openair.shows_after = 3600
    with pytest.raises(NotSavedYet):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [*SAVED, "openair.read", "unknown"] == world.calls
    assert [(Write.SAVE, "NOT_SAVED_YET")] == world.attempt.unknown


def test_an_openair_that_stays_empty_is_not_believed(world: World) -> None:
    """If OpenAir holds no certificate after a save, the outcome is unknown."""
    world.will_answer("openair.save", "ok")
    world.openair.held = None
    with pytest.raises(NotSavedYet):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)


def test_a_lost_answer_is_settled_by_reading_back(world: World) -> None:
    """After a lost answer the loss is stored; then one read finds the save, which is not sent again."""
    world.will_fail("openair.save", Unknown(), applied=True)
    assert save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert LOST == world.calls
    assert [(Write.SAVE, "UNKNOWN_OUTCOME")] == world.attempt.unknown
    assert ["OpenAir holds the candidate."] == world.attempt.looks
    assert [world.candidate.fingerprint] == world.saved


def test_a_save_that_lands_late_is_found_by_the_second_look(world: World) -> None:
    """A save that takes effect between the two reads is found by the second."""
    world.will_fail("openair.save", Unknown(), late=READ_BACK_DELAY / 2)
    assert save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [*LOST, "openair.read"] == world.calls
    assert ["OpenAir holds another certificate.", "OpenAir holds the candidate."] == world.attempt.looks


def test_a_save_that_never_arrived_stays_unknown(world: World) -> None:
    """If two reads do not find the save, the outcome is unknown, with the first error's message."""
    world.will_fail("openair.save", Unknown("The connection was reset."))
    with pytest.raises(Unknown, match=r"The connection was reset\."):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [*LOST, "openair.read"] == world.calls


@pytest.mark.parametrize("error", [Throttled(), TryLater(), SignInRefused()], ids=lambda error: error.code)
def test_a_lost_answer_is_not_forgotten_when_reading_back_fails(world: World, error: KeyturnError) -> None:
    """If OpenAir cannot be read after a lost answer, the outcome is unknown, with the first error's message."""
    world.will_fail("openair.save", Unknown("The connection was reset."), applied=True)
    world.will_fail("openair.read", error)
    with pytest.raises(Unknown, match=r"The connection was reset\."):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)


@pytest.mark.parametrize("error", [Throttled(), SignInRefused()], ids=lambda error: error.code)
def test_an_answered_save_that_cannot_be_seen_is_unknown(world: World, error: KeyturnError) -> None:
    """If OpenAir cannot be read after a confirmed save, the rotation is left in doubt."""
    world.will_fail("openair.read", error)
    with pytest.raises(NotSavedYet, match="cannot be read now"):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [(Write.SAVE, "NOT_SAVED_YET")] == world.attempt.unknown


# --- the rotation was lost --------------------------------------------------------------------------------------------


def test_the_hold_is_checked_right_before_the_save(world: World) -> None:
    """The claim is checked after the last other request, right before the save."""
    save_to_openair(stale(world), world.ports, world.attempt)
    assert ["netsuite.sign"] == world.attempt.checks


def test_a_worker_that_lost_the_rotation_does_not_save(world: World) -> None:
    """If another worker holds the rotation, nothing is sent to OpenAir."""
    world.attempt.is_lost = True
    with pytest.raises(Stale):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [] == world.calls


def test_an_answer_whose_loss_cannot_be_stored_ends_the_step(world: World) -> None:
    """If a lost answer cannot be stored, the step ends at once: it neither reads nor sends again."""
    world.will_fail("openair.save", Unknown(), applied=True)
    world.attempt.can_store = False
    with pytest.raises(Stale):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert ["openair.save"] == world.calls


# --- after doubt ------------------------------------------------------------------------------------------------------


def test_after_doubt_openair_is_read_first(world: World) -> None:
    """In doubt the step reads OpenAir first; if the certificate is there, nothing else is sent."""
    rotation = world.rotation(AT, doubt_since=NOW)
    world.openair.held = world.candidate.certificate
    assert save_to_openair(rotation, world.ports, world.attempt)
    assert ["openair.read"] == world.calls


def test_after_doubt_there_are_two_looks_before_sending(world: World) -> None:
    """In doubt the step reads twice before it sends again, because the first save may still take effect."""
    assert save_to_openair(world.rotation(AT, doubt_since=NOW), world.ports, world.attempt)
    assert ["openair.read", "openair.read", *SAVED] == world.calls
    assert [READ_BACK_DELAY] == world.clock.slept


def test_after_doubt_a_late_landing_is_not_repeated(world: World) -> None:
    """A save that takes effect between the two reads is not sent again."""
    rotation = world.rotation(AT, doubt_since=NOW)
    world.clock.later(1, partial(setattr, world.openair, "held", world.candidate.certificate))
    assert save_to_openair(rotation, world.ports, world.attempt)
    assert ["openair.read", "openair.read"] == world.calls


# --- a person, a refusal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [AwaitingPerson(), Refused(), TryLater(), SignInRefused()], ids=lambda each: each.code
)
def test_errors_of_openair_are_raised_unchanged(world: World, error: KeyturnError) -> None:
    """A wait for a person, a refusal or a busy system is raised unchanged, and nothing is read back."""
    world.will_fail("openair.save", error)
    with pytest.raises(type(error)) as caught:
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert error is caught.value
    assert ["openair.save"] == world.calls
