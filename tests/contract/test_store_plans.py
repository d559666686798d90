"""How SQLite answers what must stay quick as the store grows: by its query plans, not by the clock."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from support.factories import NOW, a_connection, a_rotation, add, an_id, begin

from persistence.prepared import Prepared
from persistence.store import Store
from states.state import State


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store on SQLite with one connection."""
    opened = Store(f"sqlite:///{tmp_path / 'keyturn.db'}")
    opened.migrate()
    opened.connections.add(a_connection())
    yield opened
    opened.close()


def plans(store: Store, work: Callable[[], Any]) -> list[str]:
    """Every step of the plans of all that ``work`` asks the database."""
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
    with store._database.reading() as tx:
        return [
            row.detail
            for statement, parameters in asked
            for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


def test_claiming_walks_the_partial_index(store: Store) -> None:
    """Of a million finished rotations a claim sees none: the index has what is left to do, in the order of claiming."""
    steps = plans(store, lambda: store.claims.claim("w1", lease=60, now=NOW))
    assert "SCAN rotations USING INDEX ix_rotations_claimable" == steps[0]
    assert not any("TEMP B-TREE" in step for step in steps), "nothing is sorted"


def test_the_due_are_a_range_of_the_partial_index(store: Store) -> None:
    """Choosing the due reads the index from its beginning to now, and asks another one who is busy already."""
    steps = plans(store, lambda: store.connections.due(NOW, 100))
    assert "SEARCH connections USING INDEX ix_connections_due (due_at<?)" == steps[0]
    assert any(step.startswith("SEARCH rotations USING") and "uq_rotations_open" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps), "nothing is sorted"


@pytest.mark.parametrize(
    ("narrowed", "first"),
    [
        ({}, "SCAN rotations USING INDEX sqlite_autoindex_rotations_1"),
        ({"states": [State.FAILED]}, "SCAN rotations USING INDEX sqlite_autoindex_rotations_1"),
        ({"connection": "acme"}, "SEARCH rotations USING INDEX ix_rotations_connection (connection=?)"),
    ],
    ids=["all", "by state", "by connection"],
)
def test_a_list_is_read_in_the_order_of_an_index(store: Store, narrowed: dict[str, Any], first: str) -> None:
    """The newest rotations come sorted, so that the limit ends the reading."""
    steps = plans(store, lambda: store.rotations.newest(**narrowed))
    assert first == steps[0]
    assert not any("TEMP B-TREE" in step for step in steps), "nothing is sorted"


def test_the_open_rotations_are_a_whole_index(store: Store) -> None:
    """Of a million finished rotations none is looked at."""
    assert "SCAN rotations USING INDEX uq_rotations_open" == plans(store, store.rotations.all_open)[0]


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
