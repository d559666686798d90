"""An attacker who can write the database changes each column, and removes and inserts rows: the check sees it.

The columns come from the models, so that a new one cannot be forgotten. What the check does not see is excepted here,
and the threat model gives the reasons and the tests that prove them. An exception that is none is an error too.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from contract.database_writer import ALEMBIC, Change, DatabaseWriter, Row
from sqlalchemy import Table
from support import postgresql as postgres
from support.factories import (
    NOW,
    a_connection,
    a_session,
    a_silence,
    a_token,
    an_account,
    an_openid_request,
    an_openid_session,
    begin,
    carry,
)
from support.migrated import migrated_sqlite
from support.stores import open_store

from persistence import mapping, models
from persistence.journal import POSTPONED
from persistence.store import Role, Store, Worker
from states import machine
from states.access import OF_ACCOUNT
from states.connection import NetSuiteSettings, OpenAirSettings, Options
from states.state import State
from states.table import ABANDON

TABLES: Final[Mapping[str, Table]] = {each.name: each for each in (*models.METADATA.sorted_tables, ALEMBIC)}
UNSEEN: Final = frozenset(
    {
        *("certificates.sealed_key", "secrets.connection", "secrets.name", "secrets.sealed", "secrets.version"),
        *("rotations.available_at", "rotations.worker", "rotations.fence", "rotations.lease_until"),
        *("rotations.version", "connections.due_at", "tokens.used_at", "attempts.key", "attempts.full_at"),
        *("journal.commit_number", "monitoring.place", "monitoring.counts", "monitoring.passed_at"),
        *("savedviews.person", "savedviews.name", "savedviews.address"),
        *(f"{table}.{column.name}" for table in ("alerts", "outbox") for column in TABLES[table].c),
        *("senders.holder", "senders.until"),
        *(f"workers.{column.name}" for column in models.workers.c),
    }
)
"""Columns that the check does not see."""
UNSEEN_OF_REMOVED: Final = frozenset({"connections.version", "connections.openair", "connections.latest_rotation"})
"""Columns that it does not see in the row that a removed connection leaves."""
READS: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {
    "connections.netsuite": lambda stored: NetSuiteSettings(**stored),
    "connections.openair": lambda stored: OpenAirSettings(**stored),
    "connections.options": lambda stored: Options(**stored),
    "connections.policy": mapping.to_policy,
    "rotations.policy": mapping.to_policy,
}
"""Columns of objects whose fields have defaults. A field that is left out and has its default does not show."""
OF_REMOVED: Final = " of a removed connection"
BY_DEFAULT: Final = " by default"
EXCEPTED: Final = UNSEEN | {name + OF_REMOVED for name in UNSEEN_OF_REMOVED} | {name + BY_DEFAULT for name in READS}
UNSEEN_REMOVED: Final = frozenset(
    {"secrets", "workers", "connections", "checkpoints", "tokens", "accounts", "sessions", "attempts", "monitoring"}
    | {"openidsessions", "openidrequests", "savedviews", "alerts", "outbox", "senders", "silences"}
)
"""Tables of which it does not see that some rows were removed."""
UNSEEN_INSERTED: Final = frozenset(
    {"secrets", "workers", "connections", "certificates", "datakeys", "attempts"} | {"savedviews", "alerts"}
)
"""Tables of which it does not see that some rows were inserted."""
THREAT_MODEL: Final = Path(__file__).parents[2] / "docs" / "explanation" / "threat-model.md"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def writer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseWriter]:
    """Who writes a database that has one of everything."""
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("written") / "keyturn.db"
        shutil.copy(migrated_sqlite(), file)
        url = f"sqlite:///{file}"
    else:
        template = request.getfixturevalue("migrated_postgresql")
        url = postgres.new_database(request.getfixturevalue("postgresql"), template)
    with closing(open_store(url)) as store:
        present = fill(store)
        with DatabaseWriter(url).begun() as writer:
            yield writer
        present.end()


def fill(store: Store) -> Any:
    """Rotations that are completed, open, parked, closed and of a removed connection, and all else; the worker that is
    returned is present.
    """
    for name in ("acme", "parked", "abandoned", "removed", "idle"):
        store.connections.add(a_connection(name=name))
    begin(store, State.COMPLETED, number=1)
    claim = begin(store, State.UPLOADED_TO_NETSUITE, number=2)
    candidate = claim.rotation.proofs.candidate
    assert candidate
    store.rotations.advance(
        claim, claim.rotation, event=POSTPONED, detail={}, lease=60, confirmed=candidate.fingerprint
    )
    carry(store, begin(store, State.KEY_GENERATED, number=3, connection="parked"), State.FAILED)
    failed = carry(store, begin(store, number=4, connection="abandoned"), State.FAILED).rotation
    store.rotations.write(failed, machine.abandon(failed, NOW), event=ABANDON, actor="ada", detail={})
    begin(store, State.COMPLETED, number=5, connection="removed")
    store.connections.remove(store.connections.get("removed"), NOW + timedelta(days=1))
    store.secrets.put("acme", "openair_api_key", store.vault.seal(b"x", owner="acme", column="key"), version=None)
    store.workers.register(Worker(name="w1", role=Role.WORKER, host="host", version="1", threads=1)).end()
    store.tokens.add(a_token())
    store.accounts.add(an_account())
    assert store.sessions.begin(a_session(), NOW)
    store.openid_sessions.begin(an_openid_session(), NOW)
    store.openid_requests.add(an_openid_request(), NOW)
    store.attempts.take(OF_ACCOUNT, "ada", NOW)
    store.monitoring.note_pass(NOW)
    assert store.alerts.take_turn("w1", lease=60)
    store.silences.add(a_silence())
    store.saved_views.add("ada", "mine", "/rotations?q=acme", most=1)
    for _ in range(2):
        store.checkpoints.make()
    return store.workers.register(Worker(name="w2", role=Role.WORKER, host="host", version="1", threads=1))


def test_every_table_is_written(writer: DatabaseWriter) -> None:
    """The tables of the models and Alembic's are all that there are, each with a row to change; nothing is seen yet."""
    assert writer.table_names() == set(TABLES)
    assert [] == [name for name, table in TABLES.items() if not writer.rows(table)]
    assert not writer.is_seen()


@pytest.mark.parametrize("table", TABLES)
def test_every_change_of_a_column_is_seen(writer: DatabaseWriter, table: str) -> None:
    """No value of the table can be changed or set to NULL unseen, except in the columns that the threat model names;
    and in those it can.
    """
    expected = {name for name in EXCEPTED if name.startswith(f"{table}.")}
    unseen: dict[str, list[Change]] = {name: [] for name in expected}
    for column in TABLES[table].c:
        for change in writer.unseen_values(TABLES[table], column):
            unseen.setdefault(described(f"{table}.{column.name}", change), []).append(change)
    assert {} == {name: changes for name, changes in unseen.items() if name not in expected}
    assert [] == [name for name in expected if not unseen[name]], "excepted, and seen"


@pytest.mark.parametrize("table", TABLES)
def test_every_row_that_is_removed_or_inserted_is_seen(writer: DatabaseWriter, table: str) -> None:
    """No row of the table can be removed unseen, nor a copy of one inserted under another key, except where the threat
    model says so; and there it can.
    """
    removed = [each.row for each in writer.unseen_removals(TABLES[table])]
    inserted = [each.row for each in writer.unseen_insertions(TABLES[table])]
    assert (table in UNSEEN_REMOVED, table in UNSEEN_INSERTED) == (bool(removed), bool(inserted)), (removed, inserted)
    if table == "connections":
        assert (["idle"], ["removed"]) == ([row["name"] for row in removed], [row["name"] for row in inserted])
    if table == "checkpoints":
        assert [2] == [row["number"] for row in removed], "the newest, which covers nothing new"
    assert not writer.is_seen(), "everything was put back"


def described(name: str, change: Change) -> str:
    """The column ``name`` and the circumstances of a change of it, as they are excepted."""
    assert change.after
    column = name.partition(".")[2]
    before, after = change.row[column], change.after[column]
    if name in READS and isinstance(after, dict) and READS[name](before) == READS[name](after):
        return name + BY_DEFAULT
    return name + OF_REMOVED if name in UNSEEN_OF_REMOVED and is_of_removed(change.row) else name


def is_of_removed(row: Row) -> bool:
    """Whether it is the row that a removed connection left."""
    return row.get("netsuite") == {}


def cells(title: str) -> list[list[str]]:
    """The rows of the table under ``title`` in the threat model."""
    _, _, after = THREAT_MODEL.read_text(encoding="utf-8").partition(f"### {title}\n")
    lines = after.partition("\n#")[0].splitlines()
    return [re.split(r" \| ", line.strip("| ")) for line in lines if line.startswith("| ")][1:]


def named(text: str) -> set[str]:
    """The columns or tables that a cell names."""
    return set(re.findall(r"`([a-z_.]+)`", text))


def test_the_threat_model_names_every_column_that_is_not_seen() -> None:
    """Its table has exactly these columns, each once, with the reason and the tests that prove it."""
    table = cells("Columns that are not checked")
    assert [3] * len(table) == [len(row) for row in table]
    assert all(why and "::test_" in proof for _, why, proof in table)
    of_removed = [named(first) for first, _, _ in table if OF_REMOVED in first]
    by_default = [named(first) for first, _, _ in table if BY_DEFAULT in first]
    assert ([UNSEEN_OF_REMOVED], [set(READS)]) == (of_removed, by_default)
    others = [name for first, _, _ in table for name in named(first) if named(first) not in of_removed + by_default]
    assert sorted(UNSEEN) == sorted(others)


def test_the_threat_model_names_every_row_that_is_not_seen() -> None:
    """Its table says of which tables rows can be removed or inserted unseen, with the reason and the tests."""
    table = cells("Rows that are not checked")
    assert [4] * len(table) == [len(row) for row in table]
    assert all(why and "::test_" in proof for _, _, why, proof in table)
    done = {
        verb: {name for first, how, _, _ in table if verb in how for name in named(first)}
        for verb in ("removed", "inserted")
    }
    assert {"removed": UNSEEN_REMOVED, "inserted": UNSEEN_INSERTED} == done
