"""The certificates of a connection in a forecast follow the schedule's rules."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.factories import NOW, a_rotation
from unit.forecast.fleet import DAY, HOUR, ROTATION, certificate, connection, expiries, rotations, term

from orchestrator.forecast.rotation_course import STEP_TAKES, Outcome
from states.connection import OpenAirKind, OpenAirSettings, Policy
from states.rotation import Candidate
from states.state import State
from states.timing import ROTATE_EARLIEST, ROTATE_LATEST

EXPORT = OpenAirSettings(kind=OpenAirKind.EXPORT, url="https://acme.app.openair.com")


def test_a_rotation_begins_at_its_stored_moment() -> None:
    """The margin is what is left of the certificate that it replaces when it is completed."""
    (rotated,) = rotations(connection(30 * DAY), term(60))
    left = certificate(30 * DAY).not_after - NOW
    assert (NOW + left - 8 * DAY, 8 * DAY - ROTATION) == (rotated.begins, rotated.margin)


@given(name=st.from_regex(r"[a-z]{1,12}", fullmatch=True), days=st.integers(15, 400))
def test_each_later_one_begins_in_the_window(name: str, days: int) -> None:
    """Every certificate is replaced between 14 and 7 days before its end, or at once where it is shorter."""
    begun = rotations(connection(30 * DAY, name=name, policy=Policy(days=days)), term(3 * 365))
    assert len(begun) >= 2
    for earlier, later in pairwise(begun):
        made = earlier.carried.rotation.proofs.candidate
        assert made
        assert later.begins
        begins = max(made.certificate.not_after - ROTATE_EARLIEST, earlier.carried.at)
        assert begins <= later.begins <= made.certificate.not_after - ROTATE_LATEST


def test_the_same_connection_has_the_same_moments() -> None:
    """They depend on its name alone: an outage elsewhere, or another connection, changes none."""
    begun = [each.begins for each in rotations(connection(30 * DAY), term(1000))]
    down = rotations(connection(30 * DAY), term(1000, down=(NOW, HOUR)))
    other = rotations(connection(30 * DAY, name="bolt"), term(1000))
    assert begun == [each.begins for each in down]
    assert begun != [each.begins for each in other]


def test_a_quiet_time_postpones() -> None:
    """A rotation that is due in a quiet time begins at its end; at the end of the window it begins in it."""
    end = datetime(2026, 12, 21, tzinfo=NOW.tzinfo)
    (late,) = rotations(connection(40 * DAY, 27 * DAY), term(60, quiet="2026-12-20..2026-12-20"))
    assert end == late.begins
    (last,) = rotations(connection(36 * DAY, 27 * DAY), term(60, quiet="2026-12-20..2027-01-05"))
    assert certificate(36 * DAY).not_after - ROTATE_LATEST == last.begins


def test_what_is_due_already_begins_now() -> None:
    """A moment in the past is now, and so is the initial set-up, also in a quiet time."""
    (due,) = rotations(connection(9 * DAY, -DAY), term(5))
    (first,) = rotations(connection(None), term(5, quiet="2026-11-20..2026-11-30"))
    assert (NOW, NOW, None) == (due.begins, first.begins, first.margin)


def test_after_a_restore_the_schedule_tries_again_a_day_later() -> None:
    """Both rotations are played; the certificate is replaced in the end."""
    down = (NOW + 2 * STEP_TAKES, 15 * HOUR)
    first, second = rotations(connection(12 * DAY, timedelta()), term(30, down=down))
    assert (Outcome.RESTORED, Outcome.COMPLETED) == (first.carried.outcome, second.carried.outcome)
    assert first.carried.at + DAY == second.begins


def test_a_certificate_that_no_schedule_rotates_expires() -> None:
    """It says which condition is missing."""
    (expired,) = expiries(connection(30 * DAY, bundles={"369637": "5.02"}), term(60))
    assert (certificate(30 * DAY).not_after, None) == (expired.at, expired.until)
    assert "No schedule rotates it. Bundle 369630 is not recorded; 3.0 or later is needed." == expired.because
    assert [] == expiries(connection(30 * DAY, bundles={}), term(29))


def test_one_that_expired_already_is_named_too() -> None:
    """Imports are refused since then, and until the rotation that begins now is completed."""
    (expired,) = expiries(connection(-DAY, -DAY), term(60))
    assert (certificate(-DAY).not_after, NOW + ROTATION) == (expired.at, expired.until)
    assert "It was rotated too late." == expired.because


@pytest.mark.parametrize("starts", [False, True])
def test_a_connection_by_hand_waits_for_its_person(*, starts: bool) -> None:
    """In a forecast no person acts, so that its certificate expires."""
    played = connection(30 * DAY, openair=EXPORT, policy=Policy(starts_by_hand=starts))
    (expired,) = expiries(played, term(60))
    assert starts is bool(rotations(played, term(60)))
    assert ("person" in expired.because) is starts


def test_a_rotation_that_gives_up_lets_the_certificate_expire() -> None:
    """The sentence says when and why."""
    played, down = connection(12 * DAY, timedelta()), (NOW, 3 * DAY)
    (rotated,) = rotations(played, term(60, down=down))
    (expired,) = expiries(played, term(60, down=down))
    assert Outcome.LEFT is rotated.carried.outcome
    assert f"gave up on {rotated.carried.at:%Y-%m-%d %H:%M} UTC: both systems were down." in expired.because


def test_an_open_rotation_is_carried_first() -> None:
    """It did not begin in the forecast; a parked one holds its connection, and its id is named."""
    opened = a_rotation(previous=certificate(30 * DAY), state=State.SAVED_TO_OPENAIR, available_at=NOW - DAY)
    candidate = replace(opened, proofs=replace(opened.proofs, candidate=Candidate(certificate(365 * DAY), b"")))
    (rotated,) = rotations(connection(30 * DAY), term(60), candidate)
    assert (None, NOW, NOW + STEP_TAKES) == (rotated.begins, rotated.from_, rotated.carried.at)
    waiting = replace(opened, awaits_person=True)
    (expired,) = expiries(connection(30 * DAY), term(60), waiting)
    assert f"Rotation {opened.id} waits for a person." == expired.because


def test_nothing_begins_after_the_term() -> None:
    """The end is not part of it."""
    due_in = 10 * DAY
    assert [] == rotations(connection(18 * DAY, due_in), term(10))
    assert 1 == len(rotations(connection(18 * DAY, due_in - timedelta.resolution), term(10)))
