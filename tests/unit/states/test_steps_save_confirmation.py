"""save_to_openair: nothing is saved but what NetSuite has just confirmed."""

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
    """Rule 1, even for a rotation that claims to be that far: OpenAir hears nothing."""
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(world.rotation(AT, confirmation=None), world.ports, world.attempt)
    assert [] == world.calls


def test_nothing_is_saved_with_the_confirmation_of_another_rotation(world: World) -> None:
    """The confirmation names the rotation that asked for it."""
    other = a_confirmation(world.candidate, rotation_id="01ANOTHERROTATION000000001")
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(world.rotation(AT, confirmation=other), world.ports, world.attempt)
    assert [] == world.calls


def test_nothing_is_saved_with_the_confirmation_of_another_certificate(world: World) -> None:
    """NetSuite proved some certificate, but not this rotation's candidate."""
    other = a_confirmation(a_pair())
    with pytest.raises(IllegalMove, match="OpenAir is not written"):
        save_to_openair(world.rotation(AT, confirmation=other), world.ports, world.attempt)
    assert [] == world.calls


@pytest.mark.parametrize(
    ("age", "asked_again"),
    [(timedelta(0), False), (FIVE_SECONDS, False), (FIVE_SECONDS + timedelta(microseconds=1), True)],
)
def test_an_old_confirmation_is_proved_again(world: World, age: timedelta, asked_again: bool) -> None:  # noqa: FBT001
    """Up to five seconds old it is used; older, NetSuite must sign once more before OpenAir is written."""
    rotation = world.rotation(AT, confirmation=a_confirmation(world.candidate, asked_at=NOW - age))
    save_to_openair(rotation, world.ports, world.attempt)
    assert (["netsuite.sign"] if asked_again else []) + SAVED == world.calls


def test_a_foreign_change_in_between_keeps_openair_unwritten(world: World) -> None:
    """NetSuite no longer signs with the candidate: the certificate would fit nobody's key."""
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
    """Whatever keeps NetSuite from signing keeps OpenAir unwritten."""
    world.will_fail("netsuite.sign", error)
    with pytest.raises(expected):
        save_to_openair(stale(world), world.ports, world.attempt)
    assert ["netsuite.sign"] == world.calls


def test_a_foreign_certificate_is_replaced_where_a_person_allowed_it(world: World) -> None:
    """`--overwrite`: the candidate goes back into NetSuite, is proved there, and only then saved."""
    rotation = stale(world, may_overwrite=True)
    world.netsuite.hold(a_pair())
    save_to_openair(rotation, world.ports, world.attempt)
    assert ["netsuite.sign", "openair.read", "netsuite.install", *SAVED] == world.calls
    assert [world.candidate.fingerprint] == world.saved


def test_a_deleted_record_is_made_again_where_a_person_allowed_it(world: World) -> None:
    """`--create-record`, now that the record was deleted after the upload."""
    rotation = stale(world, may_create_record=True)
    world.netsuite.hold(None)
    save_to_openair(rotation, world.ports, world.attempt)
    assert ["netsuite.sign", "openair.read", "netsuite.install", *SAVED] == world.calls


@pytest.mark.parametrize("initial", [False, True])
def test_permission_to_create_is_no_permission_to_overwrite(world: World, initial: bool) -> None:  # noqa: FBT001
    """The record is there and holds a stranger's key: `--create-record` does not allow replacing it."""
    changes = {"previous": None} if initial else {}
    rotation = stale(world, may_create_record=True, **changes)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation):
        save_to_openair(rotation, world.ports, world.attempt)
    assert ([], []) == (world.installed, world.saved)


def test_permission_to_create_does_not_undo_a_way_back(world: World) -> None:
    """Somebody put the previous certificate back after the upload: that is a foreign change like any other."""
    rotation = stale(world, may_create_record=True)
    world.netsuite.hold(world.previous)
    with pytest.raises(ForeignRotation):
        save_to_openair(rotation, world.ports, world.attempt)
    assert ([], []) == (world.installed, world.saved)


def test_a_way_back_is_not_called_a_strangers_key(world: World) -> None:
    """NetSuite signs with the previous key again: it may only show the upload late, so a second look is advised."""
    rotation = stale(world)
    world.netsuite.hold(world.previous)
    with pytest.raises(ForeignRotation, match="signs with the previous certificate again") as caught:
        save_to_openair(rotation, world.ports, world.attempt)
    expected = ["rotation resume ID", "rotation adopt ID", "rotation resume ID --overwrite"]
    assert expected == commands(caught.value.next_action)


@pytest.mark.parametrize("can_sign", [False, True])
def test_a_repaired_record_is_carried_on_with(world: World, can_sign: bool) -> None:  # noqa: FBT001
    """The record was deleted after the upload and made again by the vendor's repair, so it holds the placeholder.

    The rotation is resumed as the repair says: the candidate goes in again, is proved, and only then saved.
    """
    rotation = stale(world)
    world.netsuite.hold_placeholder(can_sign=can_sign)
    assert save_to_openair(rotation, world.ports, world.attempt)
    assert [world.candidate.fingerprint] == world.installed
    assert world.calls.index("netsuite.install") < world.calls.index("openair.save")


def test_doubt_does_not_replace_the_confirmation(world: World) -> None:
    """Even where OpenAir holds the candidate, a rotation without a confirmation goes no further."""
    rotation = world.rotation(AT, doubt_since=NOW, confirmation=None)
    world.openair.held = world.candidate.certificate
    with pytest.raises(IllegalMove):
        save_to_openair(rotation, world.ports, world.attempt)
