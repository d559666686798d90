"""How SQLite answers what must stay quick as the store grows: by its query plans, not by the clock."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from support import postgresql as postgres
from support.factories import (
    NOW,
    a_connection,
    a_rotation,
    a_session,
    add,
    an_account,
    an_id,
    an_openid_request,
    begin,
    carry,
)
from support.stores import open_store

from persistence.journal_feed import Place
from persistence.journal_page import JournalFilter
from persistence.prepared import Prepared
from persistence.read_model import ConnectionFilter, Only, RotationFilter
from persistence.store import Store
from states.access import OF_ACCOUNT
from states.rotation import Ending
from states.state import State
from states.table import ABANDON


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store on SQLite with one connection."""
    opened = open_store(f"sqlite:///{tmp_path / 'keyturn.db'}")
    opened.migrate()
    opened.connections.add(a_connection())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def postgresql_store(postgresql: Path) -> Iterator[Store]:
    """A store on PostgreSQL with one connection and one rotation, for this module's reading."""
    opened = open_store(postgres.new_database(postgresql))
    opened.migrate()
    opened.connections.add(a_connection())
    begin(opened)
    yield opened
    opened.close()


def plans(store: Store, work: Callable[[], Any]) -> list[str]:
    """Every step of the plans of all that ``work`` asks the database."""
    asked = _asked(store, work)
    with store._database.reading() as tx:
        return [
            row.detail
            for statement, parameters in asked
            for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


def statements(store: Store, work: Callable[[], Any]) -> list[str]:
    """Every statement that ``work`` sends to the database."""
    return [statement for statement, _ in _asked(store, work)]


def _asked(store: Store, work: Callable[[], Any]) -> list[tuple[str, Any]]:
    store.vault.unlock()  # reads the one data key once for each process
    engine = store._database._engine
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            asked.append((statement, parameters))

    execute = Prepared._execute

    def note_prepared(self: Prepared, tx: Connection, values: dict[str, Any]) -> Any:
        prepared, cursor = execute(self, tx, values)
        note(None, None, prepared.sql, prepared.parameters(values))
        return prepared, cursor

    event.listen(engine, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Prepared, "_execute", note_prepared)
        work()
    event.remove(engine, "before_cursor_execute", note)
    assert asked
    return asked


def test_claiming_walks_the_partial_index(store: Store) -> None:
    """Of a million finished rotations a claim sees none: the index has what is left to do, in the order of claiming."""
    steps = plans(store, lambda: store.claims.claim("w1", lease=60, now=NOW))
    assert "SCAN rotations USING INDEX ix_rotations_claimable" == steps[0]
    assert not any("TEMP B-TREE" in step for step in steps), "nothing is sorted"


def test_the_due_are_a_range_of_the_partial_index(store: Store) -> None:
    """Choosing the due reads the index from its beginning to now, and asks another one who is busy already."""
    steps = plans(store, lambda: store.deadlines.due(NOW, 100))
    assert "SEARCH connections USING INDEX ix_connections_due (due_at<?)" == steps[0]
    assert any(step.startswith("SEARCH rotations USING") and "uq_rotations_open" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps), "nothing is sorted"


def test_the_unsent_messages_are_counted_by_the_partial_index(store: Store) -> None:
    """Messages that were sent are not touched."""
    assert all("ix_outbox_unsent" in plan for plan in plans(store, store.alerts.number_unsent))


def test_a_token_is_found_by_index(store: Store) -> None:
    """A token that a program shows is looked up, however many there are."""
    steps = plans(store, lambda: store.tokens.find("ab" * 32))
    assert ["SEARCH tokens USING INDEX uq_tokens_digest (digest=?)"] == steps


def test_a_session_is_found_by_index(store: Store) -> None:
    """A cookie is looked up with its account, and a name's attempts, however many there are."""
    store.accounts.add(an_account())
    assert store.sessions.begin(a_session(), NOW)
    store.openid_requests.add(an_openid_request(), NOW)
    looked_up = ("accounts", "sessions", "requests", "key=?")
    asked = (
        lambda: store.sessions.find(a_session().digest),
        lambda: store.accounts.find("ada"),
        lambda: store.attempts.take(OF_ACCOUNT, "ada", NOW),
        lambda: store.openid_sessions.find("0a" * 32),
        lambda: store.openid_requests.take(an_openid_request().state, an_openid_request().browser),
    )
    for each in asked:
        steps = plans(store, each)
        searched = [step for step in steps if any(each in step for each in looked_up)]
        assert searched
        assert all(step.startswith("SEARCH") for step in searched), steps


LISTS: dict[str, Callable[[Store], Any]] = {
    "all": lambda store: store.rotations.page(),
    "further": lambda store: store.rotations.page(after=an_id(9)),
    "of a connection": lambda store: store.rotations.page(RotationFilter(connection="acme")),
    "of a connection in a state": lambda store: store.rotations.page(
        RotationFilter(connection="acme", states=[State.FAILED])
    ),
    "in a state": lambda store: store.rotations.page(RotationFilter(states=[State.FAILED])),
    "in any state": lambda store: store.rotations.page(RotationFilter(states=list(State))),
    "open": lambda store: store.rotations.page(RotationFilter(only=Only.OPEN)),
    "parked": lambda store: store.rotations.page(RotationFilter(only=Only.PARKED)),
    "parked since": lambda store: store.rotations.page(RotationFilter(only=Only.PARKED, since=NOW)),
    "by text": lambda store: store.rotations.page(RotationFilter(text="acme")),
    "journal": lambda store: store.journal.page(JournalFilter()),
    "journal further": lambda store: store.journal.page(
        JournalFilter(since=NOW), after=f"{NOW.isoformat()}~{an_id(9)}~2"
    ),
    "journal of a person": lambda store: store.journal.page(JournalFilter(actor="ada", event="resume")),
    "journal of a connection": lambda store: store.journal.page(JournalFilter(connection="acme")),
    "journal of a rotation": lambda store: store.journal.page(JournalFilter(rotation=an_id(1))),
    "feed": lambda store: store.journal.after(Place(3, an_id(1), 2), 9),
    "connections": lambda store: store.connections.page(),
    "further connections": lambda store: store.connections.page(after="acme"),
    "connections by text": lambda store: store.connections.page(ConnectionFilter(text="acme")),
}


@pytest.mark.parametrize("case", LISTS)
def test_a_page_searches_by_index(store: Store, case: str) -> None:
    """No table is scanned with any filter: a page is a range of an index, and its rows are found by key."""
    steps = plans(store, lambda: LISTS[case](store))
    tables = ("rotations", "connections", "certificates", "previous", "candidate", "current", "journal", "before")
    assert [] == [step for step in steps if step.startswith(tuple(f"SCAN {table}" for table in tables))]
    assert any(step.startswith("SEARCH") for step in steps)


@pytest.mark.parametrize("case", LISTS)
def test_a_page_loads_what_a_list_shows(store: Store, case: str) -> None:
    """No sealed key and no certificate text is read."""
    for statement in statements(store, lambda: LISTS[case](store)):
        assert "sealed_key" not in statement
        assert "pem" not in statement


@pytest.mark.postgresql
@pytest.mark.parametrize("case", LISTS)
def test_a_page_searches_by_index_on_postgresql(postgresql_store: Store, case: str) -> None:
    """Where it may not look through a table if any index serves, PostgreSQL finds one, and sorts no table."""
    asked = _asked(postgresql_store, lambda: LISTS[case](postgresql_store))
    with postgresql_store._database.reading() as tx:
        tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = [row[0] for sql, given in asked for row in tx.exec_driver_sql(f"EXPLAIN {sql}", given)]
    assert [] == [step for step in plan if "Seq Scan" in step]
    assert any("Index" in step for step in plan)


def test_the_open_rotations_are_a_whole_index(store: Store) -> None:
    """Of a million finished rotations none is looked at."""
    first = plans(store, store.rotations.all_open)[0]
    assert first in {f"SCAN rotations USING INDEX {name}" for name in ("uq_rotations_open", "ix_rotations_open_states")}


def test_a_rotations_whole_life_searches_by_key(store: Store) -> None:
    """Adding, moving, completing, finding and reading the journal look through no table."""

    def life() -> None:
        begin(store, State.COMPLETED, number=1)
        store.rotations.get(an_id(1))
        store.rotations.get(an_id(1)[:20])
        add(store, a_rotation(id=an_id(2)))
        store.rotations.open_for("acme")
        store.journal.of(an_id(1))
        store.connections.get("acme")

    assert [] == [step for step in plans(store, life) if step.startswith("SCAN")]


@pytest.mark.postgresql
def test_a_statement_that_locks_reads_one_table(postgresql_store: Store) -> None:
    """The rows that it joined would be those of its beginning, however long it waited for the lock."""

    def lock() -> None:
        store = postgresql_store
        store.connections.add(a_connection(name="bolt"))
        parked = carry(store, begin(store, number=2, connection="bolt"), State.FAILED).rotation
        store.claims.release(store.claims.hold("ada", parked, lease=60))
        closed = replace(parked, ending=Ending.ABANDONED, updated_at=NOW, closed_at=NOW)
        store.rotations.write(parked, closed, event=ABANDON, actor="ada", detail={})
        store.secrets.put("bolt", "token", b"sealed", version=None)
        before = store.connections.get("bolt")
        store.connections.save(replace(before, openair=replace(before.openair, url="https://elsewhere.example")))
        sealed = store.secrets.all_of("bolt")
        renamed = store.connections.rename(store.connections.get("bolt"), "nut", sealed, {"token": b"resealed"})
        store.connections.remove(renamed, NOW)
        store.claims.repair_clocks(NOW)

    locking = {each for each in statements(postgresql_store, lock) if re.search(r"\bFOR (NO KEY )?UPDATE\b", each)}
    assert [] == [each for each in locking if "JOIN" in each]
    assert {"connections", "rotations", "secrets"} == {
        table for each in locking for table in re.findall(r"FROM (\w+)", each)
    }


@pytest.mark.postgresql
def test_a_claim_locks_one_table(postgresql_store: Store) -> None:
    """It reads what belongs to the rotation after it has locked it: another worker may just have stored a candidate."""

    def claim() -> None:
        postgresql_store.connections.add(a_connection(name="claimed"))
        rotation = add(postgresql_store, a_rotation(id=an_id(3), connection="claimed"))
        claimed = postgresql_store.claims.claim("w1", lease=60, now=NOW, rotation_id=rotation.id)
        assert claimed
        postgresql_store.claims.release(claimed)

    locking = [each for each in statements(postgresql_store, claim) if "SKIP LOCKED" in each]
    assert 1 == len(locking)
    assert "JOIN" not in locking[0]
