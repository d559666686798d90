"""Claims of workers that were lost: the rotation is in doubt, and nothing more of theirs reaches the store."""

from datetime import timedelta

import pytest
from support.factories import NOW, a_connection, an_id, begin, carry, changed, claimed

from persistence.journal import POSTPONED, TAKEN_OVER
from persistence.store import Claim, Store
from states.errors import Stale
from states.state import State
from states.timing import HOLD_OFF


def test_a_lease_that_ran_out_sets_doubt(store: Store) -> None:
    """Taken over from a lost worker, the rotation is in doubt since that worker's last write, and the journal tells."""
    lost = begin(store, State.KEY_GENERATED)
    store.claims.renew(lost, lease=-1)
    now = NOW + timedelta(minutes=1)
    taken = store.claims.claim("w2", lease=60, now=now)
    assert taken
    until = now + HOLD_OFF
    expected = changed(
        lost.rotation, version=lost.rotation.version + 1, updated_at=now, doubt_since=NOW, in_flight_until=until
    )
    assert expected == taken.rotation == store.rotations.get(an_id(1))
    last = store.journal.of(an_id(1))[-1]
    detail = {"from": "w1", "until": until.isoformat()}
    assert (TAKEN_OVER, "w2", detail, now) == (last.event, last.actor, last.detail, last.at)
    assert last.seq == store.journal.verify()


def test_doubt_is_not_set_later_than_it_was(store: Store) -> None:
    """A rotation that was in doubt already stays in doubt since then."""
    lost = begin(store, State.KEY_GENERATED)
    since = NOW - timedelta(hours=1)
    lost = store.rotations.advance(
        lost, changed(lost.rotation, doubt_since=since), event=POSTPONED, detail={}, lease=-1
    )
    assert since == claimed(store, "w2").rotation.doubt.since


def test_what_is_in_flight_is_waited_for_no_shorter_than_it_was(store: Store) -> None:
    """A take-over by a worker whose clock is slow leaves the later end of what may still take effect."""
    lost = begin(store, State.KEY_GENERATED)
    until = NOW + timedelta(hours=1)
    lost = store.rotations.advance(
        lost, changed(lost.rotation, in_flight_until=until), event=POSTPONED, detail={}, lease=-1
    )
    assert until == claimed(store, "w2").rotation.doubt.in_flight_until


def test_a_worker_that_takes_over_from_itself_is_in_doubt_too(store: Store) -> None:
    """A restarted worker may have the same name: it does not know what it had sent before."""
    store.claims.renew(begin(store, State.KEY_GENERATED), lease=-1)
    assert NOW == claimed(store, "w1").rotation.doubt.since


def test_a_late_worker_is_fenced_off(store: Store) -> None:
    """After a take-over, nothing that the lost worker does reaches the store."""
    lost = begin(store, State.KEY_GENERATED)
    store.claims.renew(lost, lease=-1)
    taken = claimed(store, "w2")
    late = Claim(taken.rotation, lost.worker, lost.fence, taken.journal)  # even if it had read the newest version
    for do in (
        lambda: carry(store, late, State.UPLOADED_TO_NETSUITE),
        lambda: store.claims.renew(late, lease=60),
        lambda: store.claims.release(late),
    ):
        with pytest.raises(Stale):
            do()
    assert State.UPLOADED_TO_NETSUITE is carry(store, taken, State.UPLOADED_TO_NETSUITE).rotation.state


def test_a_worker_of_the_same_name_is_another_one(store: Store) -> None:
    """It is the token that tells a restarted worker from the one before it, not the name."""
    lost = begin(store, State.KEY_GENERATED)
    store.claims.renew(lost, lease=-1)
    taken = claimed(store, lost.worker)
    late = Claim(taken.rotation, lost.worker, lost.fence, taken.journal)
    for do in (
        lambda: carry(store, late, State.UPLOADED_TO_NETSUITE),
        lambda: store.claims.ensure_held(late),
        lambda: store.claims.renew(late, lease=60),
        lambda: store.claims.release(late),
    ):
        with pytest.raises(Stale):
            do()
    store.claims.ensure_held(taken)


def test_a_worker_holds_each_rotation_by_itself(store: Store) -> None:
    """What a worker does with one of its rotations does nothing to another one, though name and token are the same."""
    store.connections.add(a_connection(name="other"))
    one, other = begin(store, number=1), begin(store, number=2, connection="other")
    assert (one.worker, one.fence, one.rotation.version) == (other.worker, other.fence, other.rotation.version)
    one = carry(store, one, State.KEY_GENERATED)
    assert other.rotation == store.rotations.get(an_id(2))
    store.claims.renew(one, lease=-1)
    assert store.claims.claim("w2", lease=60, now=NOW, rotation_id=an_id(2)) is None
    taken = claimed(store, "w2")
    assert an_id(1) == taken.rotation.id
    store.claims.ensure_held(other)
    with pytest.raises(Stale):
        store.claims.ensure_held(one)
    store.claims.release(taken)
    store.claims.ensure_held(other)
    assert State.KEY_GENERATED is carry(store, other, State.KEY_GENERATED).rotation.state
    assert store.claims.claim("w3", lease=60, now=NOW, rotation_id=an_id(2)) is None
    assert store.claims.claim("w3", lease=60, now=NOW, rotation_id=an_id(1))


def test_a_claim_is_held_until_another_has_it(store: Store) -> None:
    """A claim whose lease ran out is held until another worker takes over; asked before each write to the systems."""
    claim = begin(store, State.KEY_GENERATED)
    store.claims.ensure_held(claim)
    store.claims.renew(claim, lease=-1)
    store.claims.ensure_held(claim)
    taken = claimed(store, "w2")
    with pytest.raises(Stale):
        store.claims.ensure_held(claim)
    store.claims.ensure_held(taken)
    store.claims.release(taken)
    with pytest.raises(Stale):
        store.claims.ensure_held(taken)
