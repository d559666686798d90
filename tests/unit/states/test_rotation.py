"""A rotation: its initial values, its equality, and its doubt."""

import pickle
from datetime import datetime, timedelta

import pytest
from support.factories import changed
from support.pairs import NOW, Pair
from unit.states.rotations import ID, a_rotation, parked

from states.connection import Policy
from states.rotation import Cause, Circumstances, Doubt, PrivateKey, Proofs, Rotation
from states.state import State
from states.table import ACTIVE
from states.timing import HOLD_OFF, INSTALL_WITHIN

SECOND = timedelta(seconds=1)


def test_a_new_rotation_has_nothing_yet() -> None:
    """A new rotation has no proof, doubt, permission or failure, and is in its first attempt."""
    new = Rotation(
        id=ID,
        connection="acme",
        cause=Cause.MANUAL,
        actor="ada",
        created_at=NOW,
        updated_at=NOW,
        available_at=NOW,
    )
    assert (State.REQUESTED, Policy(), "", 0, 1, 0) == (
        new.state,
        new.policy,
        new.reason,
        new.version,
        new.attempt,
        new.tries,
    )
    assert [None] * 5 == [getattr(new, name) for name in ("previous", "skew_from", "failure", "closed_at", "ending")]
    assert (Proofs(), Doubt()) == (new.proofs, new.doubt)
    allowed = (
        new.allowed.create_record,
        new.allowed.overwrite,
        new.awaits_person,
        new.waiting_for,
    )
    assert (False, False, False, "") == allowed
    assert Circumstances() == new.circumstances


def test_what_is_looked_up_makes_no_other_rotation(pair: Pair) -> None:
    """Whether a key is kept, or a row was changed, is no part of it: two readings of one rotation are equal."""
    rotation = a_rotation(pair)
    assert rotation == changed(rotation, previous_key_kept=True)
    assert rotation == changed(rotation, broken="It was changed.")


@pytest.mark.parametrize("state", ACTIVE)
def test_where_it_got_to(state: State, pair: Pair) -> None:
    """Its state; parked, the state that it failed from."""
    rotation = a_rotation(pair, state)
    assert state is rotation.position is parked(rotation).position


def test_the_hold_off_outlasts_an_install_by_a_minute() -> None:
    """The hold-off covers a request sent at the last moment, by a NetSuite clock that is a minute slow."""
    assert INSTALL_WITHIN + timedelta(minutes=1) == HOLD_OFF


def test_a_doubt_holds_the_next_rotation_off(pair: Pair) -> None:
    """After a doubt is raised, the write is in flight until the end of the hold-off."""
    doubtful = a_rotation(pair).with_doubt(NOW - SECOND, NOW)
    assert (NOW - SECOND, NOW + HOLD_OFF) == (doubtful.doubt.since, doubtful.doubt.in_flight_until)


@pytest.mark.parametrize(
    ("until", "expected"),
    [(NOW + HOLD_OFF - SECOND, NOW + HOLD_OFF), (NOW + HOLD_OFF + SECOND, NOW + HOLD_OFF + SECOND)],
)
def test_a_second_doubt_ends_nothing_sooner(until: datetime, expected: datetime, pair: Pair) -> None:
    """A second doubt keeps the first one's beginning and the later end of both hold-offs."""
    before = a_rotation(pair, doubt_since=NOW - 2 * SECOND, in_flight_until=until)
    doubtful = before.with_doubt(NOW, NOW)
    assert (NOW - 2 * SECOND, expected) == (doubtful.doubt.since, doubtful.doubt.in_flight_until)


def test_a_private_key_shows_nothing_of_itself() -> None:
    """No form in which Python prints a value, or stores one, holds the key."""
    key = PrivateKey(b"secret")
    assert {"PrivateKey(…)"} == {repr(key), str(key), f"{key}", repr([key]).strip("[]")}
    with pytest.raises(TypeError, match=r"A private key is never pickled\."):
        pickle.dumps(key)
    assert b"secret" == key.reveal()
