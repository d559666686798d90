"""upload_to_netsuite: an error proves nothing. After a refused install NetSuite is asked to sign, too."""

from functools import partial

import pytest
from support.factories import changed
from support.pairs import NOW, a_pair
from unit.states.step_systems import StepSystems
from unit.states.upload_calls import AT, INSTALLED

from states.errors import CertificateRecordMissing, NotPermitted, Refused, SignInRefused, TryLater, Unknown
from states.ports import PLACEHOLDER_FILE, Record, Report, Write
from states.steps import upload_to_netsuite
from states.timing import READ_BACK_DELAY

LOOKED = [*INSTALLED, "netsuite.sign", "netsuite.sign"]
REFUSALS = [Refused("NetSuite refused the certificate."), NotPermitted(), CertificateRecordMissing()]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda each: each.code)
def test_a_save_that_swaps_and_then_fails_is_found(systems: StepSystems, refusal: Refused) -> None:
    """If NetSuite refuses the certificate but signs with it, the rotation goes on; nothing is sent twice."""
    systems.will_fail("netsuite.install", refusal, applied=True)
    done = upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert (systems.candidate.fingerprint, [systems.candidate.fingerprint]) == (done.fingerprint, systems.installed)
    assert [*INSTALLED, "netsuite.sign"] == systems.calls


def test_a_swap_that_shows_late_is_found_by_the_second_look(systems: StepSystems) -> None:
    """A refused install that takes effect between the two looks is found by the second."""
    systems.will_fail("netsuite.install", Refused(), late=READ_BACK_DELAY / 2)
    assert upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert LOOKED == systems.calls


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda each: each.code)
def test_a_refusal_is_believed_after_two_signatures(systems: StepSystems, refusal: Refused) -> None:
    """If another key signs twice, the refusal stays as it is, with its advice; there is no doubt to keep."""
    systems.will_fail("netsuite.install", refusal)
    with pytest.raises(type(refusal)) as caught:
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert (refusal, LOOKED, []) == (caught.value, systems.calls, systems.attempt.unknown)
    assert ["NetSuite signed with the certificate before."] * 3 == systems.attempt.looks


def test_a_foreign_key_shows_that_the_refusal_is_true(systems: StepSystems) -> None:
    """A key that another party installed meanwhile is not the candidate's either."""
    systems.will_fail("netsuite.install", Refused())
    systems.will_go_well("netsuite.sign")
    systems.will_go_well("netsuite.sign", after=partial(systems.netsuite.hold, a_pair()))
    with pytest.raises(Refused):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert [] == systems.attempt.unknown


@pytest.mark.parametrize("blind", [TryLater("Down."), SignInRefused("Down.")], ids=lambda each: each.code)
def test_a_refusal_that_cannot_be_checked_is_a_doubt(systems: StepSystems, blind: Refused | TryLater) -> None:
    """If NetSuite cannot be asked after a refusal, the outcome is unknown, and that is recorded."""
    systems.will_fail("netsuite.install", NotPermitted("Refused."))
    systems.will_go_well("netsuite.sign")
    systems.will_fail("netsuite.sign", blind)
    with pytest.raises(Unknown, match=r"Refused\. That does not prove .* Down\."):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert [(Write.INSTALL, "NOT_PERMITTED")] == systems.attempt.unknown


@pytest.mark.parametrize(
    ("file_name", "is_unknown"), [(PLACEHOLDER_FILE, False), ("new.pem", True)], ids=["placeholder", "the candidate's"]
)
def test_a_record_that_cannot_sign_may_be_the_candidate(
    systems: StepSystems, file_name: str, *, is_unknown: bool
) -> None:
    """If NetSuite cannot sign after a refusal, only the record's validity or the placeholder shows what it holds."""
    systems.netsuite.hold_placeholder()
    systems.netsuite.can_sign = False
    certificate = systems.candidate.certificate
    record = Record(name="x", file_name=file_name, valid_from=certificate.not_before, valid_to=certificate.not_after)
    for _ in range(2):
        systems.will_answer("netsuite.report", Report(record=record, server_time=NOW, bundles={}))
    systems.will_fail("netsuite.install", Refused("Refused."))
    with pytest.raises(Unknown if is_unknown else Refused, match="Refused"):
        upload_to_netsuite(changed(systems.rotation(AT), previous=None), systems.ports, systems.attempt)
    assert is_unknown == bool(systems.attempt.unknown)
