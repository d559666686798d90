"""save_to_openair saves only a certificate that NetSuite has just confirmed."""

from datetime import timedelta

import pytest
from support.advice import commands
from support.pairs import NOW, a_pair
from unit.states.fake_world import World
from unit.states.rotations import a_confirmation
from unit.states.save_calls import AT, SAVED, stale

from states.errors import CertificateRecordMissing, ForeignRotation, IllegalMove, KeyturnError, SignInRefused, Throttled
from states.steps import save_to_openair

FIVE_SECONDS = timedelta(seconds=5)


def test_nothing_is_saved_without_a_confirmation(world: World) -> None:
    """Rule 1: without a confirmation nothing is sent to OpenAir, in any state."""
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(world.rotation(AT, confirmation=None), world.ports, world.attempt)
    assert [] == world.calls


def test_nothing_is_saved_with_the_confirmation_of_another_rotation(world: World) -> None:
    """A confirmation of another rotation is refused, and nothing is sent."""
    other = a_confirmation(world.candidate, rotation_id="01ANOTHERROTATION000000001")
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(world.rotation(AT, confirmation=other), world.ports, world.attempt)
    assert [] == world.calls


def test_nothing_is_saved_with_the_confirmation_of_another_certificate(world: World) -> None:
    """A confirmation of another certificate is refused, and nothing is sent."""
    other = a_confirmation(a_pair())
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(world.rotation(AT, confirmation=other), world.ports, world.attempt)
    assert [] == world.calls


@pytest.mark.parametrize(
    ("age", "asked_again"),
    [(timedelta(0), False), (FIVE_SECONDS, False), (FIVE_SECONDS + timedelta(microseconds=1), True)],
)
def test_an_old_confirmation_is_proved_again(world: World, age: timedelta, asked_again: bool) -> None:  # noqa: FBT001
    """A confirmation older than five seconds is renewed by a signature of NetSuite before the save."""
    rotation = world.rotation(AT, confirmation=a_confirmation(world.candidate, asked_at=NOW - age))
    save_to_openair(rotation, world.ports, world.attempt)
    assert (["netsuite.sign"] if asked_again else []) + SAVED == world.calls


def test_a_foreign_change_in_between_keeps_openair_unwritten(world: World) -> None:
    """If NetSuite no longer signs with the candidate, nothing is saved."""
    rotation = stale(world)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        save_to_openair(rotation, world.ports, world.attempt)
    assert ([], []) == (world.installed, world.saved)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CertificateRecordMissing(), CertificateRecordMissing),
        (Throttled(), Throttled),
        (SignInRefused(), SignInRefused),
    ],
)
def test_openair_is_not_written_where_netsuite_does_not_prove(
    world: World, error: KeyturnError, expected: type[KeyturnError]
) -> None:
    """If NetSuite cannot sign, nothing is sent to OpenAir."""
    world.will_fail("netsuite.sign", error)
    with pytest.raises(expected):
        save_to_openair(stale(world), world.ports, world.attempt)
    assert ["netsuite.sign"] == world.calls


def test_a_foreign_certificate_is_replaced_where_a_person_allowed_it(world: World) -> None:
    """With permission to overwrite, the candidate is installed again and confirmed, and only then saved."""
    rotation = stale(world, may_overwrite=True)
    world.netsuite.hold(a_pair())
    save_to_openair(rotation, world.ports, world.attempt)
    assert ["netsuite.sign", "openair.read", "netsuite.install", *SAVED] == world.calls
    assert [world.candidate.fingerprint] == world.saved


def test_a_deleted_record_is_made_again_where_a_person_allowed_it(world: World) -> None:
    """With permission to create, a record that was deleted after the upload is created again."""
    rotation = stale(world, may_create_record=True)
    world.netsuite.hold(None)
    save_to_openair(rotation, world.ports, world.attempt)
    assert ["netsuite.sign", "openair.read", "netsuite.install", *SAVED] == world.calls


@pytest.mark.parametrize("initial", [False, True])
def test_permission_to_create_is_no_permission_to_overwrite(world: World, initial: bool) -> None:  # noqa: FBT001
    """Permission to create a record does not allow replacing a foreign key."""
    changes = {"previous": None} if initial else {}
    rotation = stale(world, may_create_record=True, **changes)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        save_to_openair(rotation, world.ports, world.attempt)
    assert ([], []) == (world.installed, world.saved)


def test_permission_to_create_does_not_undo_a_way_back(world: World) -> None:
    """A previous certificate that another party installed again is a foreign change."""
    rotation = stale(world, may_create_record=True)
    world.netsuite.hold(world.previous)
    with pytest.raises(ForeignRotation):
        save_to_openair(rotation, world.ports, world.attempt)
    assert ([], []) == (world.installed, world.saved)


def test_the_previous_certificate_is_not_called_foreign(world: World) -> None:
    """If NetSuite signs with the previous key again, the upload may show late, so the first advice is to resume."""
    rotation = stale(world)
    world.netsuite.hold(world.previous)
    with pytest.raises(ForeignRotation, match="signs with the previous certificate again") as caught:
        save_to_openair(rotation, world.ports, world.attempt)
    expected = ["rotation resume ID", "rotation adopt ID", "rotation resume ID --overwrite"]
    assert expected == commands(caught.value.next_action)


@pytest.mark.parametrize("can_sign", [False, True])
def test_a_repaired_record_gets_the_candidate(world: World, can_sign: bool) -> None:  # noqa: FBT001
    """After the vendor's repair of a deleted record, the candidate is installed and confirmed again, and then saved."""
    rotation = stale(world)
    world.netsuite.hold_placeholder(can_sign=can_sign)
    assert save_to_openair(rotation, world.ports, world.attempt)
    assert [world.candidate.fingerprint] == world.installed
    assert world.calls.index("netsuite.install") < world.calls.index("openair.save")


def test_doubt_does_not_replace_the_confirmation(world: World) -> None:
    """Even if OpenAir holds the candidate, a rotation without a confirmation does not move on."""
    rotation = world.rotation(AT, doubt_since=NOW, confirmation=None)
    world.openair.held = world.candidate.certificate
    with pytest.raises(IllegalMove):
        save_to_openair(rotation, world.ports, world.attempt)
