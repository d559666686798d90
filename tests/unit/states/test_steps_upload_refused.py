"""upload_to_netsuite: an error proves nothing. After a refused install NetSuite is asked to sign, too."""

import pytest
from unit.states.step_systems import StepSystems
from unit.states.upload_calls import AT, INSTALLED

from states.errors import CertificateRecordMissing, NotPermitted, Refused, SignInRefused, TryLater, Unknown
from states.ports import Write
from states.steps import upload_to_netsuite
from states.timing import READ_BACK_DELAY

LOOKED = [*INSTALLED, "unknown", "netsuite.sign", "netsuite.sign"]
REFUSALS = [Refused("NetSuite refused the certificate."), NotPermitted(), CertificateRecordMissing()]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda each: each.code)
def test_a_save_that_swaps_and_then_fails_is_found(systems: StepSystems, refusal: Refused) -> None:
    """If NetSuite refuses the certificate but signs with it, the rotation goes on; nothing is sent twice."""
    systems.will_fail("netsuite.install", refusal, applied=True)
    done = upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert (systems.candidate.fingerprint, [systems.candidate.fingerprint]) == (done.fingerprint, systems.installed)
    assert LOOKED[:-1] == systems.calls


def test_a_swap_that_shows_late_is_found_by_the_second_look(systems: StepSystems) -> None:
    """A refused install that takes effect between the two looks is found by the second."""
    systems.will_fail("netsuite.install", Refused(), late=READ_BACK_DELAY / 2)
    assert upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert LOOKED == systems.calls


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda each: each.code)
def test_a_refusal_is_believed_after_two_signatures(systems: StepSystems, refusal: Refused) -> None:
    """If another key signs twice, the refusal stays as it is, with its advice; that it was sent is recorded."""
    systems.will_fail("netsuite.install", refusal)
    with pytest.raises(type(refusal)) as caught:
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert (refusal, LOOKED, [(Write.INSTALL, refusal.code)]) == (
        caught.value,
        systems.calls,
        systems.attempt.unknown,
    )
    assert ["NetSuite signed with the certificate before."] * 3 == systems.attempt.looks


@pytest.mark.parametrize("blind", [TryLater("Down."), SignInRefused("Down.")], ids=lambda each: each.code)
def test_a_refusal_that_cannot_be_checked_is_a_doubt(systems: StepSystems, blind: Refused | TryLater) -> None:
    """If NetSuite cannot be asked after a refusal, the outcome is unknown, and that is recorded."""
    systems.will_fail("netsuite.install", NotPermitted("Refused."))
    systems.will_go_well("netsuite.sign")
    systems.will_fail("netsuite.sign", blind)
    with pytest.raises(Unknown, match=r"cannot be asked now: Down\."):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert [(Write.INSTALL, "NOT_PERMITTED")] == systems.attempt.unknown
