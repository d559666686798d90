"""What stays fast as the store grows: each figure next to the same in a small store, and next to plain sqlite3."""

import argparse
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from figures import median_ms, median_process, print_figure, print_machine
from inmemory import NAME, EngineOnStore, Preparation

from persistence.read_model import ConnectionFilter, Only, RotationFilter
from states.state import State

# The database copies its own rows: a benchmark measures how they are read, not how they are written.
MULTIPLY = """
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count})
INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, number WHERE {where}
"""
LIST_BY_HAND = """
import json, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.row_factory = sqlite3.Row
print(json.dumps([dict(row) for row in database.execute("SELECT * FROM rotations ORDER BY id DESC LIMIT 50")]))
"""
CLAIM_BY_HAND = (
    "UPDATE rotations SET worker = 'bench', fence = fence + 1, lease_until = '9' WHERE id ="
    " (SELECT id FROM rotations WHERE state = 'Requested' ORDER BY state, available_at LIMIT 1)"
)
RELEASE_BY_HAND = "UPDATE rotations SET worker = NULL, lease_until = NULL WHERE id = ?"
DUE_BY_HAND = "SELECT name FROM connections WHERE automatic AND due_at <= ? ORDER BY due_at LIMIT 10000"


class Counts(NamedTuple):
    """How much is measured, and how often."""

    listed: int
    finished: int
    connections: int
    repeats: int


def small_store(folder: str, preparation: Preparation) -> EngineOnStore:
    """A store with one connection and one completed rotation."""
    engine = EngineOnStore(Path(folder))
    engine.run(preparation.prepare(1))
    return engine


def multiply(file: Path, table: str, count: int, where: str, **changed: str) -> None:
    """Copy one row ``count`` times; ``changed`` gives columns as SQL expressions of n."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA synchronous = OFF")
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        values = ", ".join(changed.get(column, f"{table}.{column}") for column in columns)
        query = MULTIPLY.format(count=count, table=table, columns=", ".join(columns), values=values, where=where)
        database.execute(query)
        database.commit()
        database.execute("ANALYZE")


def multiply_connections(file: Path, count: int, name: str = NAME) -> None:
    """Copy the connection ``name``, each copy with an account, a place in OpenAir and a due moment of its own."""
    multiply(
        file,
        "connections",
        count,
        f"name = '{name}'",
        name="printf('c%07d', n)",
        netsuite="json_set(netsuite, '$.account', n || 'T')",
        openair="json_set(openair, '$.url', 'https://c' || n || '.app.openair.com')",
        latest_rotation="NULL",
        due_at="strftime('%Y-%m-%d %H:%M:%f000', '2027-01-01', '+' || n || ' minutes')",
    )


def measure_listing(counts: Counts, preparation: Preparation) -> None:
    """`keyturn rotation list` as a whole process, next to a script that prints as many rows."""
    times = []
    by_hand = 0.0
    for count in (0, counts.listed):
        with tempfile.TemporaryDirectory() as folder:
            engine = small_store(folder, preparation)
            if count:
                multiply(engine.file, "rotations", count, "1", id="printf('01%024d', n)", follows="NULL")
            engine.store.close()
            settings = Path(folder) / "keyturn.toml"
            settings.touch(mode=0o600)
            env = os.environ | {"KEYTURN_CONFIG": str(settings), "KEYTURN_DATA": folder}
            command = [sys.executable, "-m", "orchestrator.cli", "rotation", "list", "-o", "json"]
            times.append(median_process(command, counts.repeats, env).elapsed)
            by_hand = median_process([sys.executable, "-c", LIST_BY_HAND, str(engine.file)], counts.repeats).elapsed
    print("keyturn rotation list, whole process, ms")
    print_figure("by hand (floor)", by_hand)
    print_figure("1 rotation", times[0])
    print_figure(f"{counts.listed:,} rotations", times[1], f"wanted: at most 100 more; {times[1] - times[0]:+.0f}")


def measure_paging(counts: Counts, preparation: Preparation) -> None:
    """Read pages of 50 from the store, next to the same in a store of one rotation."""
    filters = {
        "rotations": RotationFilter(),
        "of one connection": RotationFilter(connection="c0000001"),
        "parked": RotationFilter(only=Only.PARKED),
        "with a text that none has": RotationFilter(text="none"),
    }
    connections = max(2, counts.listed // 10)
    figures = []
    for count in (0, counts.listed):
        with tempfile.TemporaryDirectory() as folder:
            engine = small_store(folder, preparation)
            if count:
                multiply_connections(engine.file, connections)
                copied = {"id": "printf('01%024d', n)", "connection": f"printf('c%07d', 1 + n % {connections})"}
                multiply(engine.file, "rotations", count, "1", follows="NULL", **copied)
            store = engine.store
            pages = {name: partial(store.rotations.page, chosen, limit=50) for name, chosen in filters.items()}
            read: dict[str, Callable[[], object]] = {
                **pages,
                "connections": partial(store.connections.page, ConnectionFilter(), limit=50),
            }
            figures.append({name: median_ms(page, counts.repeats) for name, page in read.items()})
            store.close()
    print(f"a page of 50 among {connections:,} connections and {counts.listed:,} rotations, ms (wanted: below 5)")
    small, large = figures
    for name, figure in large.items():
        print_figure(name, figure, f"in a store of one: {small[name]:.2f}", digits=2)


def measure_claiming(counts: Counts, preparation: Preparation) -> None:
    """Claim the next rotation among many finished ones, and release it."""
    with tempfile.TemporaryDirectory() as folder:
        engine = small_store(folder, preparation)
        requested = engine.rotations.request(NAME, actor="bench")

        def claim() -> None:
            claimed = engine.store.claims.claim("bench", lease=5, now=datetime.now(UTC))
            assert claimed
            assert claimed.rotation.id == requested.id
            engine.store.claims.release(claimed)

        alone = median_ms(claim, counts.repeats)
        where = f"state = '{State.COMPLETED}'"
        multiply(engine.file, "rotations", counts.finished, where, id="printf('01%024d', n)", follows="NULL")
        crowded = median_ms(claim, counts.repeats)
        engine.store.close()
        with closing(sqlite3.connect(engine.file, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = FULL")

            def claim_by_hand() -> None:
                database.execute(CLAIM_BY_HAND)
                database.execute(RELEASE_BY_HAND, (requested.id,))

            by_hand = median_ms(claim_by_hand, counts.repeats)
    print("claim the next rotation and release it, two commits, ms")
    print_figure("by hand (floor)", by_hand, digits=2)
    print_figure("1 finished rotation", alone, digits=2)
    print_figure(f"{counts.finished:,} finished rotations", crowded, "wanted: a claim below 1", digits=2)


def measure_due(counts: Counts, preparation: Preparation) -> None:
    """Choose the due connections among many."""
    print(f"choose the due among {counts.connections:,} connections, ms")
    with tempfile.TemporaryDirectory() as folder:
        engine = small_store(folder, preparation)
        multiply_connections(engine.file, counts.connections)
        first = datetime(2027, 1, 1, tzinfo=UTC)
        with closing(sqlite3.connect(engine.file)) as database:
            for minutes in (0, 100, 10_000):
                now = first + timedelta(minutes=minutes)
                found = len(engine.store.deadlines.due(now, 10_000))
                ours = median_ms(partial(engine.store.deadlines.due, now, 10_000), counts.repeats)
                read = partial(read_due, database, f"{now:%Y-%m-%d %H:%M:%S}.000000")
                assert len(read()) == found
                by_hand = median_ms(read, counts.repeats)
                print_figure(f"{found:,} due", ours, f"by hand: {by_hand:.2f}", digits=2)
        engine.store.close()


def read_due(database: sqlite3.Connection, now: str) -> list[tuple[str]]:
    """The due connections by plain sqlite3."""
    return database.execute(DUE_BY_HAND, (now,)).fetchall()


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--listed", type=int, default=100_000, help="rotations in the store that is listed")
    options.add_argument("--finished", type=int, default=1_000_000, help="finished rotations besides the claimed one")
    options.add_argument("--connections", type=int, default=1_000_000, help="connections of which some are due")
    options.add_argument("--repeats", type=int, default=25, help="runs of each, of which the median is printed")
    options.add_argument("--key-size", type=int, default=3072, help="bits of the RSA keys")
    chosen = options.parse_args()
    counts = Counts(chosen.listed, chosen.finished, chosen.connections, chosen.repeats)
    print_machine()
    preparation = Preparation(chosen.key_size)
    measure_listing(counts, preparation)
    measure_paging(counts, preparation)
    measure_claiming(counts, preparation)
    measure_due(counts, preparation)


if __name__ == "__main__":
    main()
