"""Moving a rotation in the store: compare and set, what completing does to certificates and keys, a person's write."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError
from support.advice import text
from support.factories import NOW, a_candidate, a_connection, a_rotation, advance_to, an_id, begin, carry, next_move

from persistence.journal import POSTPONED
from persistence.store import Store
from states import machine, table
from states.connection import Policy
from states.errors import IllegalMove, NotFound, Stale
from states.rotation import Allowances
from states.state import State
from states.timing import HOLD_OFF


def test_each_write_counts_the_version(store: Store) -> None:
    """The version counts the writes: four moves make it 4."""
    claim = begin(store, State.COMPLETED)
    assert 4 == claim.rotation.version == store.rotations.get(claim.rotation.id).version


def test_only_the_version_that_was_read_is_written(store: Store) -> None:
    """Compare and set: of two writes that read the same version, the second is Stale and changes nothing."""
    claim = begin(store, State.KEY_GENERATED)
    first = carry(store, claim, State.UPLOADED_TO_NETSUITE)
    with pytest.raises(Stale):
        carry(store, claim, State.UPLOADED_TO_NETSUITE)
    assert first.rotation == store.rotations.get(first.rotation.id)
    assert [1, 2, 3] == [entry.seq for entry in store.journal.of(first.rotation.id)]


@pytest.mark.parametrize("edge", table.FORWARD, ids=lambda edge: edge.trigger)
def test_no_step_of_the_way_is_skipped(store: Store, edge: table.Edge) -> None:
    """The database refuses a move that the table does not have."""
    claim = begin(store, edge.source)
    skipped = advance_to(claim.rotation, State.COMPLETED)
    event = edge.trigger if edge.target is not State.COMPLETED else "generate_key"
    with pytest.raises(IllegalMove, match=f"from {edge.source} to {State.COMPLETED}") as caught:
        store.rotations.advance(claim, skipped, event=event, detail={})
    assert isinstance(caught.value.__cause__, IntegrityError)
    assert claim.rotation == store.rotations.get(claim.rotation.id)


def test_postponing_writes_the_rotation_and_releases_it(store: Store) -> None:
    """A postponed rotation keeps its state, has when and why, and no lease; the next claim finds no doubt."""
    claim = begin(store, State.KEY_GENERATED)
    later = NOW + timedelta(minutes=5)
    after = replace(claim.rotation, tries=1, available_at=later, waiting_for="NetSuite is busy")
    store.rotations.advance(claim, after, event=POSTPONED, detail={"code": "THROTTLED"})
    assert store.claims.claim("w2", lease=60, now=later - timedelta(microseconds=1)) is None
    taken = store.claims.claim("w2", lease=60, now=later)
    assert taken
    assert replace(after, version=claim.rotation.version + 1) == taken.rotation


def test_completing_puts_the_candidate_in_place(store: Store) -> None:
    """With the last move, the candidate becomes the connection's current certificate, due when it was drawn."""
    assert store.connections.get("acme").current is None
    claim = begin(store, State.COMPLETED)
    connection = store.connections.get("acme")
    assert claim.rotation.proofs.candidate
    assert claim.rotation.proofs.candidate.certificate == connection.current
    assert NOW == connection.due_at
    assert 0 == connection.version, "what an administrator edits meanwhile is not Stale for that"


def test_completing_destroys_the_predecessors_key(store: Store) -> None:
    """Only the current certificate's sealed key is kept; its predecessor's is erased with the last move."""
    begin(store, State.COMPLETED, number=1)
    assert b"sealed" == _sealed_key(store, 1)
    second = begin(store, State.SAVED_TO_OPENAIR, number=2, previous=store.connections.get("acme").current)
    assert [b"sealed", b"sealed"] == [_sealed_key(store, 1), _sealed_key(store, 2)]
    carry(store, second, State.COMPLETED)
    assert [b"", b"sealed"] == [_sealed_key(store, 1), _sealed_key(store, 2)]


def test_completing_leaves_other_connections_as_they_are(store: Store) -> None:
    """Their certificates stay current, and their keys are kept."""
    store.connections.add(a_connection(name="other"))
    store.connections.add(a_connection(name="a-third"))
    for number, name in ((1, "acme"), (2, "other"), (3, "a-third"), (4, "other")):
        begin(store, State.COMPLETED, number=number, connection=name)
    assert [b"sealed", b"", b"sealed", b"sealed"] == [_sealed_key(store, number) for number in (1, 2, 3, 4)]
    for number, name in ((1, "acme"), (3, "a-third"), (4, "other")):
        candidate = store.rotations.get(an_id(number)).proofs.candidate
        assert candidate
        assert candidate.certificate == store.connections.get(name).current


def test_a_policy_can_keep_no_key_at_all(store: Store) -> None:
    """Where the policy does not keep keys, the candidate's own is erased as soon as it is in place."""
    begin(store, State.COMPLETED, number=1)
    begin(store, State.COMPLETED, number=2, policy=Policy(keep_key=False))
    assert [b"", b""] == [_sealed_key(store, 1), _sealed_key(store, 2)]


def test_a_failed_rotation_keeps_its_key(store: Store) -> None:
    """A parked rotation may be resumed: a failure destroys no key."""
    carry(store, begin(store, State.UPLOADED_TO_NETSUITE), State.FAILED)
    assert b"sealed" == _sealed_key(store, 1)


def test_a_candidate_is_one_rotations_own(store: Store) -> None:
    """A certificate that another rotation made is not taken for a new candidate."""
    store.connections.add(a_connection(name="other"))
    candidate = a_candidate()
    for number, connection in ((1, "acme"), (2, "other")):
        claim = begin(store, number=number, connection=connection)
        after = next_move(claim.rotation, candidate=candidate)
        if number == 1:
            store.rotations.advance(claim, after, event="generate_key", detail={})
            continue
        with pytest.raises(IllegalMove):
            store.rotations.advance(claim, after, event="generate_key", detail={})
        assert claim.rotation == store.rotations.get(claim.rotation.id)


def test_a_person_resumes_what_is_parked(store: Store) -> None:
    """An operator's write needs no claim; it is a move like any other, with its journal entry."""
    parked = carry(store, begin(store, State.UPLOADED_TO_NETSUITE), State.FAILED).rotation
    resumed = machine.resume(parked, NOW, Allowances(overwrite=True))
    written = store.rotations.write(parked, resumed, event=table.RESUME, actor="ada", detail={"reason": "fixed"})
    assert replace(resumed, version=parked.version + 1) == written == store.rotations.get(parked.id)
    last = store.journal.of(parked.id)[-1]
    assert ("ada", "resume", 2, {"reason": "fixed"}) == (last.actor, last.event, last.attempt, last.detail)


def test_a_person_does_not_write_into_a_workers_hands(store: Store) -> None:
    """While a live lease is on the rotation, and when it has changed since, an operator's write is Stale."""
    claim = begin(store, State.KEY_GENERATED)
    woken = replace(claim.rotation, available_at=NOW)
    with pytest.raises(Stale, match="being worked on") as caught:
        store.rotations.write(claim.rotation, woken, event=POSTPONED, actor="ada", detail={})
    assert f"keyturn rotation show {claim.rotation.id}" in text(caught.value.next_action)
    store.claims.release(claim)
    assert store.rotations.write(claim.rotation, woken, event=POSTPONED, actor="ada", detail={}).doubt.since is None
    with pytest.raises(Stale, match="changed meanwhile"):
        store.rotations.write(claim.rotation, woken, event=POSTPONED, actor="ada", detail={})


def test_a_persons_write_fences_off_a_lost_worker(store: Store) -> None:
    """Written over a lease that ran out, the rotation is in doubt, and the lost worker's result is Stale."""
    claim = begin(store, State.KEY_GENERATED)
    store.claims.renew(claim, lease=-1)
    written = store.rotations.write(claim.rotation, claim.rotation, event=POSTPONED, actor="ada", detail={})
    assert claim.rotation.updated_at == written.doubt.since == store.rotations.get(written.id).doubt.since
    assert claim.rotation.updated_at + HOLD_OFF == written.doubt.in_flight_until
    with pytest.raises(Stale):
        carry(store, claim, State.UPLOADED_TO_NETSUITE)
    retaken = store.claims.claim("w2", lease=60, now=NOW)
    assert retaken
    assert written == retaken.rotation, "the doubt was noted already; this is no second take-over"


def test_a_person_cannot_write_what_is_not_there(store: Store) -> None:
    """Writing an unknown rotation is NotFound."""
    with pytest.raises(NotFound):
        store.rotations.write(a_rotation(), a_rotation(), event=POSTPONED, actor="ada", detail={})


def _sealed_key(store: Store, number: int) -> bytes:
    candidate = store.rotations.get(an_id(number)).proofs.candidate
    assert candidate
    return candidate.sealed_key
