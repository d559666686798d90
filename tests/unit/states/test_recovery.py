"""Restoring and adopting: what is asked of both systems, in which order, and what is refused."""

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
    """A rotation that is parked in ``position``, and systems to match."""
    return parked(world.rotation(position, **changes))


def find(world: World, rotation: Rotation, *, may_overwrite: bool = False) -> Confirmation | None:
    return recovery.find_previous(rotation, world.ports, may_overwrite=may_overwrite)


def put_back(world: World, rotation: Rotation) -> Confirmation:
    key = world.previous.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return recovery.put_previous_back(rotation, PrivateKey(key), world.ports, deadline=DEADLINE)


# --- seeing whether it helps ------------------------------------------------------------------------------------------


def test_the_candidate_may_be_replaced(world: World) -> None:
    """NetSuite signs with the candidate, OpenAir holds the previous certificate: that has to be put back."""
    assert None is find(world, a_parked(world))
    assert LOOK == world.calls


def test_the_previous_certificate_is_there_already(world: World) -> None:
    """NetSuite signs with it: that proof is enough, and nothing has to be sent."""
    rotation = a_parked(world)
    world.netsuite.hold(world.previous)
    proof = find(world, rotation)
    assert proof
    assert (world.previous.fingerprint, ID) == (proof.fingerprint, proof.rotation_id)
    assert NOW + A_CALL == proof.asked_at


def test_in_doubt_netsuite_is_asked_twice(world: World) -> None:
    """What an earlier call sent may land between the looks, and is then not sent again."""
    rotation = a_parked(world, doubt_since=NOW)
    world.clock.later(1, lambda: world.netsuite.hold(world.previous))
    assert find(world, rotation)
    assert [*LOOK, *AGAIN] == world.calls
    assert [2.0] == world.clock.slept


def test_in_doubt_netsuite_is_asked_no_more_than_twice(world: World) -> None:
    """What was not found by the second look has to be put back."""
    assert None is find(world, a_parked(world, doubt_since=NOW))
    assert [*LOOK, *AGAIN] == world.calls


def test_a_rotation_that_made_no_candidate(world: World) -> None:
    """Without a candidate, whatever is not the previous certificate is a stranger's, on either side."""
    rotation = changed(a_parked(world), candidate=None)
    with pytest.raises(ForeignRotation):
        find(world, rotation)
    world.openair.held = world.candidate.certificate
    with pytest.raises(Drift):
        find(world, rotation)


def test_openair_that_holds_the_candidate_is_no_case_for_restoring(world: World) -> None:
    """Both sides agree already, or nearly: resuming is the way; NetSuite is not even asked."""
    rotation = a_parked(world, State.SAVED_TO_OPENAIR)
    with pytest.raises(IllegalMove, match="going on helps") as caught:
        find(world, rotation)
    assert (["rotation resume ID"], ["openair.read"]) == (commands(caught.value.next_action), world.calls)


@pytest.mark.parametrize("holds", ["another", "none"])
def test_openair_that_lost_the_previous_certificate(world: World, holds: str) -> None:
    """Without the previous certificate in OpenAir, putting it back into NetSuite would help nobody."""
    rotation = a_parked(world)
    world.openair.held = a_pair().certificate if holds == "another" else None
    with pytest.raises(Drift, match="does not help"):
        find(world, rotation)
    assert ["openair.read"] == world.calls


def test_a_strangers_key_stays(world: World) -> None:
    """A key that is neither the candidate's nor the previous one's is replaced only when a person says so."""
    rotation = a_parked(world)
    world.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation) as caught:
        find(world, rotation)
    assert ["rotation restore ID --overwrite"] == commands(caught.value.next_action)
    assert None is find(world, rotation, may_overwrite=True)


def test_a_mute_record_stays(world: World) -> None:
    """Nobody can tell whose a record is that cannot sign, so that too needs a person's word."""
    rotation = a_parked(world)
    world.netsuite.can_sign = False
    with pytest.raises(CannotSign) as caught:
        find(world, rotation)
    assert ["rotation restore ID --overwrite"] == commands(caught.value.next_action)
    assert isinstance(caught.value.__cause__, CannotSign)
    assert None is find(world, rotation, may_overwrite=True)


@pytest.mark.parametrize("may_overwrite", [False, True])
def test_a_missing_record_is_not_created(world: World, may_overwrite: bool) -> None:  # noqa: FBT001
    """The vendor's repair comes first, whatever a person allowed; then the same verb again."""
    rotation = a_parked(world)
    world.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing) as caught:
        find(world, rotation, may_overwrite=may_overwrite)
    assert text(caught.value.next_action).endswith("Then run `keyturn rotation restore ID`.")
    assert isinstance(caught.value.__cause__, CertificateRecordMissing)


@pytest.mark.parametrize("can_sign", [False, True])
def test_the_placeholder_is_nobodys(world: World, can_sign: bool) -> None:  # noqa: FBT001
    """After the vendor's repair of a missing record, which advises the same verb again, it goes on without more."""
    rotation = a_parked(world)
    world.netsuite.hold_placeholder(can_sign=can_sign)
    assert None is find(world, rotation)


@pytest.mark.parametrize("can_sign", [True, False])
def test_a_record_that_vanishes_between_two_questions_is_missing(world: World, can_sign: bool) -> None:  # noqa: FBT001
    """NetSuite still answered for it, then has no record: overwriting cannot succeed, the vendor's repair can."""
    rotation = a_parked(world)
    world.netsuite.hold(a_pair(), can_sign=can_sign)
    world.will_answer("netsuite.report", Report(record=None, server_time=NOW, bundles={}))
    with pytest.raises(CertificateRecordMissing) as caught:
        find(world, rotation)
    assert text(caught.value.next_action).endswith("Then run `keyturn rotation restore ID`.")


# --- putting it back --------------------------------------------------------------------------------------------------


def test_the_previous_certificate_is_put_back(world: World) -> None:
    """NetSuite proves it by the install's own signature, then OpenAir is read; OpenAir is never written."""
    proof = put_back(world, a_parked(world))
    assert ["netsuite.install", "openair.read"] == world.calls
    assert (world.previous.fingerprint, NOW) == (proof.fingerprint, proof.asked_at)
    assert ([world.previous.fingerprint], []) == (world.installed, world.saved)


def test_a_record_that_vanished_is_not_made(world: World) -> None:
    """A restore creates no record: that is the vendor's repair."""
    rotation = a_parked(world)
    world.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing):
        put_back(world, rotation)
    assert [] == world.installed


@pytest.mark.parametrize("late", [None, 1.0])
def test_a_lost_answer_is_read_back(world: World, late: float | None) -> None:
    """The install happened at once or a moment later: two looks find it, and it is not sent again."""
    rotation = a_parked(world)
    world.will_fail("netsuite.install", Unknown(), applied=late is None, late=late)
    assert world.previous.fingerprint == put_back(world, rotation).fingerprint
    assert 1 == world.calls.count("netsuite.install")


def test_a_lost_answer_may_stay_lost(world: World) -> None:
    """When two looks do not find it, nothing is said but that nobody knows, whoever's key is there meanwhile."""
    rotation, lost = a_parked(world), Unknown()
    world.netsuite.hold(a_pair())
    world.will_fail("netsuite.install", lost)
    with pytest.raises(Unknown, match="does not sign with it so far") as caught:
        put_back(world, rotation)
    assert lost is caught.value.__cause__
    assert ["netsuite.install", *AGAIN, *AGAIN] == world.calls


@pytest.mark.parametrize("error", [TryLater(), CertificateRecordMissing()])
def test_a_blind_look_leaves_the_doubt(world: World, error: KeyturnError) -> None:
    """Whatever keeps us from looking, what was sent stays unknown."""
    rotation = a_parked(world)
    world.will_fail("netsuite.install", Unknown())
    world.will_fail("netsuite.sign", error)
    with pytest.raises(Unknown, match="cannot be asked now") as caught:
        put_back(world, rotation)
    assert type(error) is type(caught.value.__cause__)


def test_an_answer_of_another_key_is_no_proof(world: World) -> None:
    """An install that answers with another key's signature counts as lost."""
    rotation = a_parked(world)
    world.will_answer("netsuite.install", "bm90IGEgc2lnbmF0dXJl")
    with pytest.raises(Unknown):
        put_back(world, rotation)


def test_netsuite_refuses_what_comes_too_late(world: World) -> None:
    """The deadline goes with the request: what is delayed on its way cannot undo what came after it."""
    rotation = a_parked(world)
    world.clock.advance(121)
    with pytest.raises(TryLater):
        put_back(world, rotation)
    assert [] == world.installed


def test_openair_that_was_changed_meanwhile_is_told(world: World) -> None:
    """Both sides agree only when OpenAir still holds the previous certificate after NetSuite took it."""
    rotation = a_parked(world)

    def save() -> None:
        world.openair.held = world.candidate.certificate

    world.will_go_well("netsuite.install", after=save)
    with pytest.raises(IllegalMove, match="going on helps"):
        put_back(world, rotation)


# --- adopting ---------------------------------------------------------------------------------------------------------


def test_what_both_sides_hold_is_found(world: World) -> None:
    """NetSuite's signature verifies with OpenAir's certificate: that is the proof, whosever it is."""
    stranger = a_pair()
    rotation = a_parked(world)
    world.netsuite.hold(stranger)
    world.openair.held = stranger.certificate
    proof = recovery.find_agreement(rotation, world.ports)
    assert (stranger.certificate, LOOK, []) == (proof.certificate, world.calls, world.installed)
    assert NOW + A_CALL == proof.asked_at


@pytest.mark.parametrize("holds", ["previous", "none"])
def test_half_a_change_is_not_adopted(world: World, holds: str) -> None:
    """While OpenAir holds another certificate or none, imports are refused: the stranger has to finish, or we."""
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
    """The initial set-up has nothing to go back to."""
    rotation = replace(a_parked(world), previous=None)
    with pytest.raises(IllegalMove, match="no previous certificate"):
        find(world, rotation)
