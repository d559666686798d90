"""upload_to_netsuite: ask first, install at most once, and never understate the skew."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from unit.states.rotations import NOW, a_pair
from unit.states.world import REMOTE_CALL, World

from states.errors import (
    CannotSign,
    CertificateRecordMissing,
    ForeignRotation,
    IllegalMove,
    KeyturnError,
    NotConfirmed,
    NotPermitted,
    NotValidNow,
    Refused,
    SealBroken,
    SignInRefused,
    Stale,
    Throttled,
    TryLater,
    Unknown,
)
from states.ports import NoTurn, Record, Report, Write
from states.rotation import HOLD_OFF
from states.state import State
from states.steps import INSTALL_WITHIN, READ_BACK_DELAY, upload_to_netsuite

AT = State.KEY_GENERATED
INSTALLED = ["netsuite.sign", "openair.read", "netsuite.install"]
"""The calls of a step that goes well."""
LOST = [*INSTALLED, "unknown"]
"""The install's answer was lost, and that was stored."""


# --- it goes well -----------------------------------------------------------------------------------------------------


def test_the_expected_certificate_is_replaced(world: World) -> None:
    """NetSuite signs with the previous certificate, OpenAir can be read, so the candidate is installed and proved."""
    done = upload_to_netsuite(world.rotation(AT), world.ports)
    assert done.confirmation
    assert world.candidate.fingerprint == done.confirmation.fingerprint
    assert INSTALLED == world.calls
    assert [world.candidate.fingerprint] == world.installed


def test_the_state_is_not_the_steps_to_change(world: World) -> None:
    """The step brings the confirmation and the beginning of the skew, nothing else."""
    rotation = world.rotation(AT)
    done = upload_to_netsuite(rotation, world.ports)
    assert replace(rotation, confirmation=done.confirmation, skew_from=done.skew_from) == done


def test_openair_is_read_before_the_install(world: World) -> None:
    """The second leg is ready before the first is taken; the step never writes to OpenAir."""
    upload_to_netsuite(world.rotation(AT), world.ports)
    assert world.calls.index("openair.read") < world.calls.index("netsuite.install")
    assert "openair.save" not in world.calls


@pytest.mark.parametrize("error", [SignInRefused(), NotPermitted(), TryLater()], ids=lambda error: error.code)
def test_nothing_is_installed_where_openair_cannot_be_read(world: World, error: KeyturnError) -> None:
    """An OpenAir that refuses sign-in would make the skew last until somebody mends it."""
    world.will_fail("openair.read", error)
    with pytest.raises(type(error)):
        upload_to_netsuite(world.rotation(AT), world.ports)
    assert [] == world.installed


def test_a_candidate_that_is_there_is_not_installed_again(world: World) -> None:
    """A second run asks NetSuite, which proves that the first one did it."""
    rotation = world.rotation(AT)
    world.netsuite.hold(world.candidate)
    done = upload_to_netsuite(rotation, world.ports)
    assert done.confirmation
    assert ["netsuite.sign"] == world.calls


def test_the_initial_set_up_replaces_whatever_is_there(world: World) -> None:
    """Without a previous certificate nothing is expected of the record, so nothing in it is foreign."""
    rotation = world.rotation(AT, previous=None)
    world.netsuite.hold(a_pair())
    upload_to_netsuite(rotation, world.ports)
    assert INSTALLED == world.calls


def test_the_skew_begins_when_the_install_was_asked_for(world: World) -> None:
    """From the moment before the request NetSuite may have held the new key: sign, then read, then install."""
    done = upload_to_netsuite(world.rotation(AT), world.ports)
    assert NOW + timedelta(seconds=2 * REMOTE_CALL) == done.skew_from


def test_the_skew_of_an_upload_that_was_undone_goes_on(world: World) -> None:
    """A restore that was begun and not finished: since the upload before, imports may have been refused."""
    undone = world.rotation(AT, skew_from=NOW - timedelta(hours=1), doubt_since=NOW)
    assert NOW - timedelta(hours=1) == upload_to_netsuite(undone, world.ports).skew_from


@pytest.mark.parametrize("days", [-2, 366])
def test_what_is_not_valid_now_is_not_installed(world: World, days: int) -> None:
    """A clock is or was wrong: with such a certificate, nothing is sent, and OpenAir is not even read."""
    world.clock.advance(timedelta(days=days).total_seconds())
    with pytest.raises(NotValidNow):
        upload_to_netsuite(world.rotation(AT), world.ports)
    assert (["netsuite.sign"], []) == (world.calls, world.installed)


def test_each_question_is_a_new_challenge(world: World) -> None:
    """A signature that was heard once is of no use later."""
    first = upload_to_netsuite(world.rotation(AT), world.ports).confirmation
    again = upload_to_netsuite(world.rotation(AT), world.ports).confirmation
    assert first
    assert again
    assert first.challenge != again.challenge


@pytest.mark.parametrize(("seconds_late", "landed"), [(-1, 1), (1, 0)])
def test_the_install_must_begin_soon(world: World, seconds_late: float, landed: int) -> None:
    """A request that is delayed beyond its deadline is refused by NetSuite, so it cannot undo a later one.

    The deadline counts from the beginning of the try, before the look and whatever else comes before the request.
    """
    late = INSTALL_WITHIN.total_seconds() - len(INSTALLED) * REMOTE_CALL + seconds_late
    world.will_fail("netsuite.install", Unknown(), late=late)
    with pytest.raises(Unknown):
        upload_to_netsuite(world.rotation(AT), world.ports)
    world.clock.advance(2 * INSTALL_WITHIN.total_seconds())
    assert landed == len(world.installed)


def test_the_hold_is_checked_right_before_the_install(world: World) -> None:
    """Nothing is sent between the check and the install."""
    upload_to_netsuite(world.rotation(AT), world.ports)
    assert ["openair.read"] == world.turn.checks


def test_who_lost_the_rotation_does_not_install(world: World) -> None:
    """Another worker has it: NetSuite is not written by this one."""
    world.turn.is_lost = True
    with pytest.raises(Stale):
        upload_to_netsuite(world.rotation(AT), world.ports)
    assert [] == world.installed


def test_who_holds_nothing_writes_nothing(world: World) -> None:
    """Ports that no engine gave a turn allow no write."""
    with pytest.raises(Stale):
        upload_to_netsuite(world.rotation(AT), replace(world.ports, turn=NoTurn()))
    assert [] == world.installed


def test_an_answer_whose_loss_cannot_be_stored_ends_the_step(world: World) -> None:
    """The rotation is let go as it is: not even a look follows, and nothing is sent again."""
    world.turn.can_store = False
    world.will_fail("netsuite.install", Unknown(), applied=True)
    with pytest.raises(Stale):
        upload_to_netsuite(world.rotation(AT), world.ports)
    assert INSTALLED == world.calls


# --- somebody else was there ------------------------------------------------------------------------------------------


def test_a_foreign_certificate_is_left_alone(world: World) -> None:
    """NetSuite signs with a key that is neither ours nor the expected one: nothing is written anywhere."""
    rotation = world.rotation(AT)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation) as caught:
        upload_to_netsuite(rotation, world.ports)
    assert isinstance(caught.value.__cause__, NotConfirmed)
    assert ForeignRotation().message == caught.value.message
    assert ["netsuite.sign", "netsuite.report"] == world.calls


def test_what_a_look_showed_is_noted(world: World) -> None:
    """Each answer of NetSuite's is noted in a sentence, for the journal of a rotation in doubt."""
    may_be_replaced = world.rotation(AT, doubt_since=NOW, may_overwrite=True, may_create_record=True)
    world.will_fail("netsuite.sign", CertificateRecordMissing())
    world.will_fail("netsuite.sign", CannotSign())
    upload_to_netsuite(may_be_replaced, world.ports)
    world.netsuite.hold(a_pair())
    upload_to_netsuite(may_be_replaced, world.ports)
    assert [
        "NetSuite has no certificate record.",
        "NetSuite cannot sign with what its record holds.",
        *["NetSuite signed with another key."] * 2,
    ] == world.turn.looks


def test_a_foreign_certificate_is_replaced_where_a_person_allowed_it(world: World) -> None:
    """`--overwrite` puts the candidate in its place."""
    rotation = world.rotation(AT, may_overwrite=True)
    world.netsuite.hold(a_pair())
    upload_to_netsuite(rotation, world.ports)
    assert INSTALLED == world.calls


def test_permission_to_create_is_no_permission_to_overwrite(world: World) -> None:
    """`--create-record` is about a missing record, not about a foreign one."""
    rotation = world.rotation(AT, may_create_record=True)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        upload_to_netsuite(rotation, world.ports)
    assert [] == world.installed


def test_the_placeholder_is_nobodys(world: World) -> None:
    """A bundle that was installed again brought the placeholder back: it is replaced like the previous certificate."""
    rotation = world.rotation(AT)
    world.netsuite.hold_placeholder()
    done = upload_to_netsuite(rotation, world.ports)
    assert done.confirmation
    assert ["netsuite.sign", "netsuite.report", "openair.read", "netsuite.install"] == world.calls


def test_a_record_that_cannot_sign_is_mended(world: World) -> None:
    """The placeholder may have no key at all; installing the candidate gives it one."""
    rotation = world.rotation(AT)
    world.netsuite.hold_placeholder(can_sign=False)
    assert upload_to_netsuite(rotation, world.ports).confirmation
    assert [world.candidate.fingerprint] == world.installed


def test_a_key_that_cannot_be_asked_is_not_overwritten(world: World) -> None:
    """Rule 5: a check that fails overwrites nothing. Signing failed, so nobody knows whose key it is."""
    rotation = world.rotation(AT)
    world.netsuite.hold(a_pair(), can_sign=False)
    with pytest.raises(CannotSign):
        upload_to_netsuite(rotation, world.ports)
    assert [] == world.installed


def test_a_key_that_cannot_be_asked_is_replaced_where_a_person_allowed_it(world: World) -> None:
    """`--overwrite` is the way on."""
    rotation = world.rotation(AT, may_overwrite=True)
    world.netsuite.hold(a_pair(), can_sign=False)
    assert upload_to_netsuite(rotation, world.ports).confirmation


LOOK = ["netsuite.sign", "netsuite.report"]
"""A look at a record that cannot sign: what does NetSuite tell of it?"""


def test_after_doubt_an_install_that_cannot_sign_yet_is_repeated(world: World) -> None:
    """Keyturn's own install may have got half-way: it is put in again, after two looks at whose the record is."""
    rotation = world.rotation(AT, doubt_since=NOW)
    world.netsuite.hold(world.candidate, can_sign=False)
    assert upload_to_netsuite(rotation, world.ports).confirmation
    assert [*LOOK, *LOOK, "openair.read", "netsuite.install"] == world.calls


@pytest.mark.parametrize(
    ("begins", "ends"), [(0, 1), (1, 0), (None, None)], ids=["ends later", "begins later", "tells nothing"]
)
def test_a_mute_record_that_is_not_ours_is_left_alone(world: World, begins: int | None, ends: int | None) -> None:
    """Even in doubt: its validity is not the candidate's to the second, so it may be a stranger's. A person decides."""
    rotation = world.rotation(AT, doubt_since=NOW)
    world.netsuite.hold(a_pair(), can_sign=False)
    ours = world.candidate.certificate
    shown = Record(
        name="OpenAir real-time",
        file_name="certificate.pem",
        valid_from=None if begins is None else ours.not_before + timedelta(seconds=begins),
        valid_to=None if ends is None else ours.not_after + timedelta(seconds=ends),
    )
    world.will_answer("netsuite.report", Report(record=shown, server_time=NOW, bundles={}))
    with pytest.raises(CannotSign):
        upload_to_netsuite(rotation, world.ports)
    assert [] == world.installed


def test_a_mute_record_is_ours_by_the_second(world: World) -> None:
    """Fractions of a second, which a certificate does not have, do not count."""
    rotation = world.rotation(AT, doubt_since=NOW)
    world.netsuite.hold(world.candidate, can_sign=False)
    ours, fraction = world.candidate.certificate, timedelta(milliseconds=1)
    shown = Record(
        name="a record", file_name="a.pem", valid_from=ours.not_before + fraction, valid_to=ours.not_after + fraction
    )
    for _ in range(2):
        world.will_answer("netsuite.report", Report(record=shown, server_time=NOW, bundles={}))
    assert upload_to_netsuite(rotation, world.ports).confirmation


def test_without_doubt_a_mute_record_is_not_ours(world: World) -> None:
    """Nothing was sent so far: whatever the record shows, it is not this rotation's doing."""
    rotation = world.rotation(AT)
    world.netsuite.hold(world.candidate, can_sign=False)
    with pytest.raises(CannotSign):
        upload_to_netsuite(rotation, world.ports)


def test_a_record_that_signs_as_another_is_not_ours(world: World) -> None:
    """In doubt a mute record with the candidate's validity may be ours; one that signs with another key is not."""
    rotation = world.rotation(AT, doubt_since=NOW)
    ours = world.candidate.certificate
    world.netsuite.hold(a_pair(not_before=ours.not_before, not_after=ours.not_after))
    with pytest.raises(ForeignRotation):
        upload_to_netsuite(rotation, world.ports)
    assert ["netsuite.sign", "netsuite.report"] == world.calls


def test_a_record_that_vanishes_between_two_questions_is_foreign(world: World) -> None:
    """A strange signature, then no record to explain it: somebody is at work there."""
    rotation = world.rotation(AT)
    world.netsuite.hold(a_pair())
    world.will_answer("netsuite.report", Report(record=None, server_time=NOW, bundles={}))
    with pytest.raises(ForeignRotation):
        upload_to_netsuite(rotation, world.ports)


# --- there is no record -----------------------------------------------------------------------------------------------


def test_a_missing_record_is_reported_in_the_vendors_words(world: World) -> None:
    """The exact sentence and the vendor's repair, step by step; nothing is installed."""
    rotation = world.rotation(AT)
    world.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing) as caught:
        upload_to_netsuite(rotation, world.ports)
    assert 'Certificate "custcertificate_oa_realtime" not found.' == caught.value.message
    steps = [line.split(". ", 1)[1] for line in caught.value.next_action.splitlines() if line.startswith("  ")]
    expected = [
        "In NetSuite, go to Documents > Files > File Cabinet.",
        "Open SuiteBundles > Bundle 369630 > OpenAir Certificates.",
        "Next to openair-certificate.pem, click Download.",
        "Go to Setup > Company > Certificates and click Create New.",
        "Enter the name OpenAir real-time and the ID _oa_realtime.",
        "On the Files tab, choose the openair-certificate.pem you downloaded, and click Save.",
    ]
    assert expected == steps
    assert ["netsuite.sign"] == world.calls


def test_a_missing_record_is_created_where_a_person_allowed_it(world: World) -> None:
    """`--create-record` makes it with the candidate in it."""
    rotation = world.rotation(AT, may_create_record=True)
    world.netsuite.hold(None)
    upload_to_netsuite(rotation, world.ports)
    assert INSTALLED == world.calls
    assert [world.candidate.fingerprint] == world.installed


def test_a_record_that_vanishes_is_not_created_unasked(world: World) -> None:
    """It was there when NetSuite signed, and is gone when the candidate arrives: NetSuite is not allowed to make it."""
    world.will_go_well("netsuite.install", after=partial(world.netsuite.hold, None))
    with pytest.raises(CertificateRecordMissing):
        upload_to_netsuite(world.rotation(AT), world.ports)
    assert [] == world.installed


def test_a_repaired_record_is_carried_on_with(world: World) -> None:
    """After the vendor's repair the record holds the placeholder, and the same rotation goes on."""
    rotation = world.rotation(AT)
    world.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing):
        upload_to_netsuite(rotation, world.ports)
    world.netsuite.hold_placeholder()
    assert upload_to_netsuite(rotation, world.ports).confirmation


# --- the answer was lost ----------------------------------------------------------------------------------------------


def test_a_lost_answer_is_settled_by_reading_back(world: World) -> None:
    """The install was applied: one look finds it, and it is not sent again. The loss is stored before the look."""
    world.will_fail("netsuite.install", Unknown(), applied=True)
    done = upload_to_netsuite(world.rotation(AT), world.ports)
    assert done.confirmation
    assert [*LOST, "netsuite.sign"] == world.calls
    assert [(Write.INSTALL, "UNKNOWN_OUTCOME")] == world.turn.unknown
    assert ["NetSuite signed with the certificate before.", "NetSuite signed with the candidate."] == world.turn.looks
    assert [world.candidate.fingerprint] == world.installed


def test_the_skew_of_a_lost_answer_begins_with_the_install(world: World) -> None:
    """Not when the candidate was found."""
    world.will_fail("netsuite.install", Unknown(), applied=True)
    done = upload_to_netsuite(world.rotation(AT), world.ports)
    assert NOW + timedelta(seconds=2 * REMOTE_CALL) == done.skew_from


def test_an_install_that_never_arrived_stays_unknown(world: World) -> None:
    """Two looks with a delay between them find the previous certificate still: the outcome stays unknown."""
    world.will_fail("netsuite.install", Unknown())
    with pytest.raises(Unknown, match="does not sign with it so far") as caught:
        upload_to_netsuite(world.rotation(AT), world.ports)
    assert isinstance(caught.value.__cause__, Unknown)
    assert [*LOST, "netsuite.sign", "netsuite.sign"] == world.calls
    assert [READ_BACK_DELAY] == world.clock.slept


def test_an_install_that_lands_late_is_found_by_the_second_look(world: World) -> None:
    """That is why there are two, with a delay."""
    world.will_fail("netsuite.install", Unknown(), late=READ_BACK_DELAY / 2)
    done = upload_to_netsuite(world.rotation(AT), world.ports)
    assert done.confirmation
    assert [*LOST, "netsuite.sign", "netsuite.sign"] == world.calls
    assert [world.candidate.fingerprint] == world.installed


def test_a_reply_that_proves_nothing_is_as_good_as_lost(world: World) -> None:
    """A signature that is not by the candidate confirms nothing: NetSuite is asked again."""
    world.will_answer("netsuite.install", "garbage", applied=True)
    assert upload_to_netsuite(world.rotation(AT), world.ports).confirmation
    assert [*LOST, "netsuite.sign"] == world.calls
    assert [(Write.INSTALL, "NOT_CONFIRMED")] == world.turn.unknown


def test_a_swap_that_is_not_at_once_is_waited_for(world: World) -> None:
    """NetSuite took the certificate but still signs with the previous key: that is unknown, not confirmed."""
    world.will_answer("netsuite.install", world.previous.sign(b"whatever"))
    with pytest.raises(Unknown):
        upload_to_netsuite(world.rotation(AT), world.ports)


def test_after_doubt_there_are_two_looks_before_sending(world: World) -> None:
    """An earlier install whose answer nobody saw may still land: it is given the time to."""
    rotation = world.rotation(AT, doubt_since=NOW - timedelta(minutes=1))
    upload_to_netsuite(rotation, world.ports)
    assert ["netsuite.sign", *INSTALLED] == world.calls
    assert [READ_BACK_DELAY] == world.clock.slept


def test_after_doubt_a_late_landing_is_not_repeated(world: World) -> None:
    """It lands between the two looks, and nothing is sent."""
    rotation = world.rotation(AT, doubt_since=NOW - timedelta(minutes=1))
    world.clock.later(READ_BACK_DELAY / 2, partial(world.netsuite.hold, world.candidate))
    upload_to_netsuite(rotation, world.ports)
    assert ["netsuite.sign", "netsuite.sign"] == world.calls


def test_after_doubt_the_skew_begins_with_the_doubt(world: World) -> None:
    """The candidate that is found may have come from the write in doubt."""
    rotation = world.rotation(AT, doubt_since=NOW - timedelta(minutes=1))
    world.netsuite.hold(world.candidate)
    assert NOW - timedelta(minutes=1) == upload_to_netsuite(rotation, world.ports).skew_from


def test_a_foreign_certificate_is_noticed_after_a_lost_answer(world: World) -> None:
    """Reading back finds a stranger's key: the rotation does not carry on over it."""
    world.will_fail("netsuite.install", Unknown(), applied=True)
    world.will_go_well("netsuite.sign")
    world.will_go_well("netsuite.sign", after=partial(world.netsuite.hold, a_pair()))
    with pytest.raises((ForeignRotation, Unknown)):
        upload_to_netsuite(world.rotation(AT), world.ports)
    assert [world.candidate.fingerprint] == world.installed


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
        upload_to_netsuite(world.rotation(AT), world.ports)
    assert error is caught.value.__cause__


def test_the_hold_off_outlasts_every_install() -> None:
    """By a NetSuite clock that is a minute slow, an install lands a minute after its deadline by ours, no later."""
    assert HOLD_OFF >= INSTALL_WITHIN + timedelta(minutes=1)


# --- refusals pass through --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Throttled(), SignInRefused(), NotPermitted()], ids=lambda error: error.code)
def test_a_refused_question_changes_nothing(world: World, error: KeyturnError) -> None:
    """Where NetSuite cannot even be asked, nothing is sent to it."""
    world.will_fail("netsuite.sign", error)
    with pytest.raises(type(error)):
        upload_to_netsuite(world.rotation(AT), world.ports)
    assert ["netsuite.sign"] == world.calls


def test_a_refused_install_is_told_as_it_is(world: World) -> None:
    """NetSuite's own refusal reaches the person."""
    world.will_fail("netsuite.install", Refused("The certificate was refused."))
    with pytest.raises(Refused, match="The certificate was refused"):
        upload_to_netsuite(world.rotation(AT), world.ports)


def test_a_key_that_does_not_open_is_not_sent(world: World) -> None:
    """A broken seal stops the step before NetSuite is written."""
    world.keys.error = SealBroken()
    with pytest.raises(SealBroken):
        upload_to_netsuite(world.rotation(AT), world.ports)
    assert ["netsuite.sign", "openair.read"] == world.calls


def test_there_must_be_a_candidate(world: World) -> None:
    """A rotation without one has nothing to upload."""
    with pytest.raises(IllegalMove, match="no candidate"):
        upload_to_netsuite(world.rotation(AT, candidate=None), world.ports)
    assert [] == world.installed
