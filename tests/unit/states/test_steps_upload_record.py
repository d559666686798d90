"""upload_to_netsuite: whose is what the record holds? A stranger's is left alone, unless a person allowed it."""

from functools import partial

import pytest
from support.advice import text
from support.pairs import NOW, a_pair
from unit.states.fake_world import World
from unit.states.upload_calls import AT, INSTALLED

from states.errors import CannotSign, CertificateRecordMissing, ForeignRotation
from states.ports import Report
from states.steps import upload_to_netsuite

# --- somebody else's --------------------------------------------------------------------------------------------------


def test_a_foreign_certificate_is_left_alone(world: World) -> None:
    """NetSuite signs with a key that is neither ours nor the expected one: nothing is written anywhere."""
    rotation = world.rotation(AT)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation) as caught:
        upload_to_netsuite(rotation, world.ports, world.attempt)
    assert ForeignRotation().message == caught.value.message
    assert ["netsuite.sign", "netsuite.report"] == world.calls


def test_a_foreign_certificate_is_replaced_where_a_person_allowed_it(world: World) -> None:
    """`--overwrite` puts the candidate in its place."""
    rotation = world.rotation(AT, may_overwrite=True)
    world.netsuite.hold(a_pair())
    upload_to_netsuite(rotation, world.ports, world.attempt)
    assert INSTALLED == world.calls


def test_permission_to_create_is_no_permission_to_overwrite(world: World) -> None:
    """`--create-record` is about a missing record, not about a foreign one."""
    rotation = world.rotation(AT, may_create_record=True)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        upload_to_netsuite(rotation, world.ports, world.attempt)
    assert [] == world.installed


@pytest.mark.parametrize("can_sign", [True, False])
def test_a_record_that_vanishes_between_two_questions_is_missing(world: World, can_sign: bool) -> None:  # noqa: FBT001
    """NetSuite answered for it a moment ago, and now has no record: nothing is left to adopt or overwrite."""
    rotation = world.rotation(AT, may_create_record=True)
    world.netsuite.hold(a_pair(), can_sign=can_sign)
    world.will_answer("netsuite.report", Report(record=None, server_time=NOW, bundles={}))
    with pytest.raises(CertificateRecordMissing):
        upload_to_netsuite(rotation, world.ports, world.attempt)
    assert [] == world.installed


def test_a_record_that_signs_as_another_is_not_ours(world: World) -> None:
    """In doubt a mute record with the candidate's validity may be ours; one that signs with another key is not."""
    rotation = world.rotation(AT, doubt_since=NOW)
    ours = world.candidate.certificate
    world.netsuite.hold(a_pair(not_before=ours.not_before, not_after=ours.not_after))
    with pytest.raises(ForeignRotation):
        upload_to_netsuite(rotation, world.ports, world.attempt)
    assert ["netsuite.sign", "netsuite.report"] == world.calls


def test_what_a_look_showed_is_noted(world: World) -> None:
    """Each answer of NetSuite's is noted in a sentence, for the journal of a rotation in doubt."""
    may_be_replaced = world.rotation(AT, doubt_since=NOW, may_overwrite=True, may_create_record=True)
    world.will_fail("netsuite.sign", CertificateRecordMissing())
    world.will_fail("netsuite.sign", CannotSign())
    upload_to_netsuite(may_be_replaced, world.ports, world.attempt)
    world.netsuite.hold(a_pair())
    upload_to_netsuite(may_be_replaced, world.ports, world.attempt)
    assert [
        "NetSuite has no certificate record.",
        "NetSuite cannot sign with what its record holds.",
        *["NetSuite signed with another key."] * 2,
    ] == world.attempt.looks


# --- the placeholder --------------------------------------------------------------------------------------------------


def test_the_placeholder_is_nobodys(world: World) -> None:
    """A bundle that was installed again brought the placeholder back: it is replaced like the previous certificate."""
    rotation = world.rotation(AT)
    world.netsuite.hold_placeholder()
    done = upload_to_netsuite(rotation, world.ports, world.attempt)
    assert done
    assert ["netsuite.sign", "netsuite.report", "openair.read", "netsuite.install"] == world.calls


def test_a_record_that_cannot_sign_is_mended(world: World) -> None:
    """The placeholder may have no key at all; installing the candidate gives it one."""
    rotation = world.rotation(AT)
    world.netsuite.hold_placeholder(can_sign=False)
    assert upload_to_netsuite(rotation, world.ports, world.attempt)
    assert [world.candidate.fingerprint] == world.installed


# --- no record at all -------------------------------------------------------------------------------------------------


def test_a_missing_record_is_reported_in_the_vendors_words(world: World) -> None:
    """The exact sentence and the vendor's repair, step by step; nothing is installed."""
    rotation = world.rotation(AT)
    world.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing) as caught:
        upload_to_netsuite(rotation, world.ports, world.attempt)
    assert 'Certificate "custcertificate_oa_realtime" not found.' == caught.value.message
    steps = [line.split(". ", 1)[1] for line in text(caught.value.next_action).splitlines() if line.startswith("  ")]
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
    upload_to_netsuite(rotation, world.ports, world.attempt)
    assert INSTALLED == world.calls
    assert [world.candidate.fingerprint] == world.installed


def test_a_record_that_vanishes_is_not_created_unasked(world: World) -> None:
    """It was there when NetSuite signed, and is gone when the candidate arrives: NetSuite is not allowed to make it."""
    world.will_go_well("netsuite.install", after=partial(world.netsuite.hold, None))
    with pytest.raises(CertificateRecordMissing):
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert [] == world.installed


def test_a_repaired_record_is_carried_on_with(world: World) -> None:
    """After the vendor's repair the record holds the placeholder, and the same rotation goes on."""
    rotation = world.rotation(AT)
    world.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing):
        upload_to_netsuite(rotation, world.ports, world.attempt)
    world.netsuite.hold_placeholder()
    assert upload_to_netsuite(rotation, world.ports, world.attempt)
