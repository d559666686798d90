"""A rotation of a forecast follows the engine's rules: retry policies, parking, restoring."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.factories import NOW, a_rotation
from unit.forecast.fleet import DAY, HOUR, ROTATION, certificate

from orchestrator.forecast.rotation_course import STEP_TAKES, Downtime, Outcome, carry
from orchestrator.retry import RESTORE, TABLE, RetryPolicy
from states import steps
from states.connection import OnRefusal, Policy
from states.errors import GaveUp
from states.rotation import Rotation
from states.state import State
from states.table import FORWARD

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
UPLOAD, SAVE, VERIFY = (TABLE[step] for step in (steps.upload_to_netsuite, steps.save_to_openair, steps.verify))
BETWEEN = NOW + 2 * STEP_TAKES
"""NetSuite has the new key, and the save is next."""


def requested(**over: object) -> Rotation:
    return a_rotation(previous=certificate(10 * DAY), previous_key_kept=True, **over)


def down_for(length: timedelta, since: timedelta = timedelta()) -> Downtime:
    return Downtime(NOW + since, NOW + since + length)


def lasts(policy: RetryPolicy) -> timedelta:
    """How long a policy tries before it gives up: its rounds of tries, and the postponements between them."""
    waits = [policy.postponement(tries) or timedelta() for tries in range(policy.most_postponements)]
    return sum(waits, timedelta()) + (policy.most_postponements + 1) * policy.mean_round


def test_a_rotation_without_faults() -> None:
    """It takes a minute; its certificate is valid for as many days as the policy says, from when it was made."""
    carried = carry(requested(policy=Policy(days=90)), None)
    assert (NOW + ROTATION, Outcome.COMPLETED, False) == (carried.at, carried.outcome, carried.postponed)
    assert len(FORWARD) * STEP_TAKES == ROTATION
    made = carried.rotation.proofs.candidate
    assert made
    assert NOW.replace(microsecond=0) + 90 * DAY == made.certificate.not_after
    assert (State.COMPLETED, STEP_TAKES) == (carried.rotation.state, carried.skew)


def test_an_outage_elsewhere_changes_nothing() -> None:
    """Before a rotation and after it, both systems may be down."""
    calm = carry(requested(), None)
    assert calm == carry(requested(), down_for(HOUR, since=-HOUR))
    assert calm == carry(requested(), down_for(HOUR, since=ROTATION))


def test_a_short_outage_ends_within_the_step() -> None:
    """The last try of a round succeeds: nothing is postponed."""
    carried = carry(requested(), down_for(STEP_TAKES + UPLOAD.mean_round))
    assert (NOW + ROTATION + UPLOAD.mean_round, False) == (carried.at, carried.postponed)


def test_an_upload_waits_as_its_policy_says() -> None:
    """In an outage of 20 minutes the upload is tried after 1, 6 and 21 minutes; the key was made in the outage."""
    carried = carry(requested(), down_for(20 * MINUTE))
    assert (NOW + 21 * MINUTE + 3 * UPLOAD.mean_round + ROTATION, True) == (carried.at, carried.postponed)
    assert (Outcome.COMPLETED, STEP_TAKES) == (carried.outcome, carried.skew)


def test_a_long_outage_parks_the_upload_for_a_person() -> None:
    """After its last postponement, nothing has been sent to NetSuite: there is nothing to restore."""
    assert Outcome.COMPLETED is carry(requested(), down_for(STEP_TAKES + lasts(UPLOAD))).outcome
    carried = carry(requested(), down_for(STEP_TAKES + lasts(UPLOAD) + timedelta.resolution))
    assert (Outcome.LEFT, NOW + STEP_TAKES + lasts(UPLOAD)) == (carried.outcome, carried.at)
    assert carried.rotation.failure
    assert (GaveUp.code, State.KEY_GENERATED) == (carried.rotation.failure.code, carried.rotation.failure.failed_from)


def test_between_both_systems_the_save_is_tried_hard() -> None:
    """Imports are refused from the upload until the save, which is tried every minute in the end."""
    carried = carry(requested(), Downtime(BETWEEN, BETWEEN + HOUR))
    assert Outcome.COMPLETED is carried.outcome
    assert HOUR + STEP_TAKES <= carried.skew <= HOUR + STEP_TAKES + MINUTE


def test_in_a_long_outage_the_previous_certificate_is_restored() -> None:
    """When the save gives up after half a day, the restore is tried by its policy until the systems answer."""
    carried = carry(requested(), Downtime(BETWEEN, BETWEEN + 15 * HOUR))
    assert (Outcome.RESTORED, True) == (carried.outcome, carried.postponed)
    assert BETWEEN + 15 * HOUR <= carried.at <= BETWEEN + 15 * HOUR + 5 * MINUTE + STEP_TAKES
    assert (carried.at - BETWEEN, carried.at) == (carried.skew, carried.rotation.closed_at)
    assert carried.rotation.failure
    assert BETWEEN + lasts(SAVE) == carried.rotation.failure.at


@pytest.mark.parametrize(
    "kept",
    [
        {"policy": Policy(on_refusal=OnRefusal.PARK)},
        {"previous_key_kept": False},
        {"previous": None},
    ],
    ids=["the policy parks", "no key", "no predecessor"],
)
def test_without_a_restore_a_person_is_needed(kept: dict[str, object]) -> None:
    """Where the policy parks, or there is nothing to put back, the rotation is left when the save gives up."""
    rotation = a_rotation(**{"previous": certificate(10 * DAY), "previous_key_kept": True, **kept})
    carried = carry(rotation, Downtime(BETWEEN, BETWEEN + 15 * HOUR))
    assert (Outcome.LEFT, State.FAILED) == (carried.outcome, carried.rotation.state)
    assert carried.at < BETWEEN + 15 * HOUR


def test_a_restore_gives_up_too() -> None:
    """In an outage of days, a person has to restore."""
    carried = carry(requested(), Downtime(BETWEEN, BETWEEN + 5 * DAY))
    assert (Outcome.LEFT, BETWEEN + lasts(SAVE) + lasts(RESTORE)) == (carried.outcome, carried.at)


def test_a_certificate_that_expired_meanwhile_is_not_restored() -> None:
    """What no longer opens the way to OpenAir is not put back."""
    rotation = replace(requested(), previous=certificate(13 * HOUR))
    carried = carry(rotation, Downtime(BETWEEN, BETWEEN + 15 * HOUR))
    assert Outcome.LEFT is carried.outcome


def test_verifying_waits_too() -> None:
    """When only the last check is missing, imports work."""
    began = NOW + 3 * STEP_TAKES
    carried = carry(requested(), Downtime(began, began + VERIFY.mean_round + SECOND))
    assert (Outcome.COMPLETED, NOW + ROTATION + VERIFY.mean_round + 10 * SECOND) == (carried.outcome, carried.at)
    assert STEP_TAKES == carried.skew


def test_a_rotation_by_hand_is_left_before_the_upload() -> None:
    """A person has to be ready first; the key is made."""
    carried = carry(requested(by_hand=True), None)
    assert (Outcome.LEFT, State.KEY_GENERATED) == (carried.outcome, carried.rotation.state)


def test_what_waits_for_a_person_is_left_as_it_is() -> None:
    """In a forecast no person acts."""
    waiting = requested(state=State.UPLOADED_TO_NETSUITE, awaits_person=True)
    assert (Outcome.LEFT, waiting, NOW) == ((done := carry(waiting, None)).outcome, done.rotation, done.at)


def test_a_postponed_rotation_goes_on_where_it_is() -> None:
    """An open rotation has its step, its tries and its moment."""
    opened = requested(state=State.SAVED_TO_OPENAIR, tries=3, available_at=NOW + HOUR)
    assert NOW + HOUR + STEP_TAKES == carry(opened, None).at
    down = Downtime(NOW, NOW + HOUR + VERIFY.mean_round + SECOND)
    assert NOW + HOUR + VERIFY.mean_round + 5 * MINUTE + STEP_TAKES == carry(opened, down).at
