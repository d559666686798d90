"""upload_to_netsuite: an install whose answer was lost is looked for, and never sent again before it was."""

from datetime import timedelta
from functools import partial

import pytest
from support.fake_systems import REMOTE_CALL
from support.pairs import NOW, a_pair
from unit.states.fake_world import World
from unit.states.upload_calls import AT, INSTALLED

from states.errors import CannotSign, ForeignRotation, KeyturnError, SignInRefused, Stale, Throttled, TryLater, Unknown
from states.ports import Write
from states.steps import upload_to_netsuite
from states.timing import HOLD_OFF, INSTALL_WITHIN, READ_BACK_DELAY

LOST = [*INSTALLED, "unknown"]
"""The install's answer was lost, and that was stored."""


# --- in the same try --------------------------------------------------------------------------------------------------


def test_a_lost_answer_is_settled_by_reading_back(world: World) -> None:
    """The install was applied: one look finds it, and it is not sent again. The loss is stored before the look."""
    world.will_fail("netsuite.install", Unknown(), applied=True)
    done = upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert done
    assert [*LOST, "netsuite.sign"] == world.calls
    assert [(Write.INSTALL, "UNKNOWN_OUTCOME")] == world.attempt.unknown
    assert [
        "NetSuite signed with the certificate before.",
        "NetSuite signed with the candidate.",
    ] == world.attempt.looks
    assert [world.candidate.fingerprint] == world.installed


def test_the_skew_of_a_lost_answer_begins_with_the_install(world: World) -> None:
    """Not when the candidate was found."""
    world.will_fail("netsuite.install", Unknown(), applied=True)
    rotation = world.rotation(AT)
    moved = world.moved(rotation, upload_to_netsuite(rotation, world.ports, world.attempt))
    assert NOW + timedelta(seconds=2 * REMOTE_CALL) == moved.skew_from


def test_an_install_that_never_arrived_stays_unknown(world: World) -> None:
    """Two looks with a delay between them find the previous certificate still: the outcome stays unknown."""
    world.will_fail("netsuite.install", Unknown())
    with pytest.raises(Unknown, match="does not sign with it so far") as caught:
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert isinstance(caught.value.__cause__, Unknown)
    assert [*LOST, "netsuite.sign", "netsuite.sign"] == world.calls
    assert [READ_BACK_DELAY] == world.clock.slept


def test_an_install_that_lands_late_is_found_by_the_second_look(world: World) -> None:
    """That is why there are two, with a delay."""
    world.will_fail("netsuite.install", Unknown(), late=READ_BACK_DELAY / 2)
    done = upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert done
    assert [*LOST, "netsuite.sign", "netsuite.sign"] == world.calls
    assert [world.candidate.fingerprint] == world.installed


def test_a_reply_that_proves_nothing_is_as_good_as_lost(world: World) -> None:
    """A signature that is not by the candidate confirms nothing: NetSuite is asked again."""
    world.will_answer("netsuite.install", "garbage", applied=True)
    assert upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert [*LOST, "netsuite.sign"] == world.calls
    assert [(Write.INSTALL, "NOT_CONFIRMED")] == world.attempt.unknown


def test_a_swap_that_is_not_at_once_is_waited_for(world: World) -> None:
    """NetSuite took the certificate but still signs with the previous key: that is unknown, not confirmed."""
    world.will_answer("netsuite.install", world.previous.sign(b"whatever"))
    with pytest.raises(Unknown):
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)


def test_a_foreign_certificate_is_noticed_after_a_lost_answer(world: World) -> None:
    """Reading back finds a stranger's key: the outcome is unknown, for that reason, and nothing is sent over it."""
    world.will_fail("netsuite.install", Unknown(), applied=True)
    world.will_go_well("netsuite.sign")
    world.will_go_well("netsuite.sign", after=partial(world.netsuite.hold, a_pair()))
    with pytest.raises(Unknown) as caught:
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert [world.candidate.fingerprint] == world.installed
    assert isinstance(caught.value.__cause__, ForeignRotation)


@pytest.mark.parametrize("error", [Throttled(), TryLater(), SignInRefused(), CannotSign()], ids=lambda each: each.code)
def test_a_lost_answer_is_not_forgotten_when_reading_back_fails(world: World, error: KeyturnError) -> None:
    """The install was sent, and NetSuite cannot be asked now: the outcome is unknown, whatever the looks met with.

    Were it told as "nothing was changed", the next try would send again after one look, and date the skew too late.
    """
    world.will_fail("netsuite.install", Unknown(), applied=True)
    world.will_go_well("netsuite.sign")
    world.will_fail("netsuite.sign", error)
    world.will_fail("netsuite.sign", error)
    with pytest.raises(Unknown) as caught:
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert error is caught.value.__cause__


def test_an_answer_whose_loss_cannot_be_stored_ends_the_step(world: World) -> None:
    """The rotation is let go as it is: not even a look follows, and nothing is sent again."""
    world.attempt.can_store = False
    world.will_fail("netsuite.install", Unknown(), applied=True)
    with pytest.raises(Stale):
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert INSTALLED == world.calls


# --- in a later try ---------------------------------------------------------------------------------------------------


def test_after_doubt_there_are_two_looks_before_sending(world: World) -> None:
    """An earlier install whose answer nobody saw may still land: it is given the time to."""
    rotation = world.rotation(AT, doubt_since=NOW - timedelta(minutes=1))
    upload_to_netsuite(rotation, world.ports, world.attempt)
    assert ["netsuite.sign", *INSTALLED] == world.calls
    assert [READ_BACK_DELAY] == world.clock.slept


def test_after_doubt_a_late_landing_is_not_repeated(world: World) -> None:
    """It lands between the two looks, and nothing is sent."""
    rotation = world.rotation(AT, doubt_since=NOW - timedelta(minutes=1))
    world.clock.later(READ_BACK_DELAY / 2, partial(world.netsuite.hold, world.candidate))
    upload_to_netsuite(rotation, world.ports, world.attempt)
    assert ["netsuite.sign", "netsuite.sign"] == world.calls


def test_after_doubt_the_skew_begins_with_the_doubt(world: World) -> None:
    """The candidate that is found may have come from the write in doubt."""
    rotation = world.rotation(AT, doubt_since=NOW - timedelta(minutes=1))
    world.netsuite.hold(world.candidate)
    moved = world.moved(rotation, upload_to_netsuite(rotation, world.ports, world.attempt))
    assert NOW - timedelta(minutes=1) == moved.skew_from


def test_the_hold_off_outlasts_every_install() -> None:
    """By a NetSuite clock that is a minute slow, an install lands a minute after its deadline by ours, no later."""
    assert HOLD_OFF >= INSTALL_WITHIN + timedelta(minutes=1)
