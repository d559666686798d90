"""save_to_openair saves only a certificate that NetSuite has just confirmed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.advice import commands
from support.pairs import NOW, a_pair
from unit.states.rotations import a_confirmation
from unit.states.save_calls import AT, SAVED, stale
from unit.states.step_systems import StepSystems

from states.errors import CertificateRecordMissing, ForeignRotation, IllegalMove, KeyturnError, SignInRefused, Throttled
from states.steps import save_to_openair

FIVE_SECONDS = timedelta(seconds=5)


def test_nothing_is_saved_without_a_confirmation(systems: StepSystems) -> None:
    """Rule 1: without a confirmation nothing is sent to OpenAir, in any state."""
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(systems.rotation(AT, confirmation=None), systems.ports, systems.attempt)
    assert [] == systems.calls


def test_nothing_is_saved_with_the_confirmation_of_another_rotation(systems: StepSystems) -> None:
    """A confirmation of another rotation is refused, and nothing is sent."""
    other = a_confirmation(systems.candidate, rotation_id="01ANOTHERROTATION000000001")
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(systems.rotation(AT, confirmation=other), systems.ports, systems.attempt)
    assert [] == systems.calls


def test_nothing_is_saved_with_the_confirmation_of_another_certificate(systems: StepSystems) -> None:
    """A confirmation of another certificate is refused, and nothing is sent."""
    other = a_confirmation(a_pair())
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(systems.rotation(AT, confirmation=other), systems.ports, systems.attempt)
    assert [] == systems.calls


@pytest.mark.parametrize(
    ("age", "asked_again"),
    [(timedelta(0), False), (FIVE_SECONDS, False), (FIVE_SECONDS + timedelta(microseconds=1), True)],
)
def test_an_old_confirmation_is_proved_again(systems: StepSystems, age: timedelta, asked_again: bool) -> None:  # noqa: FBT001
    """A confirmation older than five seconds is renewed by a signature of NetSuite before the save."""
    rotation = systems.rotation(AT, confirmation=a_confirmation(systems.candidate, asked_at=NOW - age))
    save_to_openair(rotation, systems.ports, systems.attempt)
    assert (["netsuite.sign"] if asked_again else []) + SAVED == systems.calls


def test_a_stored_confirmation_is_proved_again(systems: StepSystems) -> None:
    """A confirmation that this process did not receive from NetSuite is renewed, however new its time says it is."""
    stored = replace(a_confirmation(systems.candidate), is_firsthand=False)
    save_to_openair(systems.rotation(AT, confirmation=stored), systems.ports, systems.attempt)
    assert ["netsuite.sign", *SAVED] == systems.calls


def test_a_foreign_change_in_between_keeps_openair_unwritten(systems: StepSystems) -> None:
    """If NetSuite no longer signs with the candidate, nothing is saved."""
    rotation = stale(systems)
    systems.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        save_to_openair(rotation, systems.ports, systems.attempt)
    assert ([], []) == (systems.installed, systems.saved)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CertificateRecordMissing(), CertificateRecordMissing),
        (Throttled(), Throttled),
        (SignInRefused(), SignInRefused),
    ],
)
def test_openair_is_not_written_where_netsuite_does_not_prove(
    systems: StepSystems, error: KeyturnError, expected: type[KeyturnError]
) -> None:
    """If NetSuite cannot sign, nothing is sent to OpenAir."""
    systems.will_fail("netsuite.sign", error)
    with pytest.raises(expected):
        save_to_openair(stale(systems), systems.ports, systems.attempt)
    assert ["netsuite.sign"] == systems.calls


def test_a_foreign_certificate_is_replaced_where_a_person_allowed_it(systems: StepSystems) -> None:
    """With permission to overwrite, the candidate is installed again and confirmed, and only then saved."""
    rotation = stale(systems, may_overwrite=True)
    systems.netsuite.hold(a_pair())
    save_to_openair(rotation, systems.ports, systems.attempt)
    assert ["netsuite.sign", "openair.read", "netsuite.install", *SAVED] == systems.calls
    assert [systems.candidate.fingerprint] == systems.saved


def test_a_deleted_record_is_made_again_where_a_person_allowed_it(systems: StepSystems) -> None:
    """With permission to create, a record that was deleted after the upload is created again."""
    rotation = stale(systems, may_create_record=True)
    systems.netsuite.hold(None)
    save_to_openair(rotation, systems.ports, systems.attempt)
    assert ["netsuite.sign", "openair.read", "netsuite.install", *SAVED] == systems.calls


@pytest.mark.parametrize("initial", [False, True])
def test_permission_to_create_is_no_permission_to_overwrite(systems: StepSystems, initial: bool) -> None:  # noqa: FBT001
    """Permission to create a record does not allow replacing a foreign key."""
    changes = {"previous": None} if initial else {}
    rotation = stale(systems, may_create_record=True, **changes)
    systems.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        save_to_openair(rotation, systems.ports, systems.attempt)
    assert ([], []) == (systems.installed, systems.saved)


def test_permission_to_create_does_not_undo_a_way_back(systems: StepSystems) -> None:
    """A previous certificate that another party installed again is a foreign change."""
    rotation = stale(systems, may_create_record=True)
    systems.netsuite.hold(systems.previous)
    with pytest.raises(ForeignRotation):
        save_to_openair(rotation, systems.ports, systems.attempt)
    assert ([], []) == (systems.installed, systems.saved)


def test_the_previous_certificate_is_not_called_foreign(systems: StepSystems) -> None:
    """If NetSuite signs with the previous key again, the upload may show late, so the first advice is to resume."""
    rotation = stale(systems)
    systems.netsuite.hold(systems.previous)
    with pytest.raises(ForeignRotation, match="signs with the previous certificate again") as caught:
        save_to_openair(rotation, systems.ports, systems.attempt)
    expected = ["rotation resume ID", "rotation adopt ID", "rotation resume ID --overwrite"]
    assert expected == commands(caught.value.next_action)


@pytest.mark.parametrize("can_sign", [False, True])
def test_a_repaired_record_gets_the_candidate(systems: StepSystems, can_sign: bool) -> None:  # noqa: FBT001
    """After the vendor's repair of a deleted record, the candidate is installed and confirmed again, and then saved."""
    rotation = stale(systems)
    systems.netsuite.hold_placeholder(can_sign=can_sign)
    assert save_to_openair(rotation, systems.ports, systems.attempt)
    assert [systems.candidate.fingerprint] == systems.installed
    assert systems.calls.index("netsuite.install") < systems.calls.index("openair.save")


def test_doubt_does_not_replace_the_confirmation(systems: StepSystems) -> None:
    """Even if OpenAir holds the candidate, a rotation without a confirmation does not move on."""
    rotation = systems.rotation(AT, doubt_since=NOW, confirmation=None)
    systems.openair.held = systems.candidate.certificate
    with pytest.raises(IllegalMove):
        save_to_openair(rotation, systems.ports, systems.attempt)
