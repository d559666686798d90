"""verify: both systems hold the candidate, by a new signature and a new read."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from support.advice import commands
from support.fake_systems import REMOTE_CALL
from support.pairs import NOW, a_pair
from unit.states.step_systems import StepSystems

from states.errors import CertificateRecordMissing, Drift, ForeignRotation, KeyturnError, Throttled, Unknown
from states.rotation import Receipt, Rotation
from states.state import State
from states.steps import verify
from states.timing import READ_BACK_DELAY

AT = State.SAVED_TO_OPENAIR


def test_both_sides_agree(systems: StepSystems) -> None:
    """NetSuite signs a new challenge and OpenAir is read; if both hold the candidate, nothing is written."""
    rotation = systems.rotation(AT)
    done = verify(rotation, systems.ports, systems.attempt)
    seen = Receipt(systems.candidate.fingerprint, NOW + timedelta(seconds=2 * REMOTE_CALL))
    assert seen == done
    assert ["netsuite.sign", "openair.read"] == systems.calls


def test_the_old_confirmation_is_not_enough(systems: StepSystems) -> None:
    """NetSuite is asked again even if the confirmation is recent."""
    rotation = systems.rotation(AT)
    systems.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        verify(rotation, systems.ports, systems.attempt)


@pytest.mark.parametrize("content", ["none", "previous", "foreign"])
def test_drift_is_noticed(systems: StepSystems, content: str) -> None:
    """If OpenAir holds no certificate or another one, the rotation does not complete."""
    rotation = systems.rotation(AT)
    certificates = {"none": None, "previous": systems.previous.certificate, "foreign": a_pair().certificate}
    systems.openair.held = certificates[content]
    with pytest.raises(Drift):
        verify(rotation, systems.ports, systems.attempt)


def test_foreign_is_reported_before_drift(systems: StepSystems) -> None:
    """If both systems changed, NetSuite's change is reported, and OpenAir is not read."""
    rotation = systems.rotation(AT)
    systems.netsuite.hold(a_pair())
    systems.openair.held = None
    with pytest.raises(ForeignRotation):
        verify(rotation, systems.ports, systems.attempt)
    assert "openair.read" not in systems.calls


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("netsuite.sign", Throttled()),
        ("netsuite.sign", CertificateRecordMissing()),
        ("openair.read", Throttled()),
    ],
)
def test_a_side_that_cannot_be_asked_verifies_nothing(systems: StepSystems, call: str, error: KeyturnError) -> None:
    """If a system cannot be asked, its error is raised unchanged."""
    systems.will_fail(call, error)
    with pytest.raises(type(error)):
        verify(systems.rotation(AT), systems.ports, systems.attempt)


def test_the_candidate_is_put_back_where_a_person_allowed_it(systems: StepSystems) -> None:
    """With permission to overwrite a foreign certificate, the candidate is installed again and confirmed."""
    rotation = systems.rotation(AT, may_overwrite=True)
    systems.netsuite.hold(a_pair())
    assert verify(rotation, systems.ports, systems.attempt)
    assert ["netsuite.sign", "openair.read", "netsuite.install", "openair.read"] == systems.calls


def a_drifted_rotation(systems: StepSystems, **changes: Any) -> Rotation:
    """Return a rotation that may overwrite, with a foreign certificate in OpenAir."""
    rotation = systems.rotation(AT, may_overwrite=True, **changes)
    systems.openair.held = a_pair().certificate
    return rotation


def test_a_lost_save_is_looked_for_twice(systems: StepSystems) -> None:
    """If the answer to a save by verify is lost and two reads do not find it, the outcome is unknown."""
    systems.will_fail("openair.save", Unknown())
    with pytest.raises(Unknown):
        verify(a_drifted_rotation(systems), systems.ports, systems.attempt)
    saved = ["openair.save", "unknown", "openair.read", "openair.read"]
    assert ["netsuite.sign", "openair.read", *saved] == systems.calls
    assert [READ_BACK_DELAY] == systems.clock.slept


def test_after_doubt_there_are_two_looks_before_saving(systems: StepSystems) -> None:
    """In doubt the step reads twice before it saves again, because the first save may still take effect."""
    done = verify(a_drifted_rotation(systems, doubt_since=NOW), systems.ports, systems.attempt)
    assert done
    looks = ["netsuite.sign", "openair.read", "openair.read"]
    assert [*looks, "openair.save", "openair.read"] == systems.calls


def test_after_doubt_a_late_landing_is_not_repeated(systems: StepSystems) -> None:
    """A save that takes effect between the two reads is not sent again."""
    rotation = a_drifted_rotation(systems, doubt_since=NOW)
    systems.clock.later(1, partial(setattr, systems.openair, "held", systems.candidate.certificate))
    assert verify(rotation, systems.ports, systems.attempt)
    assert [] == systems.saved


def test_permission_to_create_is_no_permission_to_overwrite(systems: StepSystems) -> None:
    """Permission to create a record does not allow replacing a foreign key."""
    rotation = systems.rotation(AT, may_create_record=True, previous=None)
    systems.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        verify(rotation, systems.ports, systems.attempt)
    assert [] == systems.installed


def test_a_drifted_rotation_has_a_way_out(systems: StepSystems) -> None:
    """A choice that Drift offers, resuming with permission to overwrite, completes the rotation."""
    assert ["rotation resume ID", "rotation resume ID --overwrite"] == commands(Drift().next_action.resuming())
    rotation = systems.rotation(AT, may_overwrite=True)
    systems.openair.held = a_pair().certificate
    assert verify(rotation, systems.ports, systems.attempt)
    assert [systems.candidate.fingerprint] == systems.saved
