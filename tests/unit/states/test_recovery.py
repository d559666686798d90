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
from unit.states.rotations import ID, parked
from unit.states.step_systems import StepSystems

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


def a_parked(systems: StepSystems, position: State = State.UPLOADED_TO_NETSUITE, **changes: Any) -> Rotation:
    """Return a rotation parked in ``position``, with systems that match it."""
    return parked(systems.rotation(position, **changes))


def find(systems: StepSystems, rotation: Rotation, *, may_overwrite: bool = False) -> Confirmation | None:
    return recovery.find_previous(rotation, systems.ports, may_overwrite=may_overwrite)


def put_back(systems: StepSystems, rotation: Rotation) -> Confirmation:
    key = systems.previous.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return recovery.put_previous_back(
        rotation, PrivateKey(key), systems.ports, deadline=DEADLINE, warn=systems.attempt.warn
    )


# --- seeing whether it helps ------------------------------------------------------------------------------------------


def test_the_candidate_may_be_replaced(systems: StepSystems) -> None:
    """If NetSuite signs with the candidate and OpenAir holds the previous certificate, it must be installed again."""
    assert None is find(systems, a_parked(systems))
    assert LOOK == systems.calls


def test_the_previous_certificate_is_there_already(systems: StepSystems) -> None:
    """If NetSuite signs with the previous certificate, that is the proof, and nothing is sent."""
    rotation = a_parked(systems)
    systems.netsuite.hold(systems.previous)
    proof = find(systems, rotation)
    assert proof
    assert (systems.previous.fingerprint, ID) == (proof.fingerprint, proof.rotation_id)
    assert NOW + A_CALL == proof.asked_at


def test_in_doubt_netsuite_is_asked_twice(systems: StepSystems) -> None:
    """In doubt NetSuite is asked twice, because an earlier request may take effect between the two."""
    rotation = a_parked(systems, doubt_since=NOW)
    systems.clock.later(1, lambda: systems.netsuite.hold(systems.previous))
    assert find(systems, rotation)
    assert [*LOOK, *AGAIN] == systems.calls
    assert [2.0] == systems.clock.slept


def test_in_doubt_netsuite_is_asked_no_more_than_twice(systems: StepSystems) -> None:
    """If the second read does not find the previous certificate, it must be installed again."""
    assert None is find(systems, a_parked(systems, doubt_since=NOW))
    assert [*LOOK, *AGAIN] == systems.calls


def test_a_rotation_that_made_no_candidate(systems: StepSystems) -> None:
    """Without a candidate, any certificate other than the previous one is foreign, in either system."""
    rotation = changed(a_parked(systems), candidate=None)
    with pytest.raises(ForeignRotation):
        find(systems, rotation)
    systems.openair.held = systems.candidate.certificate
    with pytest.raises(Drift):
        find(systems, rotation)


def test_openair_that_holds_the_candidate_is_no_case_for_restoring(systems: StepSystems) -> None:
    """If OpenAir holds the candidate, a restore is refused without asking NetSuite, and resuming is advised."""
    rotation = a_parked(systems, State.SAVED_TO_OPENAIR)
    with pytest.raises(IllegalMove, match="going on helps") as caught:
        find(systems, rotation)
    assert (["rotation resume ID"], ["openair.read"]) == (commands(caught.value.next_action), systems.calls)


@pytest.mark.parametrize("holds", ["another", "none"])
def test_openair_that_lost_the_previous_certificate(systems: StepSystems, holds: str) -> None:
    """If OpenAir does not hold the previous certificate, a restore is refused, because imports would stay refused."""
    rotation = a_parked(systems)
    systems.openair.held = a_pair().certificate if holds == "another" else None
    with pytest.raises(Drift, match="does not help"):
        find(systems, rotation)
    assert ["openair.read"] == systems.calls


def test_a_strangers_key_stays(systems: StepSystems) -> None:
    """A foreign key in NetSuite is replaced only if a person allows it."""
    rotation = a_parked(systems)
    systems.netsuite.hold(a_pair())
    with pytest.raises(ForeignRotation) as caught:
        find(systems, rotation)
    assert ["rotation restore ID", "rotation restore ID --overwrite"] == commands(caught.value.next_action)
    assert None is find(systems, rotation, may_overwrite=True)


def test_a_mute_record_stays(systems: StepSystems) -> None:
    """A record that cannot sign is replaced only if a person allows it, because its owner is unknown."""
    rotation = a_parked(systems)
    systems.netsuite.can_sign = False
    with pytest.raises(CannotSign) as caught:
        find(systems, rotation)
    assert ["rotation restore ID", "rotation restore ID --overwrite"] == commands(caught.value.next_action)
    assert isinstance(caught.value.__cause__, CannotSign)
    assert None is find(systems, rotation, may_overwrite=True)


@pytest.mark.parametrize("may_overwrite", [False, True])
def test_a_missing_record_is_not_created(systems: StepSystems, may_overwrite: bool) -> None:  # noqa: FBT001
    """If the record is missing, the next action is the vendor's repair and then the same verb."""
    rotation = a_parked(systems)
    systems.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing) as caught:
        find(systems, rotation, may_overwrite=may_overwrite)
    assert text(caught.value.next_action).endswith("Then run `keyturn rotation restore ID`.")
    assert isinstance(caught.value.__cause__, CertificateRecordMissing)


@pytest.mark.parametrize("can_sign", [False, True])
def test_the_placeholder_is_replaced(systems: StepSystems, can_sign: bool) -> None:  # noqa: FBT001
    """After the vendor's repair the record holds the placeholder, which is replaced without further permission."""
    rotation = a_parked(systems)
    systems.netsuite.hold_placeholder(can_sign=can_sign)
    assert None is find(systems, rotation)


@pytest.mark.parametrize("can_sign", [True, False])
def test_a_record_that_vanishes_between_two_questions_is_missing(systems: StepSystems, can_sign: bool) -> None:  # noqa: FBT001
    """A record that disappears between two requests is reported as missing, and not as foreign."""
    rotation = a_parked(systems)
    systems.netsuite.hold(a_pair(), can_sign=can_sign)
    systems.will_answer("netsuite.report", Report(record=None, server_time=NOW, bundles={}))
    with pytest.raises(CertificateRecordMissing) as caught:
        find(systems, rotation)
    assert text(caught.value.next_action).endswith("Then run `keyturn rotation restore ID`.")


# --- putting it back --------------------------------------------------------------------------------------------------


def test_the_previous_certificate_is_put_back(systems: StepSystems) -> None:
    """The install's signature proves the restore; then OpenAir is read, and never written."""
    proof = put_back(systems, a_parked(systems))
    assert ["netsuite.install", "openair.read"] == systems.calls
    assert (systems.previous.fingerprint, NOW) == (proof.fingerprint, proof.asked_at)
    assert ([systems.previous.fingerprint], []) == (systems.installed, systems.saved)


def test_a_record_that_vanished_is_not_made(systems: StepSystems) -> None:
    """A restore creates no missing record."""
    rotation = a_parked(systems)
    systems.netsuite.hold(None)
    with pytest.raises(CertificateRecordMissing):
        put_back(systems, rotation)
    assert [] == systems.installed


@pytest.mark.parametrize("late", [None, 1.0])
def test_a_lost_answer_is_read_back(systems: StepSystems, late: float | None) -> None:
    """After a lost answer, two reads find the install, and it is not sent again."""
    rotation = a_parked(systems)
    systems.will_fail("netsuite.install", Unknown(), applied=late is None, late=late)
    assert systems.previous.fingerprint == put_back(systems, rotation).fingerprint
    assert 1 == systems.calls.count("netsuite.install")


def test_a_lost_answer_may_stay_lost(systems: StepSystems) -> None:
    """If two reads do not find the install, its outcome is unknown, also if another key is there."""
    rotation, lost = a_parked(systems), Unknown()
    systems.netsuite.hold(a_pair())
    systems.will_fail("netsuite.install", lost)
    with pytest.raises(Unknown, match="does not sign with it so far") as caught:
        put_back(systems, rotation)
    assert lost is caught.value.__cause__
    assert ["netsuite.install", *AGAIN, *AGAIN] == systems.calls


@pytest.mark.parametrize("error", [TryLater(), CertificateRecordMissing()])
def test_a_blind_look_leaves_the_doubt(systems: StepSystems, error: KeyturnError) -> None:
    """If NetSuite cannot be asked after a lost answer, the outcome is unknown."""
    rotation = a_parked(systems)
    systems.will_fail("netsuite.install", Unknown())
    systems.will_fail("netsuite.sign", error)
    with pytest.raises(Unknown, match="cannot be asked now") as caught:
        put_back(systems, rotation)
    assert type(error) is type(caught.value.__cause__)


def test_an_answer_of_another_key_is_no_proof(systems: StepSystems) -> None:
    """An install that returns another key's signature has an unknown outcome."""
    rotation = a_parked(systems)
    systems.will_answer("netsuite.install", "bm90IGEgc2lnbmF0dXJl")
    with pytest.raises(Unknown):
        put_back(systems, rotation)


def test_netsuite_refuses_what_comes_too_late(systems: StepSystems) -> None:
    """The request has a deadline, so a delayed install cannot undo a later one."""
    rotation = a_parked(systems)
    systems.clock.advance(121)
    with pytest.raises(TryLater):
        put_back(systems, rotation)
    assert [] == systems.installed


def test_a_change_in_openair_is_reported(systems: StepSystems) -> None:
    """After the install OpenAir is read again, and a change there is reported."""
    rotation = a_parked(systems)

    def save() -> None:
        systems.openair.held = systems.candidate.certificate

    systems.will_go_well("netsuite.install", after=save)
    with pytest.raises(IllegalMove, match="going on helps"):
        put_back(systems, rotation)


# --- adopting ---------------------------------------------------------------------------------------------------------


def test_what_both_sides_hold_is_found(systems: StepSystems) -> None:
    """Adopting needs a signature of NetSuite that verifies with OpenAir's certificate."""
    stranger = a_pair()
    rotation = a_parked(systems)
    systems.netsuite.hold(stranger)
    systems.openair.held = stranger.certificate
    proof = recovery.find_agreement(rotation, systems.ports)
    assert (stranger.certificate, LOOK, []) == (proof.certificate, systems.calls, systems.installed)
    assert NOW + A_CALL == proof.asked_at


@pytest.mark.parametrize("holds", ["previous", "none"])
def test_half_a_change_is_not_adopted(systems: StepSystems, holds: str) -> None:
    """If OpenAir holds another certificate or none, adopting is refused."""
    rotation = a_parked(systems)
    systems.netsuite.hold(a_pair())
    systems.openair.held = systems.previous.certificate if holds == "previous" else None
    with pytest.raises(Drift) as caught:
        recovery.find_agreement(rotation, systems.ports)
    assert ["rotation adopt ID", "rotation resume ID --overwrite"] == commands(caught.value.next_action)
    if holds == "previous":
        assert "signs with another key" in caught.value.message
        assert isinstance(caught.value.__cause__, NotConfirmed)


@pytest.mark.parametrize("holds", ["previous", "none"])
def test_without_a_record_there_is_nothing_to_adopt(systems: StepSystems, holds: str) -> None:
    """If NetSuite's record is missing, that is said even where OpenAir holds none; going on can make another."""
    rotation = a_parked(systems)
    systems.netsuite.hold(None)
    systems.openair.held = systems.previous.certificate if holds == "previous" else None
    with pytest.raises(CertificateRecordMissing) as caught:
        recovery.find_agreement(rotation, systems.ports)
    assert ["rotation resume ID", "rotation resume ID --create-record"] == commands(caught.value.next_action)
    assert isinstance(caught.value.__cause__, CertificateRecordMissing)


def test_without_a_previous_certificate_nothing_is_restored(systems: StepSystems) -> None:
    """Without a previous certificate a restore is refused."""
    rotation = replace(a_parked(systems), previous=None)
    with pytest.raises(IllegalMove, match="no previous certificate"):
        find(systems, rotation)
