"""Timestamps written by a worker whose clock ran ahead are repaired: moments, leases, what is in flight."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from support.factories import NOW, a_connection, a_rotation, add, an_id, begin, carry, changed, claimed

from persistence.journal import POSTPONED, UNKNOWN
from persistence.store import Claim, Store
from states.errors import Stale
from states.rotation import Ending, Rotation
from states.state import State
from states.table import ADOPT, RESTORING
from states.timing import HOLD_OFF

MINUTE, DAYS = timedelta(minutes=1), timedelta(days=3)
POSTPONED_AT_MOST, HELD_AT_MOST = timedelta(hours=2), timedelta(minutes=15)
TICK = timedelta(microseconds=1)


@pytest.fixture
def now(store: Store) -> datetime:
    """By a worker's clock, which is no slower than the database's."""
    return store.now() + MINUTE


def several(store: Store, count: int) -> list[str]:
    """Make so many connections more; return their names."""
    names = [f"c{number}" for number in range(1, count + 1)]
    for name in names:
        store.connections.add(a_connection(name=name))
    return names


def parked(store: Store, in_flight_until: datetime, *, number: int = 1, connection: str = "acme") -> Rotation:
    """A parked rotation of which something may be in flight."""
    claim = begin(store, State.KEY_GENERATED, number=number, connection=connection)
    noted = changed(claim.rotation, in_flight_until=in_flight_until)
    return carry(
        store, store.rotations.advance(claim, noted, event=UNKNOWN, detail={}, lease=60), State.FAILED
    ).rotation


def dead(store: Store, available_at: datetime, *, lease: float = -1) -> Claim:
    """What a worker left that died right after a move into UploadedToNetSuite, at that moment by its clock."""
    return carry(store, begin(store, State.KEY_GENERATED), State.UPLOADED_TO_NETSUITE, now=available_at, lease=lease)


def test_what_is_postponed_by_days(store: Store, now: datetime) -> None:
    """It is available when what may be in flight has landed; what is postponed by hours is left alone."""
    ahead = (now + DAYS, now + POSTPONED_AT_MOST + TICK, now + POSTPONED_AT_MOST, now)
    for number, (name, available_at) in enumerate(zip(several(store, 4), ahead, strict=True), start=1):
        add(store, a_rotation(id=an_id(number), connection=name, now=available_at))
    assert 2 == store.claims.repair_clocks(now)
    expected = [now + HOLD_OFF, now + HOLD_OFF, now + POSTPONED_AT_MOST, now]
    assert expected == [store.rotations.get(an_id(number)).available_at for number in (1, 2, 3, 4)]
    assert 0 == store.claims.repair_clocks(now)


def test_what_waits_for_no_moment(store: Store, now: datetime) -> None:
    """What a worker holds is carried on, and what is parked is not: when they were available changes nothing."""
    held, failed = several(store, 2)
    begin(store, number=1, connection=held, now=now + DAYS)
    claim = carry(store, begin(store, State.KEY_GENERATED, number=2, connection=failed), State.FAILED, now=now + DAYS)
    store.claims.hold("ada", claim.rotation, lease=-1)
    assert 0 == store.claims.repair_clocks(now)
    assert [now + DAYS] * 2 == [store.rotations.get(an_id(number)).available_at for number in (1, 2)]


def test_a_lease_of_days(store: Store, now: datetime) -> None:
    """It runs out, and leaves a doubt; one of minutes is left alone."""
    long, short = several(store, 2)
    for number, (name, lease) in enumerate(((long, DAYS), (short, HELD_AT_MOST)), start=1):
        add(store, a_rotation(id=an_id(number), connection=name))
        assert store.claims.claim("lost", lease=lease.total_seconds(), now=NOW, rotation_id=an_id(number))
    assert 1 == store.claims.repair_clocks(now)
    taken = claimed(store, "w2")
    assert (an_id(1), NOW) == (taken.rotation.id, taken.rotation.doubt.since)
    assert store.claims.claim("w2", lease=60, now=NOW) is None


@pytest.mark.parametrize("ahead", [DAYS, timedelta(minutes=10)], ids=["days", "minutes"])
def test_a_worker_that_died_while_its_clock_was_ahead(store: Store, now: datetime, ahead: timedelta) -> None:
    """What it held between both sides is not available for as long: the next pass makes it so, and there is a doubt."""
    dead(store, now + ahead)
    assert store.claims.claim("w2", lease=60, now=now) is None
    assert 1 == store.claims.repair_clocks(now)
    taken = store.claims.claim("w2", lease=60, now=now)
    assert taken
    assert (State.UPLOADED_TO_NETSUITE, now + ahead) == (taken.rotation.state, taken.rotation.doubt.since)
    assert 0 == store.claims.repair_clocks(now)


def test_a_worker_that_died_with_a_right_clock(store: Store, now: datetime) -> None:
    """What it held is available: nothing is to be brought back."""
    dead(store, now)
    assert 0 == store.claims.repair_clocks(now)


def test_a_worker_that_died_with_a_lease_of_days(store: Store, now: datetime) -> None:
    """The database's clock was ahead, too: one pass brings the rotation back, which counts once."""
    dead(store, now + DAYS, lease=DAYS.total_seconds())
    assert 1 == store.claims.repair_clocks(now)
    assert store.claims.claim("w2", lease=60, now=now)


def test_a_worker_that_is_ahead_and_alive(store: Store, now: datetime) -> None:
    """Nothing is lost yet: the rotation stays as it is."""
    held = dead(store, now + DAYS, lease=60)
    assert 0 == store.claims.repair_clocks(now)
    assert held.rotation == store.rotations.get(an_id(1))


def test_what_may_be_in_flight_for_days(store: Store, now: datetime) -> None:
    """For a parked rotation it is so no longer than by a right clock; a moment within minutes is left alone."""
    far, near, further = several(store, 3)
    before = parked(store, now + HELD_AT_MOST + TICK, number=1, connection=far)
    left = parked(store, now + HELD_AT_MOST, number=2, connection=near)
    parked(store, now + DAYS, number=3, connection=further)
    assert 2 == store.claims.repair_clocks(now)
    assert changed(before, in_flight_until=now + HOLD_OFF, version=before.version + 1) == store.rotations.get(an_id(1))
    assert left == store.rotations.get(an_id(2))
    assert 0 == store.claims.repair_clocks(now)
    assert 12 == store.journal.verify()


def test_what_has_ended_stays_as_it_was(store: Store, now: datetime) -> None:
    """Until when something of it was in flight is history; what follows it asks by itself whether that can be."""
    before = parked(store, now + DAYS)
    after = replace(before, ending=Ending.ADOPTED, closed_at=now)
    store.rotations.write(before, after, event=ADOPT, actor="ada", detail={})
    closed = store.rotations.get(an_id(1))
    assert 0 == store.claims.repair_clocks(now)
    assert closed == store.rotations.get(an_id(1))


def test_what_is_carried_on_keeps_what_may_be_in_flight(store: Store, now: datetime) -> None:
    """Its worker remembers the moment, and would not store a nearer one: it is brought back once it is parked."""
    claim = begin(store, State.KEY_GENERATED)
    noted = changed(claim.rotation, in_flight_until=now + DAYS)
    store.rotations.advance(claim, noted, event=UNKNOWN, detail={})
    assert 0 == store.claims.repair_clocks(now)
    carry(store, claimed(store, "w2"), State.FAILED)
    assert 1 == store.claims.repair_clocks(now)
    assert now + HOLD_OFF == store.rotations.get(an_id(1)).doubt.in_flight_until


def test_who_holds_a_parked_rotation_is_left_alone(store: Store, now: datetime) -> None:
    """It may note a doubt by what it remembers; when its lease is over and the moment changed, it is late."""
    before = parked(store, now + DAYS)
    holder = store.claims.hold("ada", before, lease=60)
    assert 0 == store.claims.repair_clocks(now)
    store.claims.renew(holder, lease=-1)
    assert 1 == store.claims.repair_clocks(now)
    with pytest.raises(Stale):
        store.rotations.advance(holder, before.with_doubt(now, now), event=RESTORING, detail={}, lease=60)
    assert now + HOLD_OFF == store.rotations.get(an_id(1)).doubt.in_flight_until


def test_a_slow_clock_takes_nothing_right_for_wrong(store: Store, now: datetime) -> None:
    """A worker whose clock is days behind asks the database's: what is right stays as it is."""
    postponed, waiting = several(store, 2)
    add(store, a_rotation(id=an_id(1), connection=postponed, now=now))
    failed = parked(store, now + HOLD_OFF, number=2, connection=waiting)
    assert 0 == store.claims.repair_clocks(now - DAYS)
    assert (now, failed) == (store.rotations.get(an_id(1)).available_at, store.rotations.get(an_id(2)))


@pytest.mark.parametrize(
    ("ahead", "waits"),
    [(HELD_AT_MOST, HELD_AT_MOST), (HELD_AT_MOST + TICK, HOLD_OFF)],
    ids=["within reach", "out of reach"],
)
def test_the_next_rotation_does_not_wait_for_days(
    store: Store, now: datetime, ahead: timedelta, waits: timedelta
) -> None:
    """What its predecessor may have in flight is no longer so than by a right clock, and it says until when."""
    claim = begin(store, State.SAVED_TO_OPENAIR)
    noted = changed(claim.rotation, in_flight_until=now + ahead)
    carry(store, store.rotations.advance(claim, noted, event=POSTPONED, detail={}, lease=60), State.COMPLETED)
    following = add(store, a_rotation(id=an_id(2), now=now))
    assert now + waits == following.available_at
    assert f"{now + waits:%Y-%m-%d %H:%M:%S}" in following.waiting_for


def test_who_asks_with_a_slow_clock_waits_all_the_same(store: Store, now: datetime) -> None:
    """Days away by its clock, and minutes by the database's, what may be in flight is waited for."""
    until = now + HOLD_OFF
    claim = begin(store, State.SAVED_TO_OPENAIR)
    noted = changed(claim.rotation, in_flight_until=until)
    carry(store, store.rotations.advance(claim, noted, event=POSTPONED, detail={}, lease=60), State.COMPLETED)
    assert until == add(store, a_rotation(id=an_id(2), now=now - DAYS)).available_at
