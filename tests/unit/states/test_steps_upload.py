"""upload_to_netsuite asks NetSuite to sign, installs the candidate, and returns the confirmation."""

from datetime import timedelta

import pytest
from support.advice import commands
from support.fake_systems import REMOTE_CALL
from support.pairs import NOW, a_pair
from unit.states.step_systems import StepSystems
from unit.states.upload_calls import AT, INSTALLED

from states.errors import (
    AwaitingPerson,
    ForeignRotation,
    IllegalMove,
    KeyturnError,
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
from states.steps import upload_to_netsuite
from states.timing import INSTALL_WITHIN, READY_FOR

# --- success ----------------------------------------------------------------------------------------------------------


def test_the_expected_certificate_is_replaced(systems: StepSystems) -> None:
    """If NetSuite signs with the previous certificate and OpenAir can be read, the candidate is installed."""
    done = upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert done
    assert systems.candidate.fingerprint == done.fingerprint
    assert INSTALLED == systems.calls
    assert [systems.candidate.fingerprint] == systems.installed


def test_openair_is_read_before_the_install(systems: StepSystems) -> None:
    """OpenAir is read before the install, so that no outage begins that cannot be ended; it is not written."""
    upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert systems.calls.index("openair.read") < systems.calls.index("netsuite.install")
    assert "openair.save" not in systems.calls


def test_an_installed_candidate_is_not_installed_again(systems: StepSystems) -> None:
    """A second run confirms the candidate by a signature, and installs nothing."""
    rotation = systems.rotation(AT)
    systems.netsuite.hold(systems.candidate)
    done = upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert done
    assert ["netsuite.sign"] == systems.calls


def test_the_initial_set_up_replaces_what_cannot_sign(systems: StepSystems) -> None:
    """The set-up replaces a record that cannot sign, because no import can depend on it."""
    rotation = systems.rotation(AT, previous=None)
    systems.netsuite.hold(a_pair(), can_sign=False)
    upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert INSTALLED == systems.calls


def test_the_initial_set_up_replaces_the_placeholder(systems: StepSystems) -> None:
    """The set-up replaces the vendor's placeholder."""
    rotation = systems.rotation(AT, previous=None)
    systems.netsuite.hold_placeholder()
    upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert [systems.candidate.fingerprint] == systems.installed


@pytest.mark.parametrize("may_overwrite", [False, True])
@pytest.mark.parametrize("is_in_openair", [True, False])
def test_the_initial_set_up_asks_before_it_replaces_what_signs(
    systems: StepSystems, *, may_overwrite: bool, is_in_openair: bool
) -> None:
    """The set-up replaces a certificate that can sign only with permission, because it may be in use.

    To adopt it, which leaves both systems as they are, is advised first. Where OpenAir holds none, that would be
    refused: a look again, which replaces nothing, comes first there.
    """
    rotation = systems.rotation(AT, previous=None, may_overwrite=may_overwrite)
    systems.netsuite.hold(a_pair())
    if not is_in_openair:
        systems.openair.held = None
    if may_overwrite:
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
        return
    with pytest.raises(ForeignRotation, match="NetSuite signs already") as caught:
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert [] == systems.installed
    advised = ["rotation adopt ID", "rotation resume ID --overwrite"]
    assert (advised if is_in_openair else ["rotation resume ID", *advised]) == commands(caught.value.next_action)


def test_the_skew_begins_when_the_install_was_asked_for(systems: StepSystems) -> None:
    """The skew begins right before the install request."""
    rotation = systems.rotation(AT)
    moved = systems.moved(rotation, upload_to_netsuite(rotation, systems.ports, systems.attempt))
    assert NOW + timedelta(seconds=2 * REMOTE_CALL) == moved.skew_from


def test_the_skew_of_an_upload_that_was_undone_goes_on(systems: StepSystems) -> None:
    """After an unfinished restore the skew counts from the first upload."""
    undone = systems.rotation(AT, skew_from=NOW - timedelta(hours=1), doubt_since=NOW)
    moved = systems.moved(undone, upload_to_netsuite(undone, systems.ports, systems.attempt))
    assert NOW - timedelta(hours=1) == moved.skew_from


def test_each_question_is_a_new_challenge(systems: StepSystems) -> None:
    """Each signature is requested with a new challenge."""
    first = upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    again = upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert first
    assert again
    assert first.challenge != again.challenge


# --- who may install, and until when ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds_late", "landed"), [(-1, 1), (1, 0)])
def test_the_install_must_begin_soon(systems: StepSystems, seconds_late: float, landed: int) -> None:
    """NetSuite refuses an install after its deadline, so a delayed request cannot undo a later one.

    The deadline counts from the beginning of the attempt, before the signature and the read.
    """
    late = INSTALL_WITHIN.total_seconds() - len(INSTALLED) * REMOTE_CALL + seconds_late
    systems.will_fail("netsuite.install", Unknown(), late=late)
    with pytest.raises(Unknown):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    systems.clock.advance(2 * INSTALL_WITHIN.total_seconds())
    assert landed == len(systems.installed)


def test_the_hold_is_checked_right_before_the_install(systems: StepSystems) -> None:
    """The claim is checked after the last other request, right before the install."""
    upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert ["openair.read"] == systems.attempt.checks


def test_a_worker_that_lost_the_rotation_does_not_install(systems: StepSystems) -> None:
    """If another worker holds the rotation, nothing is installed."""
    systems.attempt.is_lost = True
    with pytest.raises(Stale):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert [] == systems.installed


# --- nothing is installed ---------------------------------------------------------------------------------------------


def test_there_must_be_a_candidate(systems: StepSystems) -> None:
    """Without a candidate the step is refused."""
    with pytest.raises(IllegalMove, match="no candidate"):
        upload_to_netsuite(systems.rotation(AT, candidate=None), systems.ports, systems.attempt)
    assert [] == systems.installed


@pytest.mark.parametrize("days", [-2, 366])
def test_what_is_not_valid_now_is_not_installed(systems: StepSystems, days: int) -> None:
    """A candidate that is not valid now is not installed, and OpenAir is not read."""
    systems.clock.advance(timedelta(days=days).total_seconds())
    with pytest.raises(NotValidNow):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert (["netsuite.sign"], []) == (systems.calls, systems.installed)


@pytest.mark.parametrize("error", [Throttled(), SignInRefused(), NotPermitted()], ids=lambda error: error.code)
def test_a_refused_question_changes_nothing(systems: StepSystems, error: KeyturnError) -> None:
    """If NetSuite cannot sign, nothing is installed."""
    systems.will_fail("netsuite.sign", error)
    with pytest.raises(type(error)):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert ["netsuite.sign"] == systems.calls


@pytest.mark.parametrize("error", [SignInRefused(), NotPermitted(), TryLater()], ids=lambda error: error.code)
def test_nothing_is_installed_where_openair_cannot_be_read(systems: StepSystems, error: KeyturnError) -> None:
    """If OpenAir cannot be read, nothing is installed, because the outage could not be ended."""
    systems.will_fail("openair.read", error)
    with pytest.raises(type(error)):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert [] == systems.installed


def test_a_key_that_does_not_open_is_not_sent(systems: StepSystems) -> None:
    """If the sealed key cannot be opened, nothing is installed."""
    systems.keys.error = SealBroken()
    with pytest.raises(SealBroken):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)
    assert ["netsuite.sign", "openair.read"] == systems.calls


def test_a_refused_install_is_raised_unchanged(systems: StepSystems) -> None:
    """NetSuite's refusal is raised unchanged."""
    systems.will_fail("netsuite.install", Refused("The certificate was refused."))
    with pytest.raises(Refused, match="The certificate was refused"):
        upload_to_netsuite(systems.rotation(AT), systems.ports, systems.attempt)


# --- a person saves the certificate in OpenAir ------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [None, READY_FOR + timedelta(seconds=1), -READY_FOR - timedelta(seconds=1)])
def test_no_outage_begins_unattended(systems: StepSystems, begun: timedelta | None) -> None:
    """Unless a person said a moment ago that they are ready, nothing is installed, and they are asked to begin."""
    begun_at = None if begun is None else NOW - begun
    with pytest.raises(AwaitingPerson) as caught:
        upload_to_netsuite(systems.rotation(AT, by_hand=True, begun_at=begun_at), systems.ports, systems.attempt)
    assert ["rotation begin"] == [each.removesuffix(" ID") for each in commands(caught.value.next_action)]
    assert [] == systems.installed


def test_a_person_who_is_ready_begins_it(systems: StepSystems) -> None:
    """The candidate is installed while the person is there."""
    begun = systems.rotation(AT, by_hand=True, begun_at=NOW - READY_FOR + timedelta(seconds=30))
    assert upload_to_netsuite(begun, systems.ports, systems.attempt)
    assert [systems.candidate.fingerprint] == systems.installed


def test_a_candidate_that_was_installed_needs_no_beginning(systems: StepSystems) -> None:
    """The outage has begun by then: what is found is confirmed, so that the person can save it."""
    systems.netsuite.hold(systems.candidate)
    assert upload_to_netsuite(systems.rotation(AT, by_hand=True), systems.ports, systems.attempt)
