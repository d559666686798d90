"""save_to_openair: saved, read back and compared; what is lost is looked for before anything is sent again."""

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
"""The calls of a step whose answer is lost, which is stored before OpenAir is looked at."""


# --- it goes well -----------------------------------------------------------------------------------------------------


def test_the_confirmed_certificate_is_saved_and_read_back(world: World) -> None:
    """Saved, seen there, and noted with the time at which it was seen."""
    done = save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert Receipt(world.candidate.fingerprint, NOW + timedelta(seconds=2 * REMOTE_CALL)) == done
    assert SAVED == world.calls
    assert [world.candidate.fingerprint] == world.saved


def test_the_skew_ends_when_openair_was_read_back(world: World) -> None:
    """Until somebody has seen the certificate there, imports may be refused."""
    rotation = world.rotation(AT)
    moved = world.moved(rotation, save_to_openair(rotation, world.ports, world.attempt))
    assert timedelta(seconds=2 * REMOTE_CALL) == moved.skew(NOW + timedelta(days=1))


# --- reading back -----------------------------------------------------------------------------------------------------


def test_a_save_that_shows_late_is_found_by_the_second_look(world: World) -> None:
    """OpenAir may show the former certificate for a moment."""
    world.openair.shows_after = READ_BACK_DELAY / 2
    assert save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [*SAVED, "openair.read"] == world.calls
    assert [READ_BACK_DELAY] == world.clock.slept


def test_a_save_that_does_not_show_is_not_believed(world: World) -> None:
    """OpenAir said yes, but two looks show another certificate: it may still come, so its outcome is unknown."""
    world.openair.shows_after = 3600
    with pytest.raises(NotSavedYet):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [*SAVED, "openair.read", "unknown"] == world.calls
    assert [(Write.SAVE, "NOT_SAVED_YET")] == world.attempt.unknown


def test_an_openair_that_stays_empty_is_not_believed(world: World) -> None:
    """No certificate is not the candidate either."""
    world.will_answer("openair.save", "ok")
    world.openair.held = None
    with pytest.raises(NotSavedYet):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)


def test_a_lost_answer_is_settled_by_reading_back(world: World) -> None:
    """The save was applied: it is found, and not sent again. That its answer was lost is stored before the look."""
    world.will_fail("openair.save", Unknown(), applied=True)
    assert save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert LOST == world.calls
    assert [(Write.SAVE, "UNKNOWN_OUTCOME")] == world.attempt.unknown
    assert ["OpenAir holds the candidate."] == world.attempt.looks
    assert [world.candidate.fingerprint] == world.saved


def test_a_save_that_lands_late_is_found_by_the_second_look(world: World) -> None:
    """Between the two looks."""
    world.will_fail("openair.save", Unknown(), late=READ_BACK_DELAY / 2)
    assert save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [*LOST, "openair.read"] == world.calls
    assert ["OpenAir holds another certificate.", "OpenAir holds the candidate."] == world.attempt.looks


def test_a_save_that_never_arrived_stays_unknown(world: World) -> None:
    """Two looks do not find it: the outcome is unknown, with the first error's words."""
    world.will_fail("openair.save", Unknown("The connection was reset."))
    with pytest.raises(Unknown, match=r"The connection was reset\."):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [*LOST, "openair.read"] == world.calls


@pytest.mark.parametrize("error", [Throttled(), TryLater(), SignInRefused()], ids=lambda error: error.code)
def test_a_lost_answer_is_not_forgotten_when_reading_back_fails(world: World, error: KeyturnError) -> None:
    """The save was sent, and OpenAir cannot be read now: that is unknown, in the words of the answer that was lost."""
    world.will_fail("openair.save", Unknown("The connection was reset."), applied=True)
    world.will_fail("openair.read", error)
    with pytest.raises(Unknown, match=r"The connection was reset\."):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)


@pytest.mark.parametrize("error", [Throttled(), SignInRefused()], ids=lambda error: error.code)
def test_an_answered_save_that_cannot_be_seen_is_unknown(world: World, error: KeyturnError) -> None:
    """OpenAir said yes and cannot be read: nobody knows whether it is in place already, so a doubt is left behind."""
    world.will_fail("openair.read", error)
    with pytest.raises(NotSavedYet, match="cannot be read now"):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [(Write.SAVE, "NOT_SAVED_YET")] == world.attempt.unknown


# --- the rotation was lost --------------------------------------------------------------------------------------------


def test_the_hold_is_checked_right_before_the_save(world: World) -> None:
    """Nothing is sent between the check and the save."""
    save_to_openair(stale(world), world.ports, world.attempt)
    assert ["netsuite.sign"] == world.attempt.checks


def test_who_lost_the_rotation_does_not_save(world: World) -> None:
    """Another worker has it: OpenAir hears nothing more from this one."""
    world.attempt.is_lost = True
    with pytest.raises(Stale):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert [] == world.calls


def test_an_answer_whose_loss_cannot_be_stored_ends_the_step(world: World) -> None:
    """The rotation is let go as it is: not even a look follows, and nothing is sent again."""
    world.will_fail("openair.save", Unknown(), applied=True)
    world.attempt.can_store = False
    with pytest.raises(Stale):
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert ["openair.save"] == world.calls


# --- after doubt ------------------------------------------------------------------------------------------------------


def test_after_doubt_openair_is_read_first(world: World) -> None:
    """A save whose answer nobody saw was applied: nothing is sent again, and NetSuite is not asked."""
    rotation = world.rotation(AT, doubt_since=NOW)
    world.openair.held = world.candidate.certificate
    assert save_to_openair(rotation, world.ports, world.attempt)
    assert ["openair.read"] == world.calls


def test_after_doubt_there_are_two_looks_before_sending(world: World) -> None:
    """What was sent may still land; only then is it sent again, which OpenAir does not mind."""
    assert save_to_openair(world.rotation(AT, doubt_since=NOW), world.ports, world.attempt)
    assert ["openair.read", "openair.read", *SAVED] == world.calls
    assert [READ_BACK_DELAY] == world.clock.slept


def test_after_doubt_a_late_landing_is_not_repeated(world: World) -> None:
    """It lands between the two looks."""
    rotation = world.rotation(AT, doubt_since=NOW)
    world.clock.later(1, partial(setattr, world.openair, "held", world.candidate.certificate))
    assert save_to_openair(rotation, world.ports, world.attempt)
    assert ["openair.read", "openair.read"] == world.calls


# --- a person, a refusal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [AwaitingPerson(), Refused(), TryLater(), SignInRefused()], ids=lambda each: each.code
)
def test_what_openair_says_is_told_as_it_is(world: World, error: KeyturnError) -> None:
    """Waiting for a person, a refusal, a busy system: each passes through, and nothing is read back."""
    world.will_fail("openair.save", error)
    with pytest.raises(type(error)) as caught:
        save_to_openair(world.rotation(AT), world.ports, world.attempt)
    assert error is caught.value
    assert ["openair.save"] == world.calls
