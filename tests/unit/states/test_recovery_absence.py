"""Giving up in doubt: NetSuite is asked, and must show that it does not hold the candidate."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from support.advice import commands
from support.factories import changed
from support.fake_systems import REMOTE_CALL
from support.pairs import NOW, a_pair
from unit.states.rotations import parked
from unit.states.step_systems import StepSystems

from states import recovery
from states.errors import CannotSign, IllegalMove, KeyturnError, NotPermitted, TryLater
from states.ports import PLACEHOLDER_FILE, Record, Report
from states.rotation import Absence, Rotation
from states.state import State

TWICE = ["netsuite.sign"] * 2
MUTE = ["netsuite.sign", "netsuite.report"]


def find(systems: StepSystems) -> Absence:
    return recovery.find_absence(in_doubt(systems), systems.ports)


def in_doubt(systems: StepSystems) -> Rotation:
    """A rotation that is parked, and may have sent its candidate."""
    return parked(systems.rotation(State.KEY_GENERATED, doubt_since=NOW))


def shows(
    systems: StepSystems, *, years: int = 0, file_name: str = "x.pem", begins: bool = True, ends: bool = True
) -> Record:
    """A record that cannot sign, and shows the candidate's validity, or one that begins and ends so much later."""
    systems.netsuite.can_sign = False
    certificate, later = systems.candidate.certificate, timedelta(days=365 * years)
    return Record(
        name="OpenAir real-time",
        file_name=file_name,
        valid_from=certificate.not_before + later if begins else None,
        valid_to=certificate.not_after + later if ends else None,
    )


def test_another_key_shows_it(systems: StepSystems) -> None:
    """NetSuite signs twice, with a delay between, and never with the candidate; nothing is installed or saved."""
    absence = find(systems)
    looks = ("NetSuite signed with another key.",) * 2
    assert Absence(systems.candidate.fingerprint, NOW, looks) == absence
    assert (TWICE, [2.0], [], []) == (systems.calls, systems.clock.slept, systems.installed, systems.saved)


def test_a_missing_record_shows_it(systems: StepSystems) -> None:
    """What is not there holds nothing."""
    systems.netsuite.hold(None)
    assert ("NetSuite has no certificate record.",) * 2 == find(systems).looks


@pytest.mark.parametrize("late", [False, True])
def test_the_candidate_is_not_given_up(systems: StepSystems, late: bool) -> None:  # noqa: FBT001
    """NetSuite signs with it, at once or at the second look: resuming is the way, and is advised."""
    if late:
        systems.clock.later(1, lambda: systems.netsuite.hold(systems.candidate))
    else:
        systems.netsuite.hold(systems.candidate)
    with pytest.raises(IllegalMove, match="going on helps") as caught:
        find(systems)
    assert (["rotation resume ID"], 1 + late) == (commands(caught.value.next_action), len(systems.calls))


@pytest.mark.parametrize(
    ("record", "tells"),
    [
        (lambda systems: shows(systems, years=1), "whose validity is not the candidate's"),
        (lambda systems: shows(systems, file_name=PLACEHOLDER_FILE), "cannot sign with the placeholder"),
        (lambda systems: shows(systems, file_name=PLACEHOLDER_FILE, begins=False, ends=False), "the placeholder"),
        (lambda systems: (shows(systems), None)[1], "has no certificate record"),
    ],
)
def test_a_mute_record_of_another_shows_it(
    systems: StepSystems, record: Callable[[StepSystems], Record | None], tells: str
) -> None:
    """It cannot sign, but is the placeholder, has another validity than the candidate, or has vanished since."""
    report = Report(record=record(systems), server_time=NOW, bundles={})
    for _ in range(2):
        systems.will_answer("netsuite.report", report)
    assert {True} == {tells in look for look in find(systems).looks}
    assert [*MUTE, *MUTE] == systems.calls


@pytest.mark.parametrize(("begins", "ends"), [(True, True), (False, True), (True, False), (False, False)])
def test_a_mute_record_may_be_the_candidates(systems: StepSystems, begins: bool, ends: bool) -> None:  # noqa: FBT001
    """A record with the candidate's validity, or with none, proves nothing: the error advises what to do."""
    report = Report(record=shows(systems, begins=begins, ends=ends), server_time=NOW, bundles={})
    systems.will_answer("netsuite.report", report)
    with pytest.raises(IllegalMove, match="may be this rotation's own") as caught:
        find(systems)
    assert isinstance(caught.value.__cause__, CannotSign)
    assert ["rotation abandon ID", "rotation resume ID"] == commands(caught.value.next_action)


@pytest.mark.parametrize("error", [TryLater(), NotPermitted()])
@pytest.mark.parametrize("look", [1, 2])
def test_who_cannot_be_asked_shows_nothing(systems: StepSystems, error: KeyturnError, look: int) -> None:
    """A look that fails is no proof, be it the second one."""
    if look > 1:
        systems.will_go_well("netsuite.sign")
    systems.will_fail("netsuite.sign", error)
    with pytest.raises(type(error)):
        find(systems)
    assert look == len(systems.calls)


def test_it_is_dated_by_the_first_question(systems: StepSystems) -> None:
    """A change after that may have gone unseen."""
    systems.clock.advance(5)
    assert (NOW + timedelta(seconds=5), NOW + timedelta(seconds=7 + 2 * REMOTE_CALL)) == (
        find(systems).asked_at,
        systems.clock.now(),
    )


def test_a_rotation_that_made_no_candidate(systems: StepSystems) -> None:
    """There is nothing to look for: it is given up without asking."""
    with pytest.raises(IllegalMove, match="no candidate"):
        recovery.find_absence(changed(in_doubt(systems), candidate=None), systems.ports)
    assert [] == systems.calls


def test_a_stranger_may_be_there(systems: StepSystems) -> None:
    """A foreign key is not the candidate's, and that is enough: whose it is does not matter."""
    systems.netsuite.hold(a_pair())
    assert 2 == len(find(systems).looks)
