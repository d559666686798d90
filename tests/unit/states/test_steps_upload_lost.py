"""upload_to_netsuite: after a lost answer NetSuite is asked before anything is sent again."""

from datetime import timedelta
from functools import partial

import pytest
from support.fake_systems import REMOTE_CALL
from support.pairs import NOW, a_pair
from unit.states.step_systems import StepSystems
from unit.states.upload_calls import AT, INSTALLED

from states.errors import CannotSign, ForeignRotation, KeyturnError, SignInRefused, Stale, Throttled, TryLater, Unknown
from states.ports import Write
from states.steps import upload_to_netsuite
from states.timing import HOLD_OFF, INSTALL_WITHIN, READ_BACK_DELAY

LOST = [*INSTALLED, "unknown"]
"""The calls of an install with a lost answer, which is stored."""


# --- in the same attempt ----------------------------------------------------------------------------------------------


def test_a_lost_answer_is_settled_by_reading_back(systems: StepSystems) -> None:
    """After a lost answer the loss is stored; then one signature finds the install, which is not sent again."""
    systems.will_fail("netsuite.install", Unknown(), applied=True)
    done = upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert done
    assert [*LOST, "netsuite.sign"] == systems.calls
    assert [(Write.INSTALL, "UNKNOWN_OUTCOME")] == systems.attempt.unknown
    assert [
        "NetSuite signed with the certificate before.",
        "NetSuite signed with the candidate.",
    ] == systems.attempt.looks
    assert [systems.candidate.fingerprint] == systems.installed


def test_the_skew_of_a_lost_answer_begins_with_the_install(systems: StepSystems) -> None:
    """The skew begins with the install, and not when the candidate is found."""
    systems.will_fail("netsuite.install", Unknown(), applied=True)
    rotation = systems.rotation(AT)
    moved = systems.moved(rotation, upload_to_netsuite(rotation, systems.ports, systems.attempt))
    assert NOW + timedelta(seconds=2 * REMOTE_CALL) == moved.skew_from


def test_an_install_that_never_arrived_stays_unknown(systems: StepSystems) -> None:
    """If two signatures are still by the previous certificate, the outcome is unknown."""
    systems.will_fail("netsuite.install", Unknown())
    with pytest.raises(Unknown, match="does not sign with it so far") as caught:
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert isinstance(caught.value.__cause__, Unknown)
    assert [*LOST, "netsuite.sign", "netsuite.sign"] == systems.calls
    assert [READ_BACK_DELAY] == systems.clock.slept


def test_an_install_that_lands_late_is_found_by_the_second_look(systems: StepSystems) -> None:
    """An install that takes effect between the two signatures is found by the second."""
    systems.will_fail("netsuite.install", Unknown(), late=READ_BACK_DELAY / 2)
    done = upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert done
    assert [*LOST, "netsuite.sign", "netsuite.sign"] == systems.calls
    assert [systems.candidate.fingerprint] == systems.installed


def test_a_reply_that_proves_nothing_is_as_good_as_lost(systems: StepSystems) -> None:
    """An answer whose signature does not verify counts as lost, and NetSuite is asked again."""
    systems.will_answer("netsuite.install", "garbage", applied=True)
    assert upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert [*LOST, "netsuite.sign"] == systems.calls
    assert [(Write.INSTALL, "NOT_CONFIRMED")] == systems.attempt.unknown


def test_a_swap_that_is_not_at_once_is_waited_for(systems: StepSystems) -> None:
    """If NetSuite answers with a signature by the previous key, the outcome is unknown."""
    systems.will_answer("netsuite.install", systems.previous.sign(b"another text"))
    with pytest.raises(Unknown):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)


def test_a_foreign_certificate_is_noticed_after_a_lost_answer(systems: StepSystems) -> None:
    """If a foreign key signs after a lost answer, the outcome is unknown, and nothing is installed again."""
    systems.will_fail("netsuite.install", Unknown(), applied=True)
    systems.will_go_well("netsuite.sign")
    systems.will_go_well("netsuite.sign", after=partial(systems.netsuite.hold, a_pair()))
    with pytest.raises(Unknown) as caught:
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert [systems.candidate.fingerprint] == systems.installed
    assert isinstance(caught.value.__cause__, ForeignRotation)


@pytest.mark.parametrize("error", [Throttled(), TryLater(), SignInRefused(), CannotSign()], ids=lambda each: each.code)
def test_a_lost_answer_is_not_forgotten_when_reading_back_fails(systems: StepSystems, error: KeyturnError) -> None:
    """If NetSuite cannot be asked after a lost answer, the outcome is unknown.

    If the error meant "nothing was changed", the next attempt would send again too early and date the skew too late.
    """
    systems.will_fail("netsuite.install", Unknown(), applied=True)
    systems.will_go_well("netsuite.sign")
    systems.will_fail("netsuite.sign", error)
    systems.will_fail("netsuite.sign", error)
    with pytest.raises(Unknown) as caught:
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert error is caught.value.__cause__


def test_an_answer_whose_loss_cannot_be_stored_ends_the_step(systems: StepSystems) -> None:
    """If a lost answer cannot be stored, the step ends at once: it neither asks nor sends again."""
    systems.attempt.can_store = False
    systems.will_fail("netsuite.install", Unknown(), applied=True)
    with pytest.raises(Stale):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert INSTALLED == systems.calls


# --- in a later attempt -----------------------------------------------------------------------------------------------


def test_after_doubt_there_are_two_looks_before_sending(systems: StepSystems) -> None:
    """In doubt the step asks twice before it installs again, because the first install may still take effect."""
    rotation = systems.rotation(AT, doubt_since=NOW - timedelta(minutes=1))
    upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert ["netsuite.sign", *INSTALLED] == systems.calls
    assert [READ_BACK_DELAY] == systems.clock.slept


def test_after_doubt_a_late_landing_is_not_repeated(systems: StepSystems) -> None:
    """An install that takes effect between the two signatures is not sent again."""
    rotation = systems.rotation(AT, doubt_since=NOW - timedelta(minutes=1))
    systems.clock.later(READ_BACK_DELAY / 2, partial(systems.netsuite.hold, systems.candidate))
    upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert ["netsuite.sign", "netsuite.sign"] == systems.calls


def test_after_doubt_the_skew_begins_with_the_doubt(systems: StepSystems) -> None:
    """If the candidate is found after a doubt, the skew begins with the doubt."""
    rotation = systems.rotation(AT, doubt_since=NOW - timedelta(minutes=1))
    systems.netsuite.hold(systems.candidate)
    moved = systems.moved(rotation, upload_to_netsuite(rotation, systems.ports, systems.attempt))
    assert NOW - timedelta(minutes=1) == moved.skew_from


def test_the_hold_off_outlasts_every_install() -> None:
    """The hold-off outlasts an install in a NetSuite whose clock is a minute slow."""
    assert HOLD_OFF >= INSTALL_WITHIN + timedelta(minutes=1)
