"""When Keyturn restores the previous certificate by itself: decided from the stored rotation alone."""

from datetime import timedelta
from typing import Any

import pytest
from support.factories import changed
from support.pairs import NOW, Pair, a_pair
from unit.states.rotations import a_rotation

from states import errors, machine
from states.connection import OnRefusal, Policy
from states.errors import GaveUp, KeyturnError, Refused
from states.next_action import Verb
from states.preconditions import advise, goes_on, is_urgent
from states.rotation import Rotation
from states.state import State
from states.table import ACTIVE
from states.timing import HOLD_OFF

PREVIOUS = a_pair()
EXPIRED = a_pair(not_before=NOW - timedelta(days=400), not_after=NOW - timedelta(days=1))


def failed(
    pair: Pair, error: KeyturnError | None = None, position: State = State.UPLOADED_TO_NETSUITE, **changes: Any
) -> Rotation:
    """A rotation that ``error`` parks, whose previous certificate can be restored."""
    facts = {"previous": PREVIOUS.certificate, "previous_key_kept": True, **changes}
    return machine.fail(a_rotation(pair, position, **facts), error or Refused(), NOW)


@pytest.mark.parametrize("error", [Refused(), GaveUp(), errors.SignInRefused(), errors.InternalError()])
def test_a_refused_save_is_undone_at_once(pair: Pair, error: KeyturnError) -> None:
    """It waits for no person: a worker may claim it now, and before all others."""
    parked = failed(pair, error)
    assert (False, NOW, 0) == (parked.awaits_person, parked.available_at, parked.tries)
    assert (True, True) == (goes_on(parked), is_urgent(parked))
    advice = advise(parked, NOW)
    assert (Verb.WORKER, "A worker restores the previous certificate.") == (advice.verb, advice.because)


def test_what_is_in_flight_is_waited_for(pair: Pair) -> None:
    """A save whose answer was lost could undo the restore: no worker claims the rotation while it may take effect."""
    until = NOW + HOLD_OFF
    parked = failed(pair, doubt_since=NOW, in_flight_until=until)
    assert (False, until + timedelta.resolution) == (parked.awaits_person, parked.available_at)
    assert "at 2026-11-23 12:03:00 UTC" in advise(parked, NOW).because
    landed = failed(pair, doubt_since=NOW, in_flight_until=NOW - timedelta(seconds=1))
    assert NOW == landed.available_at


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": Policy(on_refusal=OnRefusal.PARK)},
        {"previous": None},
        {"previous_key_kept": False},
        {"previous": EXPIRED.certificate},
        {"by_hand": True},
        {"broken": "It was changed."},
    ],
    ids=["policy", "no previous", "no key", "expired", "by hand", "broken"],
)
def test_where_it_is_not_possible_a_person_decides(pair: Pair, changes: dict[str, Any]) -> None:
    """The policy forbids it, there is nothing to restore, OpenAir cannot be read, or the row was changed."""
    parked = failed(pair, **changes)
    assert (True, False, False) == (parked.awaits_person, goes_on(parked), is_urgent(parked))


@pytest.mark.parametrize(
    "error",
    [
        *(
            errors.ParkedByPerson(),
            errors.JournalBroken(),
            errors.Tampered(),
            errors.IllegalMove(),
            errors.ForeignRotation(),
        ),
        *(errors.Drift(), errors.CertificateRecordMissing(), errors.CannotSign()),
    ],
    ids=lambda error: error.code,
)
def test_what_a_person_must_know_first(pair: Pair, error: KeyturnError) -> None:
    """A person parked it, or another party changed something: restoring is refused, does not help, or hides that."""
    assert failed(pair, error).awaits_person


@pytest.mark.parametrize("position", ACTIVE)
def test_only_where_imports_may_be_refused(pair: Pair, position: State) -> None:
    """NetSuite may hold the candidate, OpenAir does not have it: after the upload, or while that is in doubt."""
    sure, doubtful = failed(pair, position=position), failed(pair, position=position, doubt_since=NOW)
    assert (position is not State.UPLOADED_TO_NETSUITE) == sure.awaits_person
    assert (position not in (State.KEY_GENERATED, State.UPLOADED_TO_NETSUITE)) == doubtful.awaits_person


def test_a_person_may_come_first(pair: Pair) -> None:
    """Resuming takes the rotation out of the worker's reach; what comes next is decided again."""
    resumed = machine.resume(failed(pair), NOW)
    assert (State.UPLOADED_TO_NETSUITE, False, NOW) == (resumed.state, resumed.awaits_person, resumed.available_at)
    assert changed(resumed, tries=0) == resumed
