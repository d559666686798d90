"""Every column of every table, changed to another value that the database takes: the check of the journal sees it.

The columns come from the models, so that a new one cannot be forgotten. Those that are not seen are excepted here, each
with the reason that the threat model gives.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Column, Table, and_, select, update
from sqlalchemy.exc import DBAPIError
from support.factories import NOW, a_connection, begin, carry
from support.stores import open_store

from persistence import models
from persistence.journal import POSTPONED
from persistence.store import Role, Store, Worker
from states import machine
from states.errors import JournalBroken, SealBroken, VaultLocked
from states.rotation import Cause, Ending
from states.state import State
from states.table import ABANDON

SEALED: Final = "sealed, and bound to its place"
SCHEDULE: Final = "when and by whom, not what"
PRESENCE: Final = "who is present"
UNSEEN: Final[Mapping[str, str]] = {
    "certificates.sealed_key": SEALED,
    "secrets.connection": SEALED,
    "secrets.name": SEALED,
    "secrets.sealed": SEALED,
    "secrets.version": SCHEDULE,
    "rotations.available_at": SCHEDULE,
    "rotations.fence": SCHEDULE,
    "rotations.lease_until": SCHEDULE,
    "rotations.version": SCHEDULE,
    "rotations.worker": SCHEDULE,
    "connections.due_at": SCHEDULE,
    **{f"workers.{column.name}": PRESENCE for column in models.workers.c},
}
"""Columns that the check does not see, with the threat model's words for why that does not matter."""
UNSEEN_WHERE_REMOVED: Final = ("connections.version", "connections.openair", "connections.latest_rotation")
"""Columns that the check does not see in the row that a removed connection leaves."""
THREAT_MODEL: Final = Path(__file__).parents[2] / "docs" / "explanation" / "threat-model.md"
KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "state": tuple(State),
    "failed_from": tuple(State),
    "ending": tuple(Ending),
    "cause": tuple(Cause),
    "source": tuple(State),
    "target": tuple(State),
}
"""Columns whose values are names of ours."""


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with rotations that are completed, open, parked, closed and of a removed connection, and all else."""
    for name in ("parked", "abandoned", "removed"):
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
    store.checkpoints.make()
    return store


def rows(store: Store, table: Table) -> list[dict[str, Any]]:
    with store._database.reading() as tx:
        return [dict(row) for row in tx.execute(select(table)).mappings()]


def others(column: Column[Any], row: Mapping[str, Any], found: list[Any]) -> Iterator[Any]:
    """Other values for ``column`` of ``row``; ``found`` are those that the database has in the same kind of column."""
    value = row[column.name]
    yield from (each for each in found if each != value)
    yield from (each for each in KNOWN.get(column.name, ()) if each != value)
    if column.nullable and value is not None:
        yield None
    kind = value if value is not None else {datetime: NOW, int: 7, str: "another"}.get(column.type.python_type)
    if value is None and kind is not None:
        yield kind
    yield from (each for each in changed(kind) if kind is not None and each != value)


def changed(value: Any) -> Iterator[Any]:
    """``value`` with one small change."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
        yield max(value - 1, 0)
    elif isinstance(value, str):
        yield f"{value}x"
    elif isinstance(value, bytes):
        yield value[:-1] + bytes([value[-1] ^ 1])
    elif isinstance(value, datetime):
        yield value + timedelta(hours=1)
    elif isinstance(value, dict):
        # A field that is left out is read with its default, so leaving it out changes nothing or is one of these.
        yield from ({**value, name: other} for name, each in value.items() for other in changed(each))


def tables() -> list[str]:
    return [f"{table.name}.{column.name}" for table in models.METADATA.sorted_tables for column in table.c]


def is_seen(url: str) -> bool:
    """Whether a new process that checks the journal notices that something was changed."""
    store = open_store(url)
    try:
        store.checkpoints.verify()
        store.journal.verify()
    except (JournalBroken, SealBroken, VaultLocked):
        return True
    finally:
        store.close()
    return False


def unseen_changes(store: Store, url: str, table: Table, column: Column[Any]) -> list[tuple[Any, Any]]:
    """Change ``column`` in every row to every other value that the constraints let through; return what was not seen,
    before and after.
    """
    stored, unseen = rows(store, table), []
    origin = next(iter(column.foreign_keys)).column if column.foreign_keys else column
    found = list({str(row[origin.name]): row[origin.name] for row in rows(store, origin.table)}.values())[:2]
    for row in stored:
        if row.get("netsuite") == {} and f"{table.name}.{column.name}" in UNSEEN_WHERE_REMOVED:
            continue
        this = and_(*(key == row[key.name] for key in table.primary_key.columns))
        for other in others(column, row, [] if isinstance(row[column.name], dict) else found):
            after = {**row, column.name: other}
            that = and_(*(key == after[key.name] for key in table.primary_key.columns))
            try:
                with store._database.writing() as tx:
                    tx.execute(update(table).where(this).values({column: other}))
            except (DBAPIError, ValueError):
                continue  # the constraints refuse it
            if not is_seen(url):
                unseen.append((row[column.name], other))
            with store._database.writing() as tx:
                tx.execute(update(table).where(that).values({column: row[column.name]}))
    return unseen


@pytest.mark.parametrize("table", [table.name for table in models.METADATA.sorted_tables])
def test_every_change_of_a_column_is_seen(filled: Store, url: str, table: str) -> None:
    """No single value of the table can be changed unseen, except in the columns that the threat model names."""
    assert not is_seen(url), "nothing was changed yet"
    described = models.METADATA.tables[table]
    assert rows(filled, described), "the table has a row to change"
    walked = [column for column in described.c if f"{table}.{column.name}" not in UNSEEN]
    assert {} == {
        column.name: unseen for column in walked if (unseen := unseen_changes(filled, url, described, column))
    }
    assert not is_seen(url), "everything was put back"


def test_the_threat_model_names_what_is_not_seen() -> None:
    """Each excepted column is one that there is, and is in the threat model with its reason."""
    lines = THREAT_MODEL.read_text(encoding="utf-8").splitlines()
    for column, reason in UNSEEN.items():
        assert column in tables()
        assert any(f"`{column}`" in line and reason in line for line in lines), column
    assert any(all(f"`{column}`" in line for column in UNSEEN_WHERE_REMOVED) for line in lines)
