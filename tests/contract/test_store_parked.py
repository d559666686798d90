"""What the store does about parked rotations: holding one, closing it, and what becomes of certificates and keys."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.factories import NOW, a_certificate, a_connection, a_rotation, add, an_id, begin, carry

from persistence.store import Claim, Store
from states import machine
from states.connection import Policy
from states.errors import IllegalMove, NotFound, Stale
from states.rotation import Ending, Rotation
from states.state import State
from states.table import ABANDON, ADOPT, RESTORE, RESTORING, RESUME

LATER = NOW + timedelta(minutes=5)


def a_parked(store: Store, *, number: int = 2, policy: Policy | None = None) -> Rotation:
    """A second rotation of acme, parked between both sides; the first one completed."""
    begin(store, State.COMPLETED, number=1, policy=policy or Policy())
    previous = store.connections.get("acme").current
    carry(store, begin(store, State.UPLOADED_TO_NETSUITE, number=number, previous=previous), State.FAILED)
    return store.rotations.get(an_id(number))


def closed(parked: Rotation, ending: Ending) -> Rotation:
    return replace(parked, ending=ending, updated_at=LATER, closed_at=LATER)


def keys(store: Store) -> list[bool]:
    """Whether the keys of both rotations' certificates are kept, the older first."""
    rotations = reversed(store.rotations.newest(connection="acme"))
    return [bool(rotation.proofs.candidate and rotation.proofs.candidate.sealed_key) for rotation in rotations]


# --- holding ----------------------------------------------------------------------------------------------------------


def test_a_parked_rotation_is_held(store: Store) -> None:
    """While it is held, no one else holds or writes it, and no worker claims it; released, it is as it was."""
    parked = a_parked(store)
    held = store.claims.hold("ada", parked, lease=60)
    assert ("ada", parked) == (held.worker, held.rotation)
    resumed = machine.resume(parked, LATER)
    with pytest.raises(Stale, match="being worked on"):
        store.claims.hold("bob", parked, lease=60)
    with pytest.raises(Stale, match="being worked on"):
        store.rotations.write(parked, resumed, event=RESUME, actor="bob", detail={})
    assert store.claims.claim("w1", lease=60, now=LATER) is None
    assert store.claims.claim("w1", lease=60, now=LATER, rotation_id=parked.id) is None
    store.claims.renew(held, lease=60)
    store.claims.release(held)
    assert parked == store.rotations.get(parked.id)
    assert store.rotations.write(parked, resumed, event=RESUME, actor="bob", detail={})


def test_a_hold_is_as_long_as_was_asked(store: Store) -> None:
    """A hold that ended before it began keeps no one out."""
    parked = a_parked(store)
    store.claims.hold("ada", parked, lease=-1)
    store.claims.hold("bob", parked, lease=60)
    with pytest.raises(Stale):
        store.claims.hold("eve", parked, lease=60)


def test_a_hold_that_ran_out_leaves_no_doubt(store: Store) -> None:
    """The holder of a parked rotation records what it will send beforehand: its death alone raises no doubt."""
    parked = a_parked(store)
    lost = store.claims.hold("ada", parked, lease=60)
    store.claims.renew(lost, lease=-1)
    held = store.claims.hold("bob", parked, lease=60)
    assert lost.fence + 1 == held.fence
    for do in (lambda: store.claims.release(lost), lambda: store.claims.renew(lost, lease=60)):
        with pytest.raises(Stale):
            do()
    store.claims.renew(held, lease=-1)
    resumed = store.rotations.write(parked, machine.resume(parked, LATER), event=RESUME, actor="ada", detail={})
    assert resumed.doubt.since is None


def test_what_was_noted_before_outlives_its_holder(store: Store) -> None:
    """A restore that was noted and not finished is in doubt for the next command."""
    parked = a_parked(store)
    held = store.claims.hold("ada", parked, lease=60)
    held = store.rotations.advance(held, machine.restoring(parked, LATER), event=RESTORING, detail={}, lease=60)
    store.claims.renew(held, lease=-1)
    found = store.rotations.get(parked.id)
    assert (held.rotation, LATER, LATER) == (found, found.restoring_since, found.doubt.since)


def test_only_what_is_parked_is_held(store: Store) -> None:
    """A rotation that is under way is for workers to claim, and one that has ended is never held."""
    under_way = begin(store, State.KEY_GENERATED)
    store.claims.release(under_way)
    with pytest.raises(IllegalMove, match="is not parked"):
        store.claims.hold("ada", under_way.rotation, lease=60)
    ended = closed(carry(store, under_way_again(store), State.FAILED).rotation, Ending.ABANDONED)
    with pytest.raises(IllegalMove, match="is not parked"):
        store.claims.hold("ada", ended, lease=60)


def under_way_again(store: Store) -> Claim:
    """A rotation of another connection, claimed."""
    store.connections.add(a_connection(name="other"))
    return begin(store, number=3, connection="other")


def test_what_changed_is_not_held(store: Store) -> None:
    """Compare and set: a rotation that is not as it was read is Stale; one that is not there is NotFound."""
    parked = a_parked(store)
    with pytest.raises(Stale, match="changed meanwhile"):
        store.claims.hold("ada", replace(parked, version=parked.version - 1), lease=60)
    with pytest.raises(NotFound):
        store.claims.hold("ada", replace(parked, id=an_id(9)), lease=60)


def test_a_person_writes_one_rotation(store: Store) -> None:
    """Holding or writing a parked rotation does nothing to another one that is just as far."""
    store.connections.add(a_connection(name="other"))
    one, other = (
        carry(store, begin(store, State.KEY_GENERATED, number=number, connection=name), State.FAILED).rotation
        for number, name in ((1, "acme"), (2, "other"))
    )
    assert one.version == other.version
    store.claims.release(store.claims.hold("ada", one, lease=60))
    store.rotations.write(one, machine.resume(one, LATER), event=RESUME, actor="ada", detail={})
    assert other == store.rotations.get(other.id)
    assert store.claims.hold("bob", other, lease=60)


# --- closing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", Ending)
def test_how_it_ended_comes_back(store: Store, ending: Ending) -> None:
    """The ending survives the store, the candidate's key does not, and the connection is free for another rotation."""
    parked = a_parked(store)
    event = {Ending.ABANDONED: ABANDON, Ending.RESTORED: RESTORE, Ending.ADOPTED: ADOPT}[ending]
    store.rotations.write(parked, closed(parked, ending), event=event, actor="ada", detail={})
    found = store.rotations.get(parked.id)
    assert (ending, LATER, State.FAILED) == (found.ending, found.closed_at, found.state)
    assert [True, False] == keys(store)
    assert store.rotations.open_for("acme") is None
    begin(store, number=3)
    store.journal.verify()


def test_what_made_nothing_is_closed(store: Store) -> None:
    """Parked before it had a candidate, there is no key to destroy; the connection is free."""
    parked = carry(store, begin(store), State.FAILED).rotation
    store.rotations.write(parked, closed(parked, Ending.ABANDONED), event=ABANDON, actor="ada", detail={})
    assert (None, store.rotations.get(parked.id).ending) == (store.rotations.open_for("acme"), Ending.ABANDONED)


def test_restored_by_its_holder(store: Store) -> None:
    """The holder closes it with its own claim; the current certificate, its due moment and its key stay."""
    parked = a_parked(store)
    before = store.connections.get("acme")
    held = store.claims.hold("ada", parked, lease=60)
    done = store.rotations.advance(held, closed(parked, Ending.RESTORED), event=RESTORE, detail={})
    assert ("ada", RESTORE) == (store.journal.of(parked.id)[-1].actor, store.journal.of(parked.id)[-1].event)
    assert before == store.connections.get("acme")
    assert [True, False] == keys(store)
    with pytest.raises(Stale):
        store.claims.release(done)


def test_an_adopted_certificate_takes_the_place(store: Store) -> None:
    """It becomes current, due when it was drawn, and no private key of the connection is left."""
    parked = a_parked(store)
    stranger = a_certificate()
    after = closed(parked, Ending.ADOPTED)
    store.rotations.write(parked, after, event=ADOPT, actor="ada", detail={}, adopted=stranger, due_at=LATER)
    connection = store.connections.get("acme")
    assert (stranger, LATER) == (connection.current, connection.due_at)
    assert [False, False] == keys(store)
    assert store.rotations.kept_key(stranger) is None


def test_a_refused_adoption_changes_nothing(store: Store) -> None:
    """The closing and what becomes current commit together, or not at all."""
    parked = a_parked(store)
    before = store.connections.get("acme")
    stale = replace(parked, version=parked.version - 1)
    with pytest.raises(Stale):
        store.rotations.write(
            stale,
            closed(parked, Ending.ADOPTED),
            event=ADOPT,
            actor="ada",
            detail={},
            adopted=a_certificate(),
            due_at=LATER,
        )
    assert (before, [True, True]) == (store.connections.get("acme"), keys(store))


# --- the previous certificate's key -----------------------------------------------------------------------------------


def test_the_previous_key_is_found_with_its_maker(store: Store) -> None:
    """A sealed key opens for the rotation that made it only, so that one is named."""
    parked = a_parked(store)
    first = store.rotations.get(an_id(1))
    assert parked.previous
    assert parked.circumstances.previous_key_kept
    assert (first.id, first.proofs.candidate) == store.rotations.kept_key(parked.previous)


def test_a_key_that_was_not_kept_is_not_found(store: Store) -> None:
    """Where the policy destroyed it, there is none, and the rotation tells so."""
    parked = a_parked(store, policy=Policy(keep_key=False))
    assert parked.previous
    assert not parked.circumstances.previous_key_kept
    assert store.rotations.kept_key(parked.previous) is None


def test_a_key_is_found_whichever_connection_made_it(store: Store) -> None:
    """Of two connections one may adopt what the other made, having its account now: it can be put back all the same."""
    made = begin(store, State.COMPLETED).rotation
    assert made.proofs.candidate
    store.connections.add(a_connection(name="other"))
    following = a_rotation(id=an_id(2), connection="other", previous=made.proofs.candidate.certificate)
    assert add(store, following).previous
    assert store.rotations.get(an_id(2)).circumstances.previous_key_kept
    assert (made.id, made.proofs.candidate) == store.rotations.kept_key(made.proofs.candidate.certificate)
