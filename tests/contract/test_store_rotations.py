"""Rotations in the store: adding them, one open for each connection, finding them."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from support.advice import text
from support.factories import (
    NOW,
    a_certificate,
    a_connection,
    a_rotation,
    add,
    an_id,
    begin,
    carry,
    changed,
    requested,
)

from persistence.journal import UNKNOWN
from persistence.store import Store
from states.connection import Algorithm, OpenAirKind, OpenAirSettings, Policy
from states.durations import in_words
from states.errors import IllegalMove, NotFound, RotationOpen
from states.next_action import Verb
from states.rotation import Cause, Ending
from states.state import State
from states.table import ABANDON
from states.timing import HOLD_OFF


def test_a_rotation_comes_back_as_it_went_in(store: Store) -> None:
    """Every field of a new rotation survives the store."""
    rotation = a_rotation(
        cause=Cause.SCHEDULED,
        reason="due",
        policy=Policy(algorithm=Algorithm.EC_P384, days=90, keep_key=False),
        previous=a_certificate(),
    )
    add(store, rotation)
    assert rotation == store.rotations.get(rotation.id)
    assert rotation.previous
    policy = asdict(rotation.policy)
    asked = {"cause": "scheduled", "reason": "due", "policy": policy, "previous": rotation.previous.fingerprint}
    assert asked == store.journal.of(rotation.id)[0].detail


def test_a_rotation_is_made_for_its_connection(store: Store) -> None:
    """The policy and the expected certificate are the connection's, as it is when the request is stored."""
    begin(store, State.COMPLETED)
    asked = requested(store, a_rotation(id=an_id(2), cause=Cause.SCHEDULED))
    changed = store.connections.save(replace(store.connections.get("acme"), policy=Policy(days=90)))
    stored = store.rotations.request(asked)
    assert (Cause.SCHEDULED, changed.policy, changed.current) == (stored.cause, stored.policy, stored.previous)
    assert changed.current


@pytest.mark.parametrize(
    ("asked", "stored"), [(Cause.MANUAL, Cause.INITIAL), (Cause.SCHEDULED, Cause.SCHEDULED_INITIAL)]
)
def test_the_first_rotation_is_the_initial_set_up(store: Store, asked: Cause, stored: Cause) -> None:
    """A connection without a certificate is being set up; the cause still says whether the schedule began that."""
    found = store.rotations.request(requested(store, a_rotation(cause=asked)))
    assert stored is found.cause is store.rotations.get(found.id).cause
    assert found.cause.is_scheduled == asked.is_scheduled


@pytest.mark.parametrize("state", [state for state in State if state is not State.REQUESTED])
def test_a_moved_rotation_comes_back_as_it_was_written(store: Store, state: State) -> None:
    """Every proof, and the failure, survives the store; what advance returns is what is stored."""
    start = State.UPLOADED_TO_NETSUITE if state is State.FAILED else State.REQUESTED
    written = carry(store, begin(store, start), state).rotation
    assert written == store.rotations.get(written.id)
    assert state is written.state


def test_times_survive_in_any_zone(store: Store) -> None:
    """A moment keeps its microseconds and comes back in UTC, from any zone."""
    moment = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    add(store, a_rotation(now=moment))
    found = store.rotations.get(an_id(1))
    assert NOW == found.created_at
    assert timedelta(0) == found.created_at.utcoffset()


def test_a_time_without_a_zone_is_not_stored(store: Store) -> None:
    """A moment that could be any hour of a day is refused, and nothing is stored."""
    with pytest.raises(Exception, match="without a time zone"):
        add(store, a_rotation(now=NOW.replace(tzinfo=None)))
    assert [] == store.rotations.newest()


def test_a_second_rotation_is_refused_while_one_is_open(store: Store) -> None:
    """Rule 3: the error names the open rotation, under way or parked, and nothing is stored."""
    open_one = begin(store, State.KEY_GENERATED)
    for _ in range(2):
        with pytest.raises(RotationOpen, match=open_one.rotation.id) as caught:
            add(store, a_rotation(id=an_id(2)))
        assert open_one.rotation.id in text(caught.value.next_action)
        open_one = open_one if open_one.rotation.failure else carry(store, open_one, State.FAILED)
    assert [open_one.rotation] == store.rotations.newest()


def test_a_connections_newest_rotation_was_stored_last(store: Store) -> None:
    """Also where another machine made a higher id meanwhile, and completed its rotation first."""
    begin(store, State.COMPLETED, number=2)
    add(store, a_rotation(id=an_id(1)))
    assert an_id(1) == store.rotations.get("acme").id


def test_connections_do_not_hold_each_other_up(store: Store) -> None:
    """Rule 3 is one open rotation for each connection, not one for all."""
    store.connections.add(a_connection(name="other"))
    begin(store, number=1)
    begin(store, number=2, connection="other")
    assert an_id(1) == _open(store, "acme")
    assert an_id(2) == _open(store, "other")


def test_what_is_open_is_found_however_much_has_ended_since(store: Store) -> None:
    """Under way or parked, the oldest first; a parked rotation is not lost behind others that failed and ended."""
    store.connections.add(a_connection(name="other"))
    carry(store, begin(store, number=1), State.FAILED)
    for number in range(2, 60):
        failed = carry(store, begin(store, number=number, connection="other"), State.FAILED).rotation
        ended = replace(failed, ending=Ending.ABANDONED, updated_at=NOW, closed_at=NOW)
        store.rotations.write(failed, ended, event=ABANDON, actor="ada", detail={})
    begin(store, number=60, connection="other")
    assert [an_id(1), an_id(60)] == [rotation.id for rotation in store.rotations.all_open()]


def test_a_completed_rotation_makes_room_for_the_next(store: Store) -> None:
    """When a rotation has ended, its connection can have another."""
    begin(store, State.COMPLETED, number=1)
    assert store.rotations.open_for("acme") is None
    begin(store, number=2)
    assert an_id(2) == _open(store, "acme")


def test_the_next_rotation_waits_for_what_is_in_flight(store: Store) -> None:
    """A write of the rotation before may still take effect: the new one says so, is not claimed, and begins then."""
    _end(store, in_flight_until=NOW + HOLD_OFF)
    stored, claim = store.rotations.request_for("w1", requested(store, a_rotation(id=an_id(2))), lease=60)
    assert claim is None
    assert (stored, NOW + HOLD_OFF) == (store.rotations.get(an_id(2)), stored.available_at)
    assert f"{an_id(1)} may take effect until 2026-11-23 12:03:00 UTC" in stored.waiting_for
    detail = store.journal.of(an_id(2))[0].detail
    assert ("HELD_OFF", stored.waiting_for, stored.available_at.isoformat()) == (
        detail["code"],
        detail["message"],
        detail["until"],
    )
    assert store.claims.claim("w1", lease=60, now=NOW + HOLD_OFF - timedelta(microseconds=1)) is None
    taken = store.claims.claim("w1", lease=60, now=NOW + HOLD_OFF)
    assert taken
    assert stored == taken.rotation


def test_what_was_in_flight_holds_nothing_up_later(store: Store) -> None:
    """When its time is over, the next rotation begins and is claimed at once."""
    _end(store, in_flight_until=NOW)
    stored, claim = store.rotations.request_for("w1", requested(store, a_rotation(id=an_id(2))), lease=60)
    assert claim
    assert (NOW, "") == (stored.available_at, stored.waiting_for)


def test_a_rotation_needs_its_connection(store: Store) -> None:
    """A rotation of an unknown connection is refused."""
    with pytest.raises(NotFound, match="no connection missing"):
        add(store, a_rotation(connection="missing"))


def test_an_id_is_used_once(store: Store) -> None:
    """The id is the idempotency key: a second rotation cannot have it."""
    begin(store, State.COMPLETED)
    with pytest.raises(IllegalMove, match=an_id(1)) as caught:
        add(store, a_rotation())
    assert isinstance(caught.value.__cause__, IntegrityError)


def test_six_characters_find_a_rotation(store: Store) -> None:
    """An id is found by its beginning, in either case, where no other begins so; shorter or ambiguous ones are not."""
    for number, rotation_id in enumerate(("01JDAAAAAA0000000000000000", "01JDABBBBB0000000000000000"), start=1):
        name = f"c{number}"
        store.connections.add(a_connection(name=name))
        add(store, a_rotation(id=rotation_id, connection=name))
    assert "01JDABBBBB0000000000000000" == store.rotations.get("01jdab").id
    with pytest.raises(NotFound, match="no rotation 01JDB"):
        store.rotations.get("01JDBB")
    with pytest.raises(NotFound, match=r"no rotation 01JDA\. Of an id at least 6 characters"):
        store.rotations.get("01JDA")
    store.connections.add(a_connection(name="c3"))
    add(store, a_rotation(id="01JDABBBBC0000000000000000", connection="c3"))
    with pytest.raises(NotFound) as caught:
        store.rotations.get("01JDABBBB")
    age = in_words(store.now() - NOW)
    candidates = ", ".join(
        f"{each} ({name}, Requested, {age} old)"
        for each, name in (("01JDABBBBC0000000000000000", "c3"), ("01JDABBBBB0000000000000000", "c2"))
    )
    assert f"Several rotations begin with 01JDABBBB: {candidates}." == caught.value.message


def test_a_connections_name_finds_its_newest_rotation(store: Store) -> None:
    """A connection's name finds its open rotation, or its newest where none is open; without any it says so."""
    with pytest.raises(NotFound, match="Connection acme has no rotation yet") as caught:
        store.rotations.get("acme")
    assert Verb.ROTATE is caught.value.next_action.verb
    add(store, a_rotation(id=an_id(1)))
    assert an_id(1) == store.rotations.get("acme").id


def test_a_rotation_says_who_saves_in_openair(store: Store) -> None:
    """Claimed, shown or listed, a rotation tells whether a person saves its certificate, as its connection says."""
    store.connections.add(a_connection(name="other", openair=OpenAirSettings(kind=OpenAirKind.EXPORT)))
    add(store, a_rotation(id=an_id(1)))
    add(store, a_rotation(id=an_id(2), connection="other"))
    assert [True, False] == [rotation.circumstances.by_hand for rotation in store.rotations.newest()]
    claim = store.claims.claim("w1", lease=60, now=NOW, rotation_id=an_id(2))
    assert claim
    assert (True, True) == (claim.rotation.circumstances.by_hand, store.rotations.get(an_id(2)).circumstances.by_hand)


def test_a_list_is_not_endless(store: Store) -> None:
    """Without a limit, the newest fifty are listed."""
    for number in range(1, 52):
        store.connections.add(a_connection(name=f"c{number}"))
        add(store, a_rotation(id=an_id(number), connection=f"c{number}"))
    assert [an_id(number) for number in range(51, 1, -1)] == [rotation.id for rotation in store.rotations.newest()]


def test_the_newest_rotations_come_first(store: Store) -> None:
    """A list is ordered from the newest on, cut at its limit, and can be narrowed to a connection."""
    store.connections.add(a_connection(name="other"))
    for number in (1, 2, 3):
        begin(store, State.COMPLETED, number=number)
    begin(store, State.KEY_GENERATED, number=4, connection="other")

    def listed(**narrowed: Any) -> list[str]:
        return [rotation.id for rotation in store.rotations.newest(**narrowed)]

    assert [an_id(4), an_id(3), an_id(2), an_id(1)] == listed()
    assert [an_id(4), an_id(3)] == listed(limit=2)
    assert [an_id(3), an_id(2), an_id(1)] == listed(connection="acme")
    assert [an_id(4)] == listed(connection="other")


def _end(store: Store, *, in_flight_until: datetime) -> None:
    """A rotation that is completed though a write of it may still be on its way."""
    claim = begin(store, State.SAVED_TO_OPENAIR)
    noted = changed(claim.rotation, in_flight_until=in_flight_until)
    carry(store, store.rotations.advance(claim, noted, event=UNKNOWN, detail={}, lease=60), State.COMPLETED)


def _open(store: Store, connection: str) -> str | None:
    rotation = store.rotations.open_for(connection)
    return rotation.id if rotation else None
