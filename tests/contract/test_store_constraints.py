# ruff: noqa: S608 - what is put into the SQL is the test's own
"""What the database itself refuses, also when SQL is written past the store."""

import json
from itertools import product
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.factories import a_connection, a_rotation, add, an_id, begin, carry

from persistence.journal import MOVES, NOTES, PARKED_NOTES, RENAMED
from persistence.store import Store
from states import table
from states.state import State

PATH = (*table.ACTIVE, State.COMPLETED)
PROVED = [(proof, state) for proof in table.PROOFS for state in table.positions_with(proof)]
LEAPS = [(source, target) for source, target in product(PATH, PATH) if PATH.index(target) > PATH.index(source)]


def execute(store: Store, sql: str, **parameters: Any) -> None:
    """Run raw SQL in a transaction of its own."""
    with store._database.writing() as tx:
        tx.execute(text(sql), parameters)


def refuses(store: Store, sql: str, *, because: str, **parameters: Any) -> None:
    """The database refuses this SQL, and names the rule."""
    with pytest.raises(IntegrityError) as caught:
        execute(store, sql, **parameters)
    assert because in str(caught.value.orig)


@pytest.mark.parametrize(("proof", "state"), PROVED)
def test_no_position_without_its_proof(store: Store, proof: str, state: State) -> None:
    """Rule 1: where a proof opened the way, it cannot be taken back, nor be another certificate's."""
    begin(store, state)
    companions = {
        "candidate": "",
        "confirmation": ", challenge = NULL, signature = NULL, asked_at = NULL",
        "saved": ", saved_at = NULL",
        "verified": ", verified_at = NULL",
    }[proof]
    refuses(store, f"UPDATE rotations SET {proof}_fingerprint = NULL{companions}", because="_proved")
    if proof != "candidate":
        refuses(store, f"UPDATE rotations SET {proof}_fingerprint = 'another'", because=f"ck_rotations_{proof}_proved")


@pytest.mark.parametrize(("source", "target"), LEAPS)
def test_no_leap_without_proofs(store: Store, source: State, target: State) -> None:
    """Rule 1: no state further on can be written without the proofs of everything before it."""
    begin(store, source)
    closed = ", closed_at = updated_at" if target is State.COMPLETED else ""
    refuses(store, f"UPDATE rotations SET state = '{target}'{closed}", because="_proved")


@pytest.mark.parametrize(("source", "target"), [leap for leap in LEAPS if leap[1] is not State.COMPLETED])
def test_failing_is_no_way_round(store: Store, source: State, target: State) -> None:
    """Rule 1 holds for parked rotations too: they cannot have failed from where they never were."""
    carry(store, begin(store, source), State.FAILED)
    refuses(store, f"UPDATE rotations SET failed_from = '{target}'", because="_proved")


def test_failed_names_where_it_failed(store: Store) -> None:
    """Failed goes with all of its failure, any other state with none of it, and only an active state fails."""
    begin(store, State.KEY_GENERATED)
    refuses(store, "UPDATE rotations SET state = 'Failed'", because="ck_rotations_failed")
    refuses(store, "UPDATE rotations SET failure_code = 'REFUSED'", because="ck_rotations_failed_from_together")
    failure = "failure_code = '', failure_message = '', failure_next_action = '', failed_at = updated_at"
    refuses(store, f"UPDATE rotations SET failed_from = 'KeyGenerated', {failure}", because="ck_rotations_failed")
    for never in (State.COMPLETED, State.FAILED):
        refuses(
            store, f"UPDATE rotations SET state = 'Failed', failed_from = '{never}', {failure}", because="ck_rotations_"
        )


def test_ended_means_closed(store: Store) -> None:
    """Completed is closed, and a rotation that has a step left is open."""
    begin(store, State.KEY_GENERATED)
    refuses(store, "UPDATE rotations SET closed_at = updated_at", because="ck_rotations_active_is_open")
    store.claims.release(begin_again(store))
    refuses(store, "UPDATE rotations SET closed_at = NULL WHERE state = 'Completed'", because="ck_rotations_completed")


def begin_again(store: Store) -> Any:
    """A second connection with one ended rotation and one under way."""
    store.connections.add(a_connection(name="other"))
    begin(store, State.COMPLETED, number=2, connection="other")
    return begin(store, number=3, connection="other")


def test_one_open_rotation_for_each_connection(store: Store) -> None:
    """Rule 3: the database refuses a second open rotation, even one that is parked, and lets a closed one be."""
    carry(store, begin(store, number=1), State.FAILED)
    store.connections.add(a_connection(name="other"))
    begin(store, number=2, connection="other")
    move = "UPDATE rotations SET connection = 'acme' WHERE connection = 'other'"
    refuses(store, move, because="rotations")
    execute(store, "UPDATE rotations SET closed_at = updated_at, ending = 'abandoned' WHERE state = 'Failed'")
    execute(store, move)


def test_one_connection_for_each_account(store: Store) -> None:
    """The database refuses a second connection for an account, however its id is written."""
    store.connections.add(a_connection(name="other"))
    other = json.dumps({"account": "1234567-sb1"})
    take = "UPDATE connections SET netsuite = :netsuite WHERE name = 'other'"
    refuses(store, take, because="uq_connections_account", netsuite=other)


def test_one_connection_for_each_place_in_openair(store: Store) -> None:
    """The database refuses a second connection for a company's preference, however its URL is written."""
    store.connections.add(a_connection(name="other"))
    other = json.dumps({"url": "https://ACME.app.openair.com/", "preference": "oa_realtime_certificate"})
    take = "UPDATE connections SET openair = :openair WHERE name = 'other'"
    refuses(store, take, because="uq_connections_place", openair=other)


def test_a_closed_failure_tells_how_it_ended(store: Store) -> None:
    """What is Failed and closed was abandoned, restored or adopted; nothing else has such an ending."""
    begin(store, State.COMPLETED, number=1)
    refuses(store, "UPDATE rotations SET ending = 'restored'", because="ck_rotations_ending_told")
    carry(store, begin(store, number=2), State.FAILED)
    close = "UPDATE rotations SET closed_at = updated_at, ending = {} WHERE state = 'Failed'"
    refuses(store, close.format("NULL"), because="ck_rotations_ending_told")
    refuses(store, close.format("'lost'"), because="ck_rotations_ending")
    refuses(store, "UPDATE rotations SET ending = 'adopted' WHERE state = 'Failed'", because="ck_rotations_ending_told")
    execute(store, close.format("'adopted'"))


def test_only_what_is_parked_is_being_restored(store: Store) -> None:
    """A rotation that is under way or ended is not one whose previous certificate is being put back."""
    begin(store, State.COMPLETED, number=1)
    carry(store, begin(store, number=2), State.FAILED)
    began = "UPDATE rotations SET restoring_since = updated_at"
    refuses(store, f"{began} WHERE state = 'Completed'", because="ck_rotations_restoring_is_parked")
    execute(store, f"{began} WHERE state = 'Failed'")
    end = "UPDATE rotations SET closed_at = updated_at, ending = 'restored' WHERE state = 'Failed'"
    refuses(store, end, because="ck_rotations_restoring_is_parked")


@pytest.mark.parametrize("state", ["requested", "Done", ""])
def test_there_are_six_states(store: Store, state: str) -> None:
    """No other word is a state."""
    begin(store)
    refuses(store, "UPDATE rotations SET state = :state", because="ck_rotations_state", state=state)


def test_the_journal_takes_every_legal_move_and_no_other(store: Store) -> None:
    """Of every state, event and state, the journal accepts those of the transition table and its few notes."""
    add(store, a_rotation())
    insert = (
        "INSERT INTO journal (rotation_id, seq, at, actor, event, source, target, attempt, detail, previous_hash, hash)"
        f" SELECT rotation_id, :seq, at, actor, :event, :source, :target, 1, detail, '', '' FROM journal"
        f" WHERE rotation_id = '{an_id(1)}' AND seq = 1"
    )
    states = (None, *State)
    accepted = set()
    seq = 1
    events = ("request", *table.TRIGGERS, *NOTES, *RENAMED, *PARKED_NOTES, "delete")
    for source, event, target in product(states, events, State):
        seq += 1
        values = {"seq": seq, "event": event, "source": source and source.value, "target": target.value}
        try:
            execute(store, insert, **values)
        except IntegrityError:
            continue
        accepted.add(f"{source or ''}>{event}>{target}")
    assert set(MOVES) - {f">request>{State.REQUESTED}"} == accepted
    expected = {f"{edge.source}>{edge.trigger}>{edge.target}" for edge in table.EDGES}
    assert expected < accepted


def test_a_journal_begins_with_its_request(store: Store) -> None:
    """The first entry is the request, and no other is."""
    begin(store, State.KEY_GENERATED)
    refuses(store, "UPDATE journal SET seq = 3 WHERE seq = 1", because="ck_journal_first")
    refuses(store, "UPDATE journal SET seq = 0 WHERE seq = 2", because="ck_journal_seq")


def test_a_rotation_cannot_be_removed_from_under_its_journal(store: Store) -> None:
    """Neither a rotation with a journal, nor one that another follows, nor a certificate in use can be deleted."""
    begin(store, State.COMPLETED, number=1)
    begin(store, number=2)
    refuses(store, "DELETE FROM rotations", because="")
    execute(store, f"DELETE FROM journal WHERE rotation_id = '{an_id(1)}'")
    refuses(store, f"DELETE FROM rotations WHERE id = '{an_id(1)}'", because="")
    refuses(store, "DELETE FROM certificates", because="")


def test_a_lease_has_a_holder(store: Store) -> None:
    """A worker without a lease, or a lease without a worker, is refused."""
    begin(store)
    refuses(store, "UPDATE rotations SET worker = NULL", because="ck_rotations_worker_together")
    refuses(store, "UPDATE rotations SET lease_until = NULL", because="ck_rotations_worker_together")
