"""Claims: leases by the database's clock, fencing tokens, what is claimed first."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from support.factories import NOW, a_connection, a_rotation, add, an_id, begin, carry, claimed, requested
from support.stores import open_store

from persistence.journal import POSTPONED
from persistence.store import Store
from states.errors import Stale
from states.state import State


def test_a_claim_holds_the_rotation(store: Store) -> None:
    """Until its lease ends, no other worker gets the rotation; released, the next one does, with a higher token."""
    add(store, a_rotation())
    first = claimed(store, "w1")
    assert store.claims.claim("w2", lease=60, now=NOW) is None
    store.claims.release(first)
    second = claimed(store, "w2")
    assert second.fence > first.fence
    assert first.rotation == second.rotation, "a clean give-back leaves no doubt and changes nothing"


def test_a_rotation_can_be_claimed_as_it_is_added(store: Store) -> None:
    """The new rotation is its worker's at once."""
    _, claim = store.rotations.request_for("w1", requested(store, a_rotation()), lease=60)
    assert claim
    assert ("w1", a_rotation()) == (claim.worker, claim.rotation)
    assert store.claims.claim("w2", lease=60, now=NOW) is None
    assert State.KEY_GENERATED is carry(store, claim, State.KEY_GENERATED).rotation.state


def test_the_first_claim_has_the_first_token(store: Store) -> None:
    """Tokens count the claims of a rotation, however it was claimed."""
    add(store, a_rotation())
    assert 1 == claimed(store, "w1").fence
    store.connections.add(a_connection(name="other"))
    assert 1 == begin(store, number=2, connection="other").fence


def test_a_lease_is_as_long_as_was_asked(store: Store) -> None:
    """Claimed with the request or later: a lease that ended before it began holds nothing."""
    store.rotations.request_for("w1", requested(store, a_rotation()), lease=-1)
    assert store.claims.claim("w2", lease=-1, now=NOW)
    assert store.claims.claim("w3", lease=-1, now=NOW, rotation_id=an_id(1))
    assert store.claims.claim("w4", lease=60, now=NOW)
    assert store.claims.claim("w5", lease=60, now=NOW) is None


def test_the_lease_is_the_databases_to_judge(store: Store) -> None:
    """However wrong a worker's own clock is, it neither gets a rotation that is held, nor loses one it holds."""
    add(store, a_rotation())
    claimed(store, "w1")
    assert store.claims.claim("w2", lease=60, now=datetime(2099, 1, 1, tzinfo=UTC)) is None


def test_what_was_given_back_is_not_held_any_more(store: Store) -> None:
    """After a release, or a write that dropped the lease, the old claim is Stale."""
    claim = begin(store, State.KEY_GENERATED)
    store.claims.release(claim)
    for do in (
        lambda: carry(store, claim, State.UPLOADED_TO_NETSUITE),
        lambda: store.claims.renew(claim, lease=60),
        lambda: store.claims.release(claim),
    ):
        with pytest.raises(Stale):
            do()


def test_renewing_keeps_the_rotation(store: Store) -> None:
    """A lease is renewed from now, any number of times, and even after it ran out if no other worker has taken over."""
    claim = begin(store)
    store.claims.renew(claim, lease=-1)
    store.claims.renew(claim, lease=60)
    assert store.claims.claim("w2", lease=60, now=NOW) is None


def test_a_move_keeps_or_drops_the_lease(store: Store) -> None:
    """A move with a lease keeps the rotation for the next step; one without gives it back."""
    claim = begin(store, State.KEY_GENERATED)
    assert store.claims.claim("w2", lease=60, now=NOW) is None
    carry(store, claim, State.UPLOADED_TO_NETSUITE, lease=0)
    assert State.UPLOADED_TO_NETSUITE is claimed(store, "w2").rotation.state


@pytest.mark.parametrize("has_index", [True, False])
def test_outages_go_first(store: Store, has_index: bool) -> None:  # noqa: FBT001
    """UploadedToNetSuite is claimed before everything else; the rest by how long it has been available.

    That is asked for, and not left to the index by which the database finds them.
    """
    if not has_index:
        with store._database.writing() as tx:
            tx.execute(text("DROP INDEX ix_rotations_claimable"))
    waiting = {
        "young": (State.KEY_GENERATED, NOW),
        "old": (State.REQUESTED, NOW - timedelta(hours=2)),
        "outage": (State.UPLOADED_TO_NETSUITE, NOW),
        "older outage": (State.UPLOADED_TO_NETSUITE, NOW - timedelta(hours=1)),
        "later": (State.UPLOADED_TO_NETSUITE, NOW + timedelta(seconds=1)),
    }
    for number, (state, available_at) in enumerate(waiting.values(), start=1):
        store.connections.add(a_connection(name=f"c{number}"))
        claim = begin(store, state, number=number, connection=f"c{number}")
        store.rotations.advance(claim, replace(claim.rotation, available_at=available_at), event=POSTPONED, detail={})
    names = dict(zip((an_id(number) for number in range(1, 6)), waiting, strict=True))
    claimed = []
    while claim_or_none := store.claims.claim("w1", lease=60, now=NOW):
        claimed.append(names[claim_or_none.rotation.id])
    assert ["older outage", "outage", "old", "young"] == claimed


def test_what_is_parked_or_ended_is_not_claimed(store: Store) -> None:
    """Only what has something left to do is claimable."""
    begin(store, State.COMPLETED, number=1)
    carry(store, begin(store, State.KEY_GENERATED, number=2), State.FAILED)
    assert store.claims.claim("w1", lease=60, now=NOW) is None


def test_one_rotation_can_be_asked_for(store: Store) -> None:
    """With an id, that rotation is claimed or none, though others are more urgent; its time must have come too."""
    store.connections.add(a_connection(name="other"))
    store.claims.release(begin(store, State.UPLOADED_TO_NETSUITE, number=1))
    add(store, a_rotation(id=an_id(2), connection="other"))
    assert store.claims.claim("w1", lease=60, now=NOW - timedelta(seconds=1), rotation_id=an_id(2)) is None
    claim = store.claims.claim("w1", lease=60, now=NOW, rotation_id=an_id(2))
    assert claim
    assert an_id(2) == claim.rotation.id
    assert store.claims.claim("w2", lease=60, now=NOW, rotation_id=an_id(2)) is None


def test_a_postponed_rotation_is_claimed_at_once(store: Store) -> None:
    """Its wait is over then, so that another worker can take over when this one dies; nothing is in doubt."""
    claim = begin(store, State.UPLOADED_TO_NETSUITE)
    later = replace(claim.rotation, available_at=NOW + timedelta(hours=1), waiting_for="OpenAir is down.")
    store.rotations.advance(claim, later, event=POSTPONED, detail={})
    assert store.claims.claim("w2", lease=60, now=NOW, rotation_id=an_id(1)) is None
    at_once = store.claims.claim_postponed("w2", an_id(1), lease=-1, now=NOW)
    assert at_once
    assert (NOW, None) == (at_once.rotation.available_at, at_once.rotation.doubt.since)
    assert NOW == store.rotations.get(an_id(1)).available_at
    taken = store.claims.claim("w3", lease=60, now=NOW)
    assert taken
    assert taken.rotation.doubt.since is not None
    assert store.journal.verify() == len(store.journal.of(an_id(1)))


def test_what_is_held_is_not_claimed_at_once(store: Store) -> None:
    """While a worker holds it, none other gets it; an earlier moment from which it is available stays."""
    claim = begin(store, State.KEY_GENERATED)
    assert store.claims.claim_postponed("w2", an_id(1), lease=60, now=NOW) is None
    store.claims.release(claim)
    at_once = store.claims.claim_postponed("w2", an_id(1), lease=60, now=NOW + timedelta(hours=1))
    assert at_once
    assert claim.rotation.available_at == at_once.rotation.available_at


def test_no_rotation_is_handed_out_twice(store: Store) -> None:
    """Four threads that claim at once share the rotations between them: each goes to exactly one."""
    for number in range(1, 41):
        store.connections.add(a_connection(name=f"c{number}"))
        add(store, a_rotation(id=an_id(number), connection=f"c{number}"))
    handed_out: Counter[str] = Counter()
    together = threading.Barrier(4)

    def work(worker: str) -> None:
        together.wait()
        while claim := store.claims.claim(worker, lease=60, now=NOW):
            handed_out[claim.rotation.id] += 1

    _at_once(work)
    assert Counter({an_id(number): 1 for number in range(1, 41)}) == handed_out


def test_one_of_many_moves_wins(store: Store) -> None:
    """Of four threads that write the same version at once, one succeeds, the others are Stale, and the journal fits."""
    claim = begin(store, State.KEY_GENERATED)
    outcomes: list[str] = []
    together = threading.Barrier(4)

    def work(_worker: str) -> None:
        together.wait()
        try:
            carry(store, claim, State.UPLOADED_TO_NETSUITE)
            outcomes.append("moved")
        except Stale:
            outcomes.append("stale")

    _at_once(work)
    assert ["moved", "stale", "stale", "stale"] == sorted(outcomes)
    assert 3 == store.journal.verify()


def test_processes_share_the_database(store: Store, url: str) -> None:
    """Another store on the same database, as in another process, sees the claims and respects them."""
    other = open_store(url)
    try:
        begin(store)
        assert other.claims.claim("w2", lease=60, now=NOW) is None
    finally:
        other.close()


def _at_once(work: Callable[[str], None]) -> None:
    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
