"""save_to_openair: only what NetSuite confirmed, read back and compared."""

import re
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from unit.states.rotations import NOW, a_confirmation, a_pair
from unit.states.world import REMOTE_CALL, World

from states.errors import (
    AwaitingPerson,
    CertificateRecordMissing,
    ForeignRotation,
    IllegalMove,
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
from states.rotation import Receipt, Rotation
from states.state import State
from states.steps import READ_BACK_DELAY, save_to_openair

AT = State.UPLOADED_TO_NETSUITE
FIVE_SECONDS = timedelta(seconds=5)
SAVED = ["openair.save", "openair.read"]
"""The calls of a step that goes well at once."""
LOST = ["openair.save", "unknown", "openair.read"]
"""The same with a lost answer, which is stored before OpenAir is looked at."""


# --- it goes well -----------------------------------------------------------------------------------------------------


def test_the_confirmed_certificate_is_saved_and_read_back(world: World) -> None:
    """Saved, seen there, and noted with the time at which it was seen."""
    done = save_to_openair(world.rotation(AT), world.ports)
    assert Receipt(world.candidate.fingerprint, NOW + timedelta(seconds=2 * REMOTE_CALL)) == done.saved
    assert SAVED == world.calls
    assert [world.candidate.fingerprint] == world.saved


def test_the_step_brings_the_receipt_alone(world: World) -> None:
    """State, confirmation and skew stay as they were."""
    rotation = world.rotation(AT)
    done = save_to_openair(rotation, world.ports)
    assert replace(rotation, saved=done.saved) == done


def test_the_skew_ends_when_openair_was_read_back(world: World) -> None:
    """Until somebody has seen the certificate there, imports may be refused."""
    done = save_to_openair(world.rotation(AT), world.ports)
    assert timedelta(seconds=2 * REMOTE_CALL) == done.skew(NOW + timedelta(days=1))


# --- the confirmation -------------------------------------------------------------------------------------------------


def test_nothing_is_saved_without_a_confirmation(world: World) -> None:
    """Rule 1, even for a rotation that claims to be that far: OpenAir hears nothing."""
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(world.rotation(AT, confirmation=None), world.ports)
    assert [] == world.calls


def test_nothing_is_saved_with_the_confirmation_of_another_rotation(world: World) -> None:
    """The confirmation names the rotation that asked for it."""
    other = a_confirmation(world.candidate, rotation_id="01ANOTHERROTATION000000001")
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(world.rotation(AT, confirmation=other), world.ports)
    assert [] == world.calls


def test_nothing_is_saved_with_the_confirmation_of_another_certificate(world: World) -> None:
    """NetSuite proved some certificate, but not this rotation's candidate."""
    other = a_confirmation(a_pair())
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(world.rotation(AT, confirmation=other), world.ports)
    assert [] == world.calls


@pytest.mark.parametrize(
    ("age", "asked_again"),
    [(timedelta(0), False), (FIVE_SECONDS, False), (FIVE_SECONDS + timedelta(microseconds=1), True)],
)
def test_an_old_confirmation_is_proved_again(world: World, age: timedelta, asked_again: bool) -> None:  # noqa: FBT001
    """Up to five seconds old it is used; older, NetSuite must sign once more before OpenAir is written."""
    rotation = world.rotation(AT, confirmation=a_confirmation(world.candidate, asked_at=NOW - age))
    save_to_openair(rotation, world.ports)
    assert (["netsuite.sign"] if asked_again else []) + SAVED == world.calls


def stale(world: World, **changes: Any) -> Rotation:
    """A rotation whose confirmation is old."""
    confirmation = a_confirmation(world.candidate, asked_at=NOW - timedelta(hours=1))
    return world.rotation(AT, confirmation=confirmation, **changes)


def test_a_foreign_change_in_between_keeps_openair_unwritten(world: World) -> None:
    """NetSuite no longer signs with the candidate: the certificate would fit nobody's key."""
    rotation = stale(world)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        save_to_openair(rotation, world.ports)
    assert ([], []) == (world.installed, world.saved)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CertificateRecordMissing(), CertificateRecordMissing),
        (Throttled(), Throttled),
        (SignInRefused(), SignInRefused),
    ],
)
def test_openair_is_not_written_where_netsuite_does_not_prove(
    world: World, error: KeyturnError, expected: type[KeyturnError]
) -> None:
    """Whatever keeps NetSuite from signing keeps OpenAir unwritten."""
    world.will_fail("netsuite.sign", error)
    with pytest.raises(expected):
        save_to_openair(stale(world), world.ports)
    assert ["netsuite.sign"] == world.calls


def test_a_foreign_certificate_is_replaced_where_a_person_allowed_it(world: World) -> None:
    """`--overwrite`: the candidate goes back into NetSuite, is proved there, and only then saved."""
    rotation = stale(world, may_overwrite=True)
    world.netsuite.hold(a_pair())
    save_to_openair(rotation, world.ports)
    assert ["netsuite.sign", "openair.read", "netsuite.install", *SAVED] == world.calls
    assert [world.candidate.fingerprint] == world.saved


def test_a_deleted_record_is_made_again_where_a_person_allowed_it(world: World) -> None:
    """`--create-record`, now that the record was deleted after the upload."""
    rotation = stale(world, may_create_record=True)
    world.netsuite.hold(None)
    save_to_openair(rotation, world.ports)
    assert ["netsuite.sign", "openair.read", "netsuite.install", *SAVED] == world.calls


@pytest.mark.parametrize("initial", [False, True])
def test_permission_to_create_is_no_permission_to_overwrite(world: World, initial: bool) -> None:  # noqa: FBT001
    """The record is there and holds a stranger's key: `--create-record` does not allow replacing it."""
    changes = {"previous": None} if initial else {}
    rotation = stale(world, may_create_record=True, **changes)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        save_to_openair(rotation, world.ports)
    assert ([], []) == (world.installed, world.saved)


def test_permission_to_create_does_not_undo_a_way_back(world: World) -> None:
    """Somebody put the previous certificate back after the upload: that is a foreign change like any other."""
    rotation = stale(world, may_create_record=True)
    world.netsuite.hold(world.previous)
    with pytest.raises(ForeignRotation):
        save_to_openair(rotation, world.ports)
    assert ([], []) == (world.installed, world.saved)


def test_a_way_back_is_not_called_a_strangers_key(world: World) -> None:
    """NetSuite signs with the previous key again: it may only show the upload late, so a second look is advised."""
    rotation = stale(world)
    world.netsuite.hold(world.previous)
    with pytest.raises(ForeignRotation, match="signs with the previous certificate again") as caught:
        save_to_openair(rotation, world.ports)
    commands = re.findall(r"`keyturn ([^`]*)`", caught.value.next_action)
    assert ["rotation resume ID", "rotation adopt ID", "rotation resume ID --overwrite"] == commands


@pytest.mark.parametrize("can_sign", [False, True])
def test_a_repaired_record_is_carried_on_with(world: World, can_sign: bool) -> None:  # noqa: FBT001
    """The record was deleted after the upload and made again by the vendor's repair, so it holds the placeholder.

    The rotation is resumed as the repair says: the candidate goes in again, is proved, and only then saved.
    """
    rotation = stale(world)
    world.netsuite.hold_placeholder(can_sign=can_sign)
    assert save_to_openair(rotation, world.ports).saved
    assert [world.candidate.fingerprint] == world.installed
    assert world.calls.index("netsuite.install") < world.calls.index("openair.save")


# --- reading back -----------------------------------------------------------------------------------------------------


def test_a_save_that_shows_late_is_found_by_the_second_look(world: World) -> None:
    """OpenAir may show the former certificate for a moment."""
    world.openair.shows_after = READ_BACK_DELAY / 2
    assert save_to_openair(world.rotation(AT), world.ports).saved
    assert [*SAVED, "openair.read"] == world.calls
    assert [READ_BACK_DELAY] == world.clock.slept


def test_a_save_that_does_not_show_is_not_believed(world: World) -> None:
    """OpenAir said yes, but two looks show another certificate: it may still come, so its outcome is unknown."""
    world.openair.shows_after = 3600
    with pytest.raises(NotSavedYet):
        save_to_openair(world.rotation(AT), world.ports)
    assert [*SAVED, "openair.read", "unknown"] == world.calls
    assert [(Write.SAVE, "NOT_SAVED_YET")] == world.turn.unknown


def test_an_openair_that_stays_empty_is_not_believed(world: World) -> None:
    """No certificate is not the candidate either."""
    world.will_answer("openair.save", "ok")
    world.openair.held = None
    with pytest.raises(NotSavedYet):
        save_to_openair(world.rotation(AT), world.ports)


def test_a_lost_answer_is_settled_by_reading_back(world: World) -> None:
    """The save was applied: it is found, and not sent again. That its answer was lost is stored before the look."""
    world.will_fail("openair.save", Unknown(), applied=True)
    assert save_to_openair(world.rotation(AT), world.ports).saved
    assert LOST == world.calls
    assert [(Write.SAVE, "UNKNOWN_OUTCOME")] == world.turn.unknown
    assert ["OpenAir holds the candidate."] == world.turn.looks
    assert [world.candidate.fingerprint] == world.saved


def test_a_save_that_lands_late_is_found_by_the_second_look(world: World) -> None:
    """Between the two looks."""
    world.will_fail("openair.save", Unknown(), late=READ_BACK_DELAY / 2)
    assert save_to_openair(world.rotation(AT), world.ports).saved
    assert [*LOST, "openair.read"] == world.calls
    assert ["OpenAir holds another certificate.", "OpenAir holds the candidate."] == world.turn.looks


def test_a_save_that_never_arrived_stays_unknown(world: World) -> None:
    """Two looks do not find it: the outcome is unknown, with the first error's words."""
    world.will_fail("openair.save", Unknown("The connection was reset."))
    with pytest.raises(Unknown, match=r"The connection was reset\."):
        save_to_openair(world.rotation(AT), world.ports)
    assert [*LOST, "openair.read"] == world.calls


@pytest.mark.parametrize("error", [Throttled(), TryLater(), SignInRefused()], ids=lambda error: error.code)
def test_a_lost_answer_is_not_forgotten_when_reading_back_fails(world: World, error: KeyturnError) -> None:
    """The save was sent, and OpenAir cannot be read now: that is unknown, in the words of the answer that was lost."""
    world.will_fail("openair.save", Unknown("The connection was reset."), applied=True)
    world.will_fail("openair.read", error)
    with pytest.raises(Unknown, match=r"The connection was reset\."):
        save_to_openair(world.rotation(AT), world.ports)


@pytest.mark.parametrize("error", [Throttled(), SignInRefused()], ids=lambda error: error.code)
def test_an_answered_save_that_cannot_be_seen_is_unknown(world: World, error: KeyturnError) -> None:
    """OpenAir said yes and cannot be read: nobody knows whether it is in place already, so a doubt is left behind."""
    world.will_fail("openair.read", error)
    with pytest.raises(NotSavedYet, match="cannot be read now"):
        save_to_openair(world.rotation(AT), world.ports)
    assert [(Write.SAVE, "NOT_SAVED_YET")] == world.turn.unknown


# --- the rotation was lost --------------------------------------------------------------------------------------------


def test_the_hold_is_checked_right_before_the_save(world: World) -> None:
    """Nothing is sent between the check and the save."""
    save_to_openair(stale(world), world.ports)
    assert ["netsuite.sign"] == world.turn.checks


def test_who_lost_the_rotation_does_not_save(world: World) -> None:
    """Another worker has it: OpenAir hears nothing more from this one."""
    world.turn.is_lost = True
    with pytest.raises(Stale):
        save_to_openair(world.rotation(AT), world.ports)
    assert [] == world.calls


def test_an_answer_whose_loss_cannot_be_stored_ends_the_step(world: World) -> None:
    """The rotation is let go as it is: not even a look follows, and nothing is sent again."""
    world.will_fail("openair.save", Unknown(), applied=True)
    world.turn.can_store = False
    with pytest.raises(Stale):
        save_to_openair(world.rotation(AT), world.ports)
    assert ["openair.save"] == world.calls


# --- after doubt ------------------------------------------------------------------------------------------------------


def test_after_doubt_openair_is_read_first(world: World) -> None:
    """A save whose answer nobody saw was applied: nothing is sent again, and NetSuite is not asked."""
    rotation = world.rotation(AT, doubt_since=NOW)
    world.openair.held = world.candidate.certificate
    assert save_to_openair(rotation, world.ports).saved
    assert ["openair.read"] == world.calls


def test_after_doubt_there_are_two_looks_before_sending(world: World) -> None:
    """What was sent may still land; only then is it sent again, which OpenAir does not mind."""
    assert save_to_openair(world.rotation(AT, doubt_since=NOW), world.ports).saved
    assert ["openair.read", "openair.read", *SAVED] == world.calls
    assert [READ_BACK_DELAY] == world.clock.slept


def test_after_doubt_a_late_landing_is_not_repeated(world: World) -> None:
    """It lands between the two looks."""
    rotation = world.rotation(AT, doubt_since=NOW)
    world.clock.later(1, partial(setattr, world.openair, "held", world.candidate.certificate))
    assert save_to_openair(rotation, world.ports).saved
    assert ["openair.read", "openair.read"] == world.calls


def test_doubt_does_not_replace_the_confirmation(world: World) -> None:
    """Even where OpenAir holds the candidate, a rotation without a confirmation goes no further."""
    rotation = world.rotation(AT, doubt_since=NOW, confirmation=None)
    world.openair.held = world.candidate.certificate
    with pytest.raises(IllegalMove):
        save_to_openair(rotation, world.ports)


# --- a person, a refusal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [AwaitingPerson(), Refused(), TryLater(), SignInRefused()], ids=lambda each: each.code
)
def test_what_openair_says_is_told_as_it_is(world: World, error: KeyturnError) -> None:
    """Waiting for a person, a refusal, a busy system: each passes through, and nothing is read back."""
    world.will_fail("openair.save", error)
    with pytest.raises(type(error)) as caught:
        save_to_openair(world.rotation(AT), world.ports)
    assert error is caught.value
    assert ["openair.save"] == world.calls
