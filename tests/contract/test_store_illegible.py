"""One row that holds what Keyturn never wrote: it is reported, it can be parked, and it hides no other."""

import pytest
from contract.test_journal import tamper
from support.factories import NOW, a_connection, an_id, begin

from persistence.store import Store
from states.errors import JournalBroken
from states.machine import fail
from states.next_action import NextAction, Verb
from states.rotation import Rotation
from states.state import State

ANYWHERE = (
    ("policy", "'{}'"),
    ("policy", "'[]'"),
    ("policy", """'{"algorithm": "none", "days": 365, "keep_key": true}'"""),
    ("policy", """'{"algorithm": "ec-p256", "days": 0, "keep_key": true}'"""),
    ("cause", "'whim'"),
)
ON_SQLITE = (
    ("policy", "'nonsense'"),
    ("skew_from", "'nonsense'"),
    ("updated_at", "5"),
    ("created_at", "''"),
    ("cause", "CAST(X'FF' AS TEXT)"),
    ("policy", "CAST(X'7BFF7D' AS TEXT)"),
    ("updated_at", "CAST(X'C328' AS TEXT)"),
    ("waiting_for", "X'00FF'"),
    ("reason", "X'41'"),
    ("policy", "X'FF'"),
)
"""PostgreSQL refuses such values itself."""


def check(store: Store, column: str, value: str) -> None:
    """Change one rotation, the first to be claimed, and see what becomes of it and of another."""
    store.connections.add(a_connection(name="bravo"))
    store.claims.release(begin(store, State.UPLOADED_TO_NETSUITE))
    store.claims.release(begin(store, number=2, connection="bravo"))
    tamper(store, f"UPDATE rotations SET {column} = {value} WHERE id = '{an_id(1)}'")  # noqa: S608 - the test's own words
    claimed = store.claims.claim("w1", lease=60, now=NOW)
    assert claimed
    reported = f"Rotation {an_id(1)} holds what Keyturn never wrote: {column}."
    assert reported == claimed.rotation.circumstances.broken == store.rotations.get(an_id(1)).circumstances.broken
    assert {an_id(1): reported, an_id(2): ""} == {
        each.id: each.circumstances.broken for each in store.rotations.newest()
    }
    parked = fail(claimed.rotation, JournalBroken(reported), NOW)
    store.rotations.advance(claimed, parked, event="fail", detail={})
    assert (State.FAILED, "JOURNAL_BROKEN") == _standing(store.rotations.get(an_id(1)))
    another = store.claims.claim("w1", lease=60, now=NOW)
    assert another
    assert an_id(2) == another.rotation.id


def _standing(rotation: Rotation) -> tuple[State, str]:
    assert rotation.failure
    return rotation.state, rotation.failure.code


@pytest.mark.parametrize(("column", "value"), ANYWHERE)
def test_an_illegible_rotation_stops_no_other(store: Store, column: str, value: str) -> None:
    """It is claimed, listed and parked with the column's name; the next claim takes the next rotation."""
    check(store, column, value)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("column", "value"), ON_SQLITE)
def test_sqlite_takes_any_text(store: Store, column: str, value: str) -> None:
    """The same where the database let in what is no moment, or no JSON."""
    check(store, column, value)


@pytest.mark.parametrize("value", ["", "Look.", "[]", "{}", '{"verb": "dance", "options": {}}'])
def test_an_illegible_next_action_is_explained(store: Store, value: str) -> None:
    """A parked rotation whose next action someone changed says so, and what remains is to look at it."""
    begin(store, State.FAILED)
    tamper(store, f"UPDATE rotations SET failure_next_action = '{value}'")  # noqa: S608 - the test's own words
    found = store.rotations.get(an_id(1))
    assert f"Rotation {an_id(1)} holds what Keyturn never wrote: failure_next_action." == found.circumstances.broken
    assert found.failure
    assert NextAction(Verb.EXPLAIN) == found.failure.next_action


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_certificates_illegible_moments_are_reported(store: Store) -> None:
    """The rotation that holds the certificate says so, and so does the check of the journal, which is still read."""
    store.claims.release(begin(store, State.UPLOADED_TO_NETSUITE))
    tamper(store, "UPDATE certificates SET not_after = 'nonsense'")
    broken = f"Rotation {an_id(1)} holds what Keyturn never wrote: candidate_not_after."
    assert broken == store.rotations.get(an_id(1)).circumstances.broken
    assert 3 == len(store.journal.of(an_id(1)))
    with pytest.raises(JournalBroken, match="candidate_not_after"):
        store.journal.verify()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("column", "value"), [("at", "nonsense"), ("detail", "nonsense")])
def test_an_illegible_entry_is_shown_and_found(store: Store, column: str, value: str) -> None:
    """The journal can be looked at, and its verification names the entry."""
    begin(store, State.KEY_GENERATED)
    tamper(store, f"UPDATE journal SET {column} = '{value}' WHERE seq = 2")  # noqa: S608 - the test's own words
    assert ["request", "generate_key"] == [entry.event for entry in store.journal.of(an_id(1))]
    with pytest.raises(JournalBroken, match=f"entry 2 of rotation {an_id(1)}"):
        store.journal.verify()


@pytest.mark.parametrize("column", ["openair", "options", "policy"])
def test_an_illegible_connection_is_named(store: Store, column: str) -> None:
    """It cannot be used, and the error names it."""
    tamper(store, f"""UPDATE connections SET {column} = '{{"kind": 5, "unheard": "of"}}'""")  # noqa: S608 - the test's own words
    for ask in (lambda: list(store.connections.all()), lambda: store.connections.get("acme")):
        with pytest.raises(JournalBroken, match=r"Connection acme holds what Keyturn never wrote\."):
            ask()


def test_a_connections_illegible_bundle_is_named(store: Store) -> None:
    """A version that no bundle has is an error of the stored connection, not of what the person asked for."""
    tamper(store, """UPDATE connections SET bundles = '{"369630": "four"}'""")
    with pytest.raises(JournalBroken, match="Connection acme holds what Keyturn never wrote"):
        store.connections.get("acme")
