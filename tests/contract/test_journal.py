# ruff: noqa: S608 - what is put into the SQL is the test's own
"""The journal: one chain for each connection, atomic with the moves, and any change to it shows."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import text
from support.factories import NOW, a_connection, a_rotation, add, an_id, begin, carry, next_move
from support.vaults import a_vault

from persistence import rotation_statements
from persistence.journal import ORIGIN, POSTPONED, content
from persistence.store import Store
from states.errors import JournalBroken
from states.state import State


def tamper(store: Store, *statements: str) -> None:
    """Change the database behind the store's back."""
    with store._database.writing() as tx:
        for statement in statements:
            tx.execute(text(statement))


def test_the_journal_has_every_move_in_order(store: Store) -> None:
    """A completed rotation has its request and its four moves, numbered without gaps, by those who made them."""
    begin(store, State.COMPLETED)
    found = [(e.seq, e.actor, e.event, e.source, e.target, e.attempt, e.at) for e in store.journal.of(an_id(1))]
    expected = [
        (1, "ada", "request", None, State.REQUESTED, 1, NOW),
        (2, "w1", "generate_key", State.REQUESTED, State.KEY_GENERATED, 1, NOW),
        (3, "w1", "upload_to_netsuite", State.KEY_GENERATED, State.UPLOADED_TO_NETSUITE, 1, NOW),
        (4, "w1", "save_to_openair", State.UPLOADED_TO_NETSUITE, State.SAVED_TO_OPENAIR, 1, NOW),
        (5, "w1", "verify", State.SAVED_TO_OPENAIR, State.COMPLETED, 1, NOW),
    ]
    assert expected == found
    request = {"cause": "initial", "reason": "", "previous": None, "policy": asdict(a_rotation().policy)}
    assert request == store.journal.of(an_id(1))[0].detail


def test_the_chain_goes_through_the_connections_rotations(store: Store) -> None:
    """Each entry continues the one before; a rotation's first continues the connection's previous rotation."""
    store.connections.add(a_connection(name="other"))
    for number in (1, 2):
        begin(store, State.COMPLETED, number=number)
    begin(store, number=3, connection="other")
    chain = [*store.journal.of(an_id(1)), *store.journal.of(an_id(2))]
    assert [ORIGIN, *(entry.hash for entry in chain[:-1])] == [entry.previous_hash for entry in chain]
    assert ORIGIN == store.journal.of(an_id(3))[0].previous_hash
    assert 11 == store.journal.verify()
    assert 5 == store.journal.verify(an_id(2))


def test_an_entry_tells_all_kinds_of_evidence(store: Store) -> None:
    """Every JSON value comes back as it was, and its hash still fits."""
    detail: dict[str, object] = {"é": "ü\n\u2028", "number": 1.1, "big": 2**60, "none": None, "list": [True, {"a": []}]}
    claim = begin(store)
    store.rotations.advance(claim, next_move(claim.rotation), event="generate_key", detail=detail)
    assert detail == store.journal.of(an_id(1))[1].detail
    assert 2 == store.journal.verify()


@pytest.mark.parametrize("detail", [{"key": b"bytes"}, {"at": NOW}, {"nan": float("nan")}])
def test_evidence_is_plain_json(store: Store, detail: dict[str, object]) -> None:
    """What is not JSON is refused before anything is stored; a private key, for one, has no way in."""
    claim = begin(store)
    with pytest.raises((TypeError, ValueError)):
        store.rotations.advance(claim, next_move(claim.rotation), event="generate_key", detail=detail)
    assert [claim.rotation] == store.rotations.newest()


def test_no_move_without_its_entry(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the journal entry cannot be written, the move is not made, and the candidate is not kept either."""
    claim = begin(store)

    def broken(*_: Any) -> int:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(rotation_statements.APPEND, "run", broken)
        with pytest.raises(RuntimeError, match="power cut"):
            store.rotations.advance(claim, next_move(claim.rotation), event="generate_key", detail={})
    assert claim.rotation == store.rotations.get(an_id(1))
    assert 1 == store.journal.verify()
    assert State.KEY_GENERATED is carry(store, claim, State.KEY_GENERATED).rotation.state


def test_no_rotation_without_its_request(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first entry cannot be written, there is no rotation, and the connection is free for the next."""

    def broken(*_: Any) -> int:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(rotation_statements.APPEND, "run", broken)
        with pytest.raises(RuntimeError, match="power cut"):
            add(store, a_rotation())
    assert [] == store.rotations.newest()
    begin(store)


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'eve'",
        "at = '2020-01-01 00:00:00.000000'",
        "attempt = 2",
        """detail = '{"fingerprint": "another"}'""",
        "event = 'fail', target = 'Failed'",
        "hash = previous_hash",
        "previous_hash = hash",
    ],
)
def test_an_edited_entry_shows(store: Store, change: str) -> None:
    """The check names an entry of which anything was changed."""
    begin(store, State.COMPLETED)
    tamper(store, f"UPDATE journal SET {change} WHERE seq = 3")
    with pytest.raises(JournalBroken, match=f"entry 3 of rotation {an_id(1)}"):
        store.journal.verify()
    with pytest.raises(JournalBroken, match="entry 3"):
        store.journal.verify(an_id(1))


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda covered: hashlib.sha256(covered).hexdigest(), id="without a key"),
        pytest.param(lambda covered: f"1-{hashlib.sha256(covered).hexdigest()}", id="in the form of a code"),
        pytest.param(a_vault().authenticate, id="with a key of the attacker's own"),
    ],
)
def test_an_entry_that_was_hashed_again_shows(store: Store, forge: Callable[[bytes], str]) -> None:
    """Who has no key cannot give a changed journal hashes that fit, though all that follow are computed again."""
    begin(store, State.COMPLETED)
    before = store.journal.of(an_id(1))[1].hash
    for entry in store.journal.of(an_id(1))[2:]:
        forged = replace(entry, actor="eve", previous_hash=before)
        before = forge(content(forged))
        tamper(
            store,
            f"UPDATE journal SET actor = 'eve', previous_hash = '{forged.previous_hash}', hash = '{before}' "
            f"WHERE seq = {entry.seq}",
        )
    tamper(store, f"UPDATE rotations SET journal_hash = '{before}'")
    with pytest.raises(JournalBroken, match="entry 3"):
        store.journal.verify()


def test_a_removed_entry_shows(store: Store) -> None:
    """The entry after a gap shows it."""
    begin(store, State.COMPLETED)
    tamper(store, "DELETE FROM journal WHERE seq = 3")
    with pytest.raises(JournalBroken, match=r"entry 4 .* should be entry 3"):
        store.journal.verify()


def test_a_cut_off_tail_shows(store: Store) -> None:
    """A journal that ends too early shows, even one that is gone altogether."""
    begin(store, State.COMPLETED)
    tamper(store, "DELETE FROM journal WHERE seq = 5")
    with pytest.raises(JournalBroken, match=f"{an_id(1)} ends with entry 4 .* written up to entry 5"):
        store.journal.verify()
    tamper(store, "DELETE FROM journal")
    with pytest.raises(JournalBroken, match=r"ends with entry 0 .* written up to entry 5"):
        store.journal.verify()


def test_a_removed_rotation_shows(store: Store) -> None:
    """The newest rotation of a connection cannot vanish with its journal, and the next one does not cover it up."""
    begin(store, State.COMPLETED, number=1)
    begin(store, State.COMPLETED, number=2)
    tamper(
        store,
        f"DELETE FROM journal WHERE rotation_id = '{an_id(2)}'",
        f"DELETE FROM rotations WHERE id = '{an_id(2)}'",
    )
    with pytest.raises(JournalBroken, match=f"{an_id(2)} of connection acme was removed"):
        store.journal.verify()
    with pytest.raises(JournalBroken, match=f"{an_id(2)} of connection acme was removed"):
        begin(store, number=3)


def test_a_rotation_cut_out_of_the_middle_shows(store: Store) -> None:
    """Where the next rotation was made to follow an earlier one, its journal does not continue that one's."""
    for number in (1, 2, 3):
        begin(store, State.COMPLETED, number=number)
    tamper(
        store,
        f"UPDATE rotations SET follows = '{an_id(1)}' WHERE id = '{an_id(3)}'",
        f"DELETE FROM journal WHERE rotation_id = '{an_id(2)}'",
        f"DELETE FROM rotations WHERE id = '{an_id(2)}'",
    )
    with pytest.raises(JournalBroken, match=f"entry 1 of rotation {an_id(3)} does not follow"):
        store.journal.verify()


def test_a_state_that_was_changed_outside_shows(store: Store) -> None:
    """A rotation that is not where its journal leaves it was changed outside Keyturn."""
    begin(store, State.UPLOADED_TO_NETSUITE)
    tamper(store, "UPDATE rotations SET state = 'KeyGenerated'")
    with pytest.raises(JournalBroken, match="leaves it UploadedToNetSuite, not KeyGenerated"):
        store.journal.verify()


@pytest.mark.parametrize("column", ["signature", "challenge"])
def test_a_forged_confirmation_shows(store: Store, column: str) -> None:
    """A stored confirmation is verified whenever it is read: a forged one is none, and opens no way to OpenAir."""
    store.claims.release(begin(store, State.UPLOADED_TO_NETSUITE))
    tamper(store, f"UPDATE rotations SET {column} = 'Zm9yZ2Vk'")
    claimed = store.claims.claim("w2", lease=60, now=NOW)
    assert claimed
    for read in (store.rotations.get(an_id(1)), claimed.rotation):
        assert read.proofs.confirmation is None
        assert f"Rotation {an_id(1)} holds a confirmation that NetSuite never gave." == read.circumstances.broken


def test_an_event_that_was_renamed_has_its_new_name(store: Store) -> None:
    """An entry of an earlier checkout keeps the name that its hash covers, and is read with today's."""
    claim = begin(store, State.KEY_GENERATED)
    store.rotations.advance(claim, claim.rotation, event="put_off", detail={})
    assert POSTPONED == store.journal.of(an_id(1))[-1].event
    assert 3 == store.journal.verify()
    with store._database.reading() as tx:
        assert "put_off" == tx.execute(text("SELECT event FROM journal WHERE seq = 3")).scalar_one()


def test_a_long_journal_is_checked_in_pieces(store: Store) -> None:
    """Everything is checked however much there is: the check streams, rotation by rotation."""
    for number in range(1, 6):
        store.connections.add(a_connection(name=f"c{number}"))
        claim = begin(store, State.KEY_GENERATED, number=number, connection=f"c{number}")
        for tries in range(250):
            claim = store.rotations.advance(
                claim, replace(claim.rotation, tries=tries), event=POSTPONED, detail={}, lease=60
            )
    assert 5 * 252 == store.journal.verify()
