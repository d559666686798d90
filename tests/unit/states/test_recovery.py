"""Restoring and adopting: the requests to both systems, their order, and the refusals."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.advice import commands, text
from support.factories import changed
from support.fake_systems import REMOTE_CALL
from support.pairs import NOW, a_pair
from unit.states.fake_world import World
from unit.states.rotations import ID, parked

from states import recovery
from states.errors import (
    CannotSign,
    CertificateRecordMissing,
    Drift,
    ForeignRotation,
    IllegalMove,
    KeyturnError,
    NotConfirmed,
    TryLater,
    Unknown,
)
from states.ports import Report
from states.rotation import Confirmation, PrivateKey, Rotation
from states.state import State

LOOK = ["openair.read", "netsuite.sign"]
AGAIN = ["netsuite.sign"]
A_CALL = timedelta(seconds=REMOTE_CALL)
DEADLINE = NOW + timedelta(minutes=2)


def a_parked(world: World, position: State = State.UPLOADED_TO_NETSUITE, **changes: Any) -> Rotation:
    """Return a rotation parked in ``position``, with systems that match it."""
    return parked(world.rotation(position, **changes))


def find(world: World, rotation: Rotation, *, may_overwrite: bool = False) -> Confirmation | None:
    return recovery.find_previous(rotation, world.ports, may_overwrite=may_overwrite)


def put_back(world: World, rotation: Rotation) -> Confirmation:
    key = world.previous.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return recovery.put_previous_back(rotation, PrivateKey(key), world.ports, deadline=DEADLINE)


# --- seeing whether it helps ------------------------------------------------------------------------------------------


def test_the_candidate_may_be_replaced(world: World) -> None:
    """If NetSuite signs with the candidate and OpenAir holds the previous certificate, it must be installed again."""
    assert None is find(world, a_parked(world))
    assert LOOK == world.calls


def test_the_previous_certificate_is_there_already(world: World) -> None:
    """If NetSuite signs with the previous certificate, that is the proof, and nothing is sent."""
    rotation = a_parked(world)
    world.netsuite.hold(world.previous)
    proof = find(world, rotation)
    assert proof
    assert (world.previous.fingerprint, ID) == (proof.fingerprint, proof.rotation_id)
    assert NOW + A_CALL == proof.asked_at


def test_in_doubt_netsuite_is_asked_twice(world: World) -> None:
    """In doubt NetSuite is asked twice, because an earlier request may take effect between the two."""
    rotation = a_parked(world, doubt_since=NOW)
    world.clock.later(1, lambda: world.netsuite.hold(world.previous))
    assert find(world, rotation)
    assert [*LOOK, *AGAIN] == world.calls
    assert [2.0] == world.clock.slept


def test_in_doubt_netsuite_is_asked_no_more_than_twice(world: World) -> None:
    """If the second read does not find the previous certificate, it must be installed again."""
    assert None is find(world, a_parked(world, doubt_since=NOW))
    assert [*LOOK, *AGAIN] == world.calls


def test_a_rotation_that_made_no_candidate(world: World) -> None:
    """Without a candidate, any certificate other than the previous one is foreign, in either system."""
    rotation = changed(a_parked(world), candidate=None)
    with pytest.raises(ForeignRotation):
        find(world, rotation)
    world.openair.held = world.candidate.certificate
    with pytest.raises(Drift):
        find(world, rotation)


def test_openair_that_holds_the_candidate_is_no_case_for_restoring(world: World) -> None:
    """If OpenAir holds the candidate, a restore is refused without asking NetSuite, and resuming is advised."""
    rotation = a_parked(world, State.SAVED_TO_OPENAIR)
    with pytest.raises(IllegalMove, match="going on helps") as caught:
        find(world, rotation)
    assert (["rotation resume ID"], ["openair.read"]) == (commands(caught.value.next_action), world.calls)


@pytest.mark.parametrize("holds", ["another", "none"])
def test_openair_that_lost_the_previous_certificate(world: World, holds: str) -> None:
    """If OpenAir does not hold the previous certificate, a restore is refused, because imports would stay refused."""
    rotation = a_parked(world)
    world.openair.held = a_pair().certificate if holds == "another" else None
    with pytest.raises(Drift, match="does not help"):
        find(world, rotation)
    assert ["openair.read"] == world.calls


def test_a_strangers_key_stays(world: World) -> None:
    """A foreign key in NetSuite is replaced only if a person allows it."""
    rotation = a_parked(world)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation) as caught:
        find(world, rotation)
    assert ["rotation restore ID --overwrite"] == commands(caught.value.next_action)
    assert None is find(world, rotation, may_overwrite=True)


def test_a_mute_record_stays(world: World) -> None:
    """A record that cannot sign is replaced only if a person allows it, because its owner is unknown."""
    rotation = a_parked(world)
    world.netsuite.can_sign = False
    with pytest.raises(CannotSign) as caught:
        find(world, rotation)
    assert ["rotation restore ID --overwrite"] == commands(caught.value.next_action)
    assert isinstance(caught.value.__cause__, CannotSign)
    assert None is find(world, rotation, may_overwrite=True)


@pytest.mark.parametrize("may_overwrite", [False, True])
def test_a_missing_record_is_not_created(world: World, may_overwrite: bool) -> None:  # noqa: FBT001
    """If the record is missing, the next action is the vendor's repair and then the same verb."""
    rotation = a_parked(world)
    world.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing) as caught:
        find(world, rotation, may_overwrite=may_overwrite)
    assert text(caught.value.next_action).endswith("Then run `keyturn rotation restore ID`.")
    assert isinstance(caught.value.__cause__, CertificateRecordMissing)


@pytest.mark.parametrize("can_sign", [False, True])
def test_the_placeholder_is_replaced(world: World, can_sign: bool) -> None:  # noqa: FBT001
    """After the vendor's repair the record holds the placeholder, which is replaced without further permission."""
    rotation = a_parked(world)
    world.netsuite.hold_placeholder(can_sign=can_sign)
    assert None is find(world, rotation)


@pytest.mark.parametrize("can_sign", [True, False])
def test_a_record_that_vanishes_between_two_questions_is_missing(world: World, can_sign: bool) -> None:  # noqa: FBT001
    """A record that disappears between two requests is reported as missing, and not as foreign."""
    rotation = a_parked(world)
    world.netsuite.hold(a_pair(), can_sign=can_sign)
    world.will_answer("netsuite.report", Report(record=None, server_time=NOW, bundles={}))
    with pytest.raises(CertificateRecordMissing) as caught:
        find(world, rotation)
    assert text(caught.value.next_action).endswith("Then run `keyturn rotation restore ID`.")


# --- putting it back --------------------------------------------------------------------------------------------------


def test_the_previous_certificate_is_put_back(world: World) -> None:
    """The install's signature proves the restore; then OpenAir is read, and never written."""
    proof = put_back(world, a_parked(world))
    assert ["netsuite.install", "openair.read"] == world.calls
    assert (world.previous.fingerprint, NOW) == (proof.fingerprint, proof.asked_at)
    assert ([world.previous.fingerprint], []) == (world.installed, world.saved)


def test_a_record_that_vanished_is_not_made(world: World) -> None:
    """A restore creates no missing record."""
    rotation = a_parked(world)
    world.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing):
        put_back(world, rotation)
    assert [] == world.installed


@pytest.mark.parametrize("late", [None, 1.0])
def test_a_lost_answer_is_read_back(world: World, late: float | None) -> None:
    """After a lost answer, two reads find the install, and it is not sent again."""
    rotation = a_parked(world)
    world.will_fail("netsuite.install", Unknown(), applied=late is None, late=late)
    assert world.previous.fingerprint == put_back(world, rotation).fingerprint
    assert 1 == world.calls.count("netsuite.install")


def test_a_lost_answer_may_stay_lost(world: World) -> None:
    """If two reads do not find the install, its outcome is unknown, also if another key is there."""
    rotation, lost = a_parked(world), Unknown()
    world.netsuite.hold(a_pair())
    world.will_fail("netsuite.install", lost)
    with pytest.raises(Unknown, match="does not sign with it so far") as caught:
        put_back(world, rotation)
    assert lost is caught.value.__cause__
    assert ["netsuite.install", *AGAIN, *AGAIN] == world.calls


@pytest.mark.parametrize("error", [TryLater(), CertificateRecordMissing()])
def test_a_blind_look_leaves_the_doubt(world: World, error: KeyturnError) -> None:
    """If NetSuite cannot be asked after a lost answer, the outcome is unknown."""
    rotation = a_parked(world)
    world.will_fail("netsuite.install", Unknown())
    world.will_fail("netsuite.sign", error)
    with pytest.raises(Unknown, match="cannot be asked now") as caught:
        put_back(world, rotation)
    assert type(error) is type(caught.value.__cause__)


def test_an_answer_of_another_key_is_no_proof(world: World) -> None:
    """An install that returns another key's signature has an unknown outcome."""
    rotation = a_parked(world)
    world.will_answer("netsuite.install", "bm90IGEgc2lnbmF0dXJl")
    with pytest.raises(Unknown):
        put_back(world, rotation)


def test_netsuite_refuses_what_comes_too_late(world: World) -> None:
    """The request has a deadline, so a delayed install cannot undo a later one."""
    rotation = a_parked(world)
    world.clock.advance(121)
    with pytest.raises(TryLater):
        put_back(world, rotation)
    assert [] == world.installed


def test_a_change_in_openair_is_reported(world: World) -> None:
    """After the install OpenAir is read again, and a change there is reported."""
    rotation = a_parked(world)

    def save() -> None:
        world.openair.held = world.candidate.certificate

    world.will_go_well("netsuite.install", after=save)
    with pytest.raises(IllegalMove, match="going on helps"):
        put_back(world, rotation)


# --- adopting ---------------------------------------------------------------------------------------------------------


def test_what_both_sides_hold_is_found(world: World) -> None:
    """Adopting needs a signature of NetSuite that verifies with OpenAir's certificate."""
    stranger = a_pair()
    rotation = a_parked(world)
    world.netsuite.hold(stranger)
    world.openair.held = stranger.certificate
    proof = recovery.find_agreement(rotation, world.ports)
    assert (stranger.certificate, LOOK, []) == (proof.certificate, world.calls, world.installed)
    assert NOW + A_CALL == proof.asked_at


@pytest.mark.parametrize("holds", ["previous", "none"])
def test_half_a_change_is_not_adopted(world: World, holds: str) -> None:
    """If OpenAir holds another certificate or none, adopting is refused."""
    rotation = a_parked(world)
    world.netsuite.hold(a_pair())
    world.openair.held = world.previous.certificate if holds == "previous" else None
    with pytest.raises(Drift) as caught:
        recovery.find_agreement(rotation, world.ports)
    assert ["rotation adopt ID", "rotation resume ID --overwrite"] == commands(caught.value.next_action)
    if holds == "previous":
        assert "signs with another key" in caught.value.message
        assert isinstance(caught.value.__cause__, NotConfirmed)


def test_without_a_previous_certificate_nothing_is_restored(world: World) -> None:
    """Without a previous certificate a restore is refused."""
    rotation = replace(a_parked(world), previous=None)
    with pytest.raises(IllegalMove, match="no previous certificate"):
        find(world, rotation)
