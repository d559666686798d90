"""verify: both systems hold the candidate, by a new signature and a new read."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from support.advice import commands
from support.fake_systems import REMOTE_CALL
from support.pairs import NOW, a_pair
from unit.states.fake_world import World

from states.errors import CertificateRecordMissing, Drift, ForeignRotation, KeyturnError, Throttled, Unknown
from states.rotation import Receipt, Rotation
from states.state import State
from states.steps import verify
from states.timing import READ_BACK_DELAY

AT = State.SAVED_TO_OPENAIR


def test_both_sides_agree(world: World) -> None:
    """NetSuite signs a new challenge and OpenAir is read; if both hold the candidate, nothing is written."""
    rotation = world.rotation(AT)
    done = verify(rotation, world.ports, world.attempt)
    seen = Receipt(world.candidate.fingerprint, NOW + timedelta(seconds=2 * REMOTE_CALL))
    assert seen == done
    assert ["netsuite.sign", "openair.read"] == world.calls


def test_the_old_confirmation_is_not_enough(world: World) -> None:
    """NetSuite is asked again even if the confirmation is recent."""
    rotation = world.rotation(AT)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        verify(rotation, world.ports, world.attempt)


@pytest.mark.parametrize("content", ["none", "previous", "foreign"])
def test_drift_is_noticed(world: World, content: str) -> None:
    """If OpenAir holds no certificate or another one, the rotation does not complete."""
    rotation = world.rotation(AT)
    certificates = {"none": None, "previous": world.previous.certificate, "foreign": a_pair().certificate}
    world.openair.held = certificates[content]
    with pytest.raises(Drift):
        verify(rotation, world.ports, world.attempt)


def test_foreign_is_reported_before_drift(world: World) -> None:
    """If both systems changed, NetSuite's change is reported, and OpenAir is not read."""
    rotation = world.rotation(AT)
    world.netsuite.hold(a_pair())
    world.openair.held = None
    with pytest.raises(ForeignRotation):
        verify(rotation, world.ports, world.attempt)
    assert "openair.read" not in world.calls


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("netsuite.sign", Throttled()),
        ("netsuite.sign", CertificateRecordMissing()),
        ("openair.read", Throttled()),
    ],
)
def test_a_side_that_cannot_be_asked_verifies_nothing(world: World, call: str, error: KeyturnError) -> None:
    """If a system cannot be asked, its error is raised unchanged."""
    world.will_fail(call, error)
    with pytest.raises(type(error)):
        verify(world.rotation(AT), world.ports, world.attempt)


def test_the_candidate_is_put_back_where_a_person_allowed_it(world: World) -> None:
    """With permission to overwrite a foreign certificate, the candidate is installed again and confirmed."""
    rotation = world.rotation(AT, may_overwrite=True)
    world.netsuite.hold(a_pair())
    assert verify(rotation, world.ports, world.attempt)
    assert ["netsuite.sign", "openair.read", "netsuite.install", "openair.read"] == world.calls


def a_drifted_rotation(world: World, **changes: Any) -> Rotation:
    """Return a rotation that may overwrite, with a foreign certificate in OpenAir."""
    rotation = world.rotation(AT, may_overwrite=True, **changes)
    world.openair.held = a_pair().certificate
    return rotation


def test_a_lost_save_is_looked_for_twice(world: World) -> None:
    """If the answer to a save by verify is lost and two reads do not find it, the outcome is unknown."""
    world.will_fail("openair.save", Unknown())
    with pytest.raises(Unknown):
        verify(a_drifted_rotation(world), world.ports, world.attempt)
    saved = ["openair.save", "unknown", "openair.read", "openair.read"]
    assert ["netsuite.sign", "openair.read", *saved] == world.calls
    assert [READ_BACK_DELAY] == world.clock.slept


def test_after_doubt_there_are_two_looks_before_saving(world: World) -> None:
    """In doubt the step reads twice before it saves again, because the first save may still take effect."""
    done = verify(a_drifted_rotation(world, doubt_since=NOW), world.ports, world.attempt)
    assert done
    looks = ["netsuite.sign", "openair.read", "openair.read"]
    assert [*looks, "openair.save", "openair.read"] == world.calls


def test_after_doubt_a_late_landing_is_not_repeated(world: World) -> None:
    """A save that takes effect between the two reads is not sent again."""
    rotation = a_drifted_rotation(world, doubt_since=NOW)
    world.clock.later(1, partial(setattr, world.openair, "held", world.candidate.certificate))
    assert verify(rotation, world.ports, world.attempt)
    assert [] == world.saved


def test_permission_to_create_is_no_permission_to_overwrite(world: World) -> None:
    """Permission to create a record does not allow replacing a foreign key."""
    rotation = world.rotation(AT, may_create_record=True, previous=None)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        verify(rotation, world.ports, world.attempt)
    assert [] == world.installed


def test_a_drifted_rotation_has_a_way_out(world: World) -> None:
    """The next action of Drift, resuming with permission to overwrite, completes the rotation."""
    assert ["rotation resume ID --overwrite"] == commands(Drift().next_action)
    rotation = world.rotation(AT, may_overwrite=True)
    world.openair.held = a_pair().certificate
    assert verify(rotation, world.ports, world.attempt)
    assert [world.candidate.fingerprint] == world.saved
