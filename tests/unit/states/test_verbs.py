"""The verbs' preconditions for every combination of stored values, compared with an independent oracle."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from support.factories import changed
from support.pairs import NOW, Pair, a_pair
from unit.states.rotations import a_rotation, parked

from states import errors
from states.errors import ForeignRotation, GaveUp, KeyturnError
from states.next_action import Verb
from states.preconditions import PRECONDITIONS, why_not
from states.rotation import Ending, Rotation
from states.state import State
from states.table import ACTIVE

PREVIOUS = a_pair()
EXPIRED = a_pair(not_before=NOW - timedelta(days=400), not_after=NOW - timedelta(days=1))
LATER = NOW + timedelta(hours=1)
"""When nothing can be on its way any more."""

POSITIONS = [*((state, False) for state in (*ACTIVE, State.COMPLETED)), *((state, True) for state in ACTIVE)]
"""Where a rotation is or failed, and whether it is parked."""
FACTS = {
    "previous": (None, PREVIOUS.certificate, EXPIRED.certificate),
    "key_kept": (False, True),
    "doubt": (False, True),
    "restoring": (False, True),
    "awaits_person": (False, True),
    "error": (GaveUp, ForeignRotation),
    "closed": (False, True),
    "when": (NOW, LATER),
}


def describe(pair: Pair, position: State, *, is_parked: bool, **facts: object) -> Rotation:
    """Return the rotation with these values."""
    previous, when, error = facts["previous"], facts["when"], facts["error"]
    assert isinstance(when, datetime)
    assert isinstance(error, type)
    rotation = a_rotation(
        pair,
        position,
        previous=previous,
        previous_key_kept=facts["key_kept"],
        doubt_since=NOW if facts["doubt"] or facts["restoring"] else None,
        in_flight_until=NOW + timedelta(minutes=3) if facts["doubt"] or facts["restoring"] else None,
        awaits_person=facts["awaits_person"],
        restoring_since=NOW if facts["restoring"] else None,
    )
    if is_parked:
        made: KeyturnError = error()
        rotation = parked(rotation, made)
    return replace(rotation, closed_at=NOW, ending=Ending.ABANDONED) if facts["closed"] else rotation


def possible(position: State, *, is_parked: bool, **facts: object) -> set[str]:
    """The oracle: which verbs are possible, written independently of the product's code."""
    uploaded = position in (State.UPLOADED_TO_NETSUITE, State.SAVED_TO_OPENAIR)
    asked = {"confirm"} if uploaded else {"begin"} if position is State.KEY_GENERATED else set()
    # A parked rotation may wait for a person too, but for no save in OpenAir.
    persons = asked if facts["awaits_person"] and not is_parked else set()
    if position is State.COMPLETED or facts["closed"]:
        return persons
    verbs = {"watch"} | persons
    if not is_parked:
        return verbs | {"park"} | (set() if facts["awaits_person"] else {"carry"})
    in_doubt = facts["doubt"] or facts["restoring"]
    may_land = in_doubt and facts["when"] == NOW
    has_candidate = position is not State.REQUESTED
    proved = position in (State.UPLOADED_TO_NETSUITE, State.SAVED_TO_OPENAIR)
    was_sent = has_candidate and (proved or in_doubt)
    if not (facts["restoring"] and may_land):
        verbs.add("resume")
    if not has_candidate or not (proved or may_land):
        verbs.add("abandon")
    if (
        was_sent
        and facts["previous"] == PREVIOUS.certificate
        and facts["key_kept"]
        and (facts["restoring"] or not may_land)
    ):
        verbs.add("restore")
    if facts["error"] is ForeignRotation and not may_land:
        verbs.add("adopt")
    return verbs


@pytest.mark.parametrize(("position", "is_parked"), POSITIONS)
def test_each_verb_is_possible_exactly_where_it_should_be(position: State, is_parked: bool, pair: Pair) -> None:  # noqa: FBT001
    """Every combination of what is stored, now and when nothing is on its way any more; a refusal is a sentence."""
    for values in product(*FACTS.values()):
        facts = dict(zip(FACTS, values, strict=True))
        rotation = describe(pair, position, is_parked=is_parked, **facts)
        when = facts["when"]
        assert isinstance(when, datetime)
        refusals = {verb.value: why_not(verb, rotation, when) for verb in PRECONDITIONS}
        expected = possible(position, is_parked=is_parked, **facts)
        assert expected == {name for name, refusal in refusals.items() if not refusal}, facts
        assert all(refusal.endswith(".") for refusal in refusals.values() if refusal)


def test_a_refusal_for_a_hold_off_has_its_end(pair: Pair) -> None:
    """The refusal says until when to wait."""
    rotation = parked(a_rotation(pair, State.UPLOADED_TO_NETSUITE, doubt_since=NOW), errors.ForeignRotation())
    rotation = changed(rotation, in_flight_until=NOW + timedelta(minutes=2))
    rotation = changed(rotation, previous=PREVIOUS.certificate, previous_key_kept=True)
    for verb in (Verb.RESTORE, Verb.ADOPT):
        assert "until 2026-11-23 12:02:00 UTC" in why_not(verb, rotation, NOW)
