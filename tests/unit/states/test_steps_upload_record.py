"""upload_to_netsuite leaves a foreign certificate alone unless a person allows replacing it."""

from functools import partial

import pytest
from support.advice import text
from support.pairs import NOW, a_pair
from unit.states.step_systems import StepSystems
from unit.states.upload_calls import AT, INSTALLED

from states.errors import CannotSign, CertificateRecordMissing, ForeignRotation, Unknown
from states.ports import Report
from states.steps import upload_to_netsuite

# --- a foreign certificate --------------------------------------------------------------------------------------------


def test_a_foreign_certificate_is_left_alone(systems: StepSystems) -> None:
    """If NetSuite signs with a foreign key, nothing is written to either system."""
    rotation = systems.rotation(AT)
    systems.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation) as caught:
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert ForeignRotation().message == caught.value.message
    assert ["netsuite.sign", "netsuite.report"] == systems.calls


def test_a_foreign_certificate_is_replaced_where_a_person_allowed_it(systems: StepSystems) -> None:
    """With permission to overwrite, the candidate replaces a foreign certificate."""
    rotation = systems.rotation(AT, may_overwrite=True)
    systems.netsuite.hold(a_pair())
    upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert INSTALLED == systems.calls


def test_permission_to_create_is_no_permission_to_overwrite(systems: StepSystems) -> None:
    """Permission to create a record does not allow replacing a foreign key."""
    rotation = systems.rotation(AT, may_create_record=True)
    systems.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert [] == systems.installed


@pytest.mark.parametrize("can_sign", [True, False])
def test_a_record_that_vanishes_between_two_questions_is_missing(systems: StepSystems, can_sign: bool) -> None:  # noqa: FBT001
    """A record that disappears between two requests is reported as missing, and not as foreign."""
    rotation = systems.rotation(AT, may_create_record=True)
    systems.netsuite.hold(a_pair(), can_sign=can_sign)
    systems.will_answer("netsuite.report", Report(record=None, server_time=NOW, bundles={}))
    with pytest.raises(CertificateRecordMissing):
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert [] == systems.installed


def test_a_record_that_signs_as_another_is_not_ours(systems: StepSystems) -> None:
    """A record that signs with another key is foreign, even if it has the candidate's validity."""
    rotation = systems.rotation(AT, doubt_since=NOW)
    ours = systems.candidate.certificate
    systems.netsuite.hold(a_pair(not_before=ours.not_before, not_after=ours.not_after))
    with pytest.raises(ForeignRotation):
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert ["netsuite.sign", "netsuite.report"] == systems.calls


def test_what_a_look_showed_is_noted(systems: StepSystems) -> None:
    """In doubt each answer of NetSuite is recorded in a sentence for the journal."""
    may_be_replaced = systems.rotation(AT, doubt_since=NOW, may_overwrite=True, may_create_record=True)
    systems.will_fail("netsuite.sign", CertificateRecordMissing())
    systems.will_fail("netsuite.sign", CannotSign())
    upload_to_netsuite(may_be_replaced, systems.ports, systems.attempt)
    systems.netsuite.hold(a_pair())
    upload_to_netsuite(may_be_replaced, systems.ports, systems.attempt)
    assert [
        "NetSuite has no certificate record.",
        "NetSuite cannot sign with what its record holds.",
        *["NetSuite signed with another key."] * 2,
    ] == systems.attempt.looks


# --- the placeholder --------------------------------------------------------------------------------------------------


def test_the_placeholder_is_replaced(systems: StepSystems) -> None:
    """The placeholder, which a reinstalled bundle brings back, is replaced like the previous certificate."""
    rotation = systems.rotation(AT)
    systems.netsuite.hold_placeholder()
    done = upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert done
    assert ["netsuite.sign", "netsuite.report", "openair.read", "netsuite.install"] == systems.calls


def test_a_placeholder_without_a_key_is_replaced(systems: StepSystems) -> None:
    """A placeholder that has no key is replaced too."""
    rotation = systems.rotation(AT)
    systems.netsuite.hold_placeholder(can_sign=False)
    assert upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert [systems.candidate.fingerprint] == systems.installed


# --- no record at all -------------------------------------------------------------------------------------------------


def test_a_missing_record_is_reported_in_the_vendors_words(systems: StepSystems) -> None:
    """A missing record is reported with the vendor's exact message and repair steps, and nothing is installed."""
    rotation = systems.rotation(AT)
    systems.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing) as caught:
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
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
    assert ["netsuite.sign"] == systems.calls


def test_a_missing_record_is_created_where_a_person_allowed_it(systems: StepSystems) -> None:
    """With permission to create, the record is created with the candidate."""
    rotation = systems.rotation(AT, may_create_record=True)
    systems.netsuite.hold(None)
    upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert INSTALLED == systems.calls
    assert [systems.candidate.fingerprint] == systems.installed


def test_a_record_that_vanishes_is_not_created_unasked(systems: StepSystems) -> None:
    """If the record disappears before the install, NetSuite does not create it without permission.

    The look after that refusal shows no candidate either; the next try says that the record is missing.
    """
    systems.will_go_well("netsuite.install", after=partial(systems.netsuite.hold, None))
    with pytest.raises(Unknown) as caught:
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert isinstance(caught.value.__cause__, CertificateRecordMissing)
    with pytest.raises(CertificateRecordMissing):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert [] == systems.installed


def test_a_repaired_record_gets_the_candidate(systems: StepSystems) -> None:
    """After the vendor's repair the same rotation replaces the placeholder."""
    rotation = systems.rotation(AT)
    systems.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing):
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
    systems.netsuite.hold_placeholder()
    assert upload_to_netsuite(rotation, systems.ports, systems.attempt)
