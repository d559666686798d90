"""upload_to_netsuite asks NetSuite to sign, installs the candidate, and returns the confirmation."""

from datetime import timedelta

import pytest
from support.advice import commands
from support.fake_systems import REMOTE_CALL
from support.pairs import NOW, a_pair
from unit.states.fake_world import World
from unit.states.upload_calls import AT, INSTALLED

from states.errors import (
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
from states.timing import INSTALL_WITHIN

# --- success ----------------------------------------------------------------------------------------------------------


def test_the_expected_certificate_is_replaced(world: World) -> None:
    """If NetSuite signs with the previous certificate and OpenAir can be read, the candidate is installed."""
    done = upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert done
    assert world.candidate.fingerprint == done.fingerprint
    assert INSTALLED == world.calls
    assert [world.candidate.fingerprint] == world.installed


def test_openair_is_read_before_the_install(world: World) -> None:
    """OpenAir is read before the install, so that no outage begins that cannot be ended; it is not written."""
    upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert world.calls.index("openair.read") < world.calls.index("netsuite.install")
    assert "openair.save" not in world.calls


def test_an_installed_candidate_is_not_installed_again(world: World) -> None:
    """A second run confirms the candidate by a signature, and installs nothing."""
    rotation = world.rotation(AT)
    world.netsuite.hold(world.candidate)
    done = upload_to_netsuite(rotation, world.ports, world.attempt)
    assert done
    assert ["netsuite.sign"] == world.calls


def test_the_initial_set_up_replaces_what_cannot_sign(world: World) -> None:
    """The set-up replaces a record that cannot sign, because no import can depend on it."""
    rotation = world.rotation(AT, previous=None)
    world.netsuite.hold(a_pair(), can_sign=False)
    upload_to_netsuite(rotation, world.ports, world.attempt)
    assert INSTALLED == world.calls


def test_the_initial_set_up_replaces_the_placeholder(world: World) -> None:
    """The set-up replaces the vendor's placeholder."""
    rotation = world.rotation(AT, previous=None)
    world.netsuite.hold_placeholder()
    upload_to_netsuite(rotation, world.ports, world.attempt)
    assert [world.candidate.fingerprint] == world.installed


@pytest.mark.parametrize("may_overwrite", [False, True])
def test_the_initial_set_up_asks_before_it_replaces_what_signs(world: World, *, may_overwrite: bool) -> None:
    """The set-up replaces a certificate that can sign only with permission, because it may be in use."""
    rotation = world.rotation(AT, previous=None, may_overwrite=may_overwrite)
    world.netsuite.hold(a_pair())
    if may_overwrite:
        upload_to_netsuite(rotation, world.ports, world.attempt)
        return
    with pytest.raises(ForeignRotation, match="NetSuite signs already") as caught:
        upload_to_netsuite(rotation, world.ports, world.attempt)
    assert [] == world.installed
    assert ["rotation adopt ID", "rotation resume ID --overwrite"] == commands(caught.value.next_action)


def test_the_skew_begins_when_the_install_was_asked_for(world: World) -> None:
    """The skew begins right before the install request."""
    rotation = world.rotation(AT)
    moved = world.moved(rotation, upload_to_netsuite(rotation, world.ports, world.attempt))
    assert NOW + timedelta(seconds=2 * REMOTE_CALL) == moved.skew_from


def test_the_skew_of_an_upload_that_was_undone_goes_on(world: World) -> None:
    """After an unfinished restore the skew counts from the first upload."""
    undone = world.rotation(AT, skew_from=NOW - timedelta(hours=1), doubt_since=NOW)
    moved = world.moved(undone, upload_to_netsuite(undone, world.ports, world.attempt))
    assert NOW - timedelta(hours=1) == moved.skew_from


def test_each_question_is_a_new_challenge(world: World) -> None:
    """Each signature is requested with a new challenge."""
    first = upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    again = upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert first
    assert again
    assert first.challenge != again.challenge


# --- who may install, and until when ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds_late", "landed"), [(-1, 1), (1, 0)])
def test_the_install_must_begin_soon(world: World, seconds_late: float, landed: int) -> None:
    """NetSuite refuses an install after its deadline, so a delayed request cannot undo a later one.

    The deadline counts from the beginning of the attempt, before the signature and the read.
    """
    late = INSTALL_WITHIN.total_seconds() - len(INSTALLED) * REMOTE_CALL + seconds_late
    world.will_fail("netsuite.install", Unknown(), late=late)
    with pytest.raises(Unknown):
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    world.clock.advance(2 * INSTALL_WITHIN.total_seconds())
    assert landed == len(world.installed)


def test_the_hold_is_checked_right_before_the_install(world: World) -> None:
    """The claim is checked after the last other request, right before the install."""
    upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert ["openair.read"] == world.attempt.checks


def test_a_worker_that_lost_the_rotation_does_not_install(world: World) -> None:
    """If another worker holds the rotation, nothing is installed."""
    world.attempt.is_lost = True
    with pytest.raises(Stale):
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert [] == world.installed


# --- nothing is installed ---------------------------------------------------------------------------------------------


def test_there_must_be_a_candidate(world: World) -> None:
    """Without a candidate the step is refused."""
    with pytest.raises(IllegalMove, match="no candidate"):
        upload_to_netsuite(world.rotation(AT, candidate=None), world.ports, world.attempt)
    assert [] == world.installed


@pytest.mark.parametrize("days", [-2, 366])
def test_what_is_not_valid_now_is_not_installed(world: World, days: int) -> None:
    """A candidate that is not valid now is not installed, and OpenAir is not read."""
    world.clock.advance(timedelta(days=days).total_seconds())
    with pytest.raises(NotValidNow):
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert (["netsuite.sign"], []) == (world.calls, world.installed)


@pytest.mark.parametrize("error", [Throttled(), SignInRefused(), NotPermitted()], ids=lambda error: error.code)
def test_a_refused_question_changes_nothing(world: World, error: KeyturnError) -> None:
    """If NetSuite cannot sign, nothing is installed."""
    world.will_fail("netsuite.sign", error)
    with pytest.raises(type(error)):
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert ["netsuite.sign"] == world.calls


@pytest.mark.parametrize("error", [SignInRefused(), NotPermitted(), TryLater()], ids=lambda error: error.code)
def test_nothing_is_installed_where_openair_cannot_be_read(world: World, error: KeyturnError) -> None:
    """If OpenAir cannot be read, nothing is installed, because the outage could not be ended."""
    world.will_fail("openair.read", error)
    with pytest.raises(type(error)):
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert [] == world.installed


def test_a_key_that_does_not_open_is_not_sent(world: World) -> None:
    """If the sealed key cannot be opened, nothing is installed."""
    world.keys.error = SealBroken()
    with pytest.raises(SealBroken):
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
    assert ["netsuite.sign", "openair.read"] == world.calls


def test_a_refused_install_is_raised_unchanged(world: World) -> None:
    """NetSuite's refusal is raised unchanged."""
    world.will_fail("netsuite.install", Refused("The certificate was refused."))
    with pytest.raises(Refused, match="The certificate was refused"):
        upload_to_netsuite(world.rotation(AT), world.ports, world.attempt)
