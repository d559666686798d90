"""How a parked rotation is closed: restored, adopted or abandoned, each with its proof."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.factories import changed
from support.pairs import NOW, Pair, a_pair
from unit.states.rotations import a_confirmation, a_rotation, parked

from states import machine
from states.errors import ForeignRotation, IllegalMove
from states.rotation import Absence, Ending, Rotation
from states.state import State

LATER = NOW + timedelta(minutes=1)


def restorable(pair: Pair, previous: Pair, **changes: Any) -> Rotation:
    """A rotation that is parked between both sides, whose previous certificate can be put back."""
    rotation = a_rotation(pair, State.UPLOADED_TO_NETSUITE, previous=previous.certificate, previous_key_kept=True)
    return changed(parked(rotation), **changes)


def test_a_closed_rotation_keeps_its_failure_and_nothing_in_doubt(pair: Pair) -> None:
    """It stays Failed with its failure; the ending and its time are recorded, and the skew ends there."""
    previous = a_pair()
    rotation = restorable(pair, previous, restoring_since=NOW, doubt_since=NOW)
    expected = changed(
        rotation,
        doubt_since=None,
        restoring_since=None,
        awaits_person=False,
        ending=Ending.RESTORED,
        updated_at=LATER,
        closed_at=LATER,
    )
    restored = machine.restore(rotation, a_confirmation(previous), LATER)
    assert expected == restored
    assert timedelta(minutes=1) == restored.skew(LATER + timedelta(days=1))


def test_restoring_needs_the_proof_of_the_previous_certificate(pair: Pair) -> None:
    """NetSuite's signature with another certificate's key does not close a rotation as restored."""
    rotation = restorable(pair, a_pair())
    for other in (pair, a_pair()):
        with pytest.raises(IllegalMove, match="not proved"):
            machine.restore(rotation, a_confirmation(other), LATER)
    with pytest.raises(IllegalMove, match="not proved"):
        machine.restore(replace(rotation, previous=None), a_confirmation(pair), LATER)


def test_adopting_closes_in_favour_of_any_other_certificate(pair: Pair) -> None:
    """A stranger's certificate that NetSuite signs with ends the rotation; its own does not."""
    rotation = replace(parked(a_rotation(pair, State.KEY_GENERATED), ForeignRotation()), previous=None)
    adopted = machine.adopt(rotation, a_confirmation(a_pair()), LATER)
    assert (State.FAILED, Ending.ADOPTED, LATER) == (adopted.state, adopted.ending, adopted.closed_at)
    with pytest.raises(IllegalMove, match="own certificate"):
        machine.adopt(rotation, a_confirmation(pair), LATER)
    assert Ending.ADOPTED is machine.adopt(changed(rotation, candidate=None), a_confirmation(pair), LATER).ending


def test_abandoning_closes(pair: Pair) -> None:
    """What NetSuite was seen not to hold is closed as abandoned; there was no skew."""
    seen = Absence(pair.fingerprint, NOW, ("NetSuite signed with another key.",) * 2)
    abandoned = machine.abandon(parked(a_rotation(pair, State.KEY_GENERATED)), LATER, seen)
    assert (Ending.ABANDONED, LATER, None) == (abandoned.ending, abandoned.closed_at, abandoned.skew(LATER))


def test_abandoning_without_a_doubt_needs_to_see_it_too(pair: Pair) -> None:
    """That nothing is recorded as sent does not prove that NetSuite does not hold it; without a candidate none is."""
    with pytest.raises(IllegalMove, match="It is not proved"):
        machine.abandon(parked(a_rotation(pair, State.KEY_GENERATED)), LATER)
    assert Ending.ABANDONED is machine.abandon(parked(a_rotation(pair)), LATER).ending


def test_abandoning_in_doubt_needs_to_see_that_it_is_not_there(pair: Pair) -> None:
    """What may have been sent is closed only by what was seen of this very certificate, once nothing can land."""
    rotation = parked(a_rotation(pair, State.KEY_GENERATED, doubt_since=NOW, in_flight_until=NOW))
    seen = Absence(pair.fingerprint, NOW, ("NetSuite signed with another key.",) * 2)
    for unseen in (None, replace(seen, fingerprint=a_pair().fingerprint)):
        with pytest.raises(IllegalMove, match="It is not proved"):
            machine.abandon(rotation, LATER, unseen)
    with pytest.raises(IllegalMove, match="may still take effect"):
        machine.abandon(rotation, NOW, seen)
    abandoned = machine.abandon(rotation, LATER, seen)
    assert (Ending.ABANDONED, LATER, None) == (abandoned.ending, abandoned.closed_at, abandoned.doubt.since)


@pytest.mark.parametrize("close", [machine.restore, machine.adopt])
def test_what_is_not_possible_is_not_closed(close: Callable[..., Rotation], pair: Pair) -> None:
    """The machine checks each verb's precondition itself, whichever function calls it."""
    previous = a_pair()
    rotation = restorable(pair, previous, previous_key_kept=False)
    with pytest.raises(IllegalMove, match="cannot be"):
        close(rotation, a_confirmation(previous), LATER)


@pytest.mark.parametrize(
    ("skew_from", "doubt_since", "expected"),
    [(NOW, None, NOW), (NOW, LATER, NOW), (None, NOW, NOW)],
)
def test_what_has_to_be_put_back_was_there_since_the_doubt(
    skew_from: datetime | None, doubt_since: datetime | None, expected: datetime, pair: Pair
) -> None:
    """A restore that has something to send raises doubt, and lets the skew begin no later than an earlier doubt."""
    rotation = restorable(pair, a_pair(), skew_from=skew_from, doubt_since=doubt_since)
    begun = machine.restoring(rotation, LATER)
    assert (LATER, doubt_since or LATER, expected) == (begun.restoring_since, begun.doubt.since, begun.skew_from)
    assert LATER == begun.updated_at


def test_restoring_undoes_the_upload(pair: Pair) -> None:
    """What NetSuite proved before counts no more: the upload comes next again, with the previous one expected there."""
    begun = machine.restoring(restorable(pair, a_pair()), LATER)
    assert (State.KEY_GENERATED, None, None) == (begun.position, begun.proofs.confirmation, begun.proofs.saved)
    assert State.KEY_GENERATED is machine.resume(begun, LATER + timedelta(minutes=4)).state


def test_a_restore_makes_up_no_failure(pair: Pair) -> None:
    """A parked rotation whose failure was removed from the database keeps none."""
    assert machine.restoring(replace(restorable(pair, a_pair()), failure=None), LATER).failure is None


def test_resuming_ends_an_unfinished_restore(pair: Pair) -> None:
    """From then on it is the candidate again that is sent; the doubt stays."""
    resumed = machine.resume(restorable(pair, a_pair(), restoring_since=NOW, doubt_since=NOW), LATER)
    assert (None, NOW) == (resumed.restoring_since, resumed.doubt.since)
