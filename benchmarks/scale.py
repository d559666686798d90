"""What stays fast as the store grows: listing, claiming, choosing the due; each beside the same in a small store."""

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from os import environ
from pathlib import Path

from orchestrator.adapters.system import SystemClock, SystemRandom
from orchestrator.operations.rotations import Rotations
from persistence.store import Store
from states.connection import Connection, NetSuiteSettings, OpenAirSettings
from states.state import State

FINISHED = 1_000_000
LISTED = 100_000
CONNECTIONS = 1_000_000
REPEATS = 25

# Rows are copied within the database: what is measured is reading them, not writing them.
MULTIPLY = """
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count})
INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, number WHERE {where}
"""


def median_ms(work: Callable[[], object]) -> float:
    """The median of several runs, in milliseconds."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def multiply(file: Path, table: str, count: int, where: str, **changed: str) -> None:
    """Copy one row ``count`` times, with the ``changed`` columns as SQL expressions of n."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA synchronous = OFF")
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        values = ", ".join(changed.get(column, f"{table}.{column}") for column in columns)
        query = MULTIPLY.format(count=count, table=table, columns=", ".join(columns), values=values, where=where)
        database.execute(query)
        database.commit()
        database.execute("ANALYZE")


def a_store(folder: Path) -> tuple[Store, Path]:
    """A store with one connection and one finished rotation, with nothing else in it."""
    file = folder / "keyturn.db"
    store = Store(f"sqlite:///{file}")
    store.migrate()
    netsuite = NetSuiteSettings(account="1", client_id="c", certificate_id="k")
    openair = OpenAirSettings(url="https://a.app.openair.com", client_id="c")
    bundles = {"369630": "4.02", "369637": "5.02"}
    due_at = datetime.now(UTC) + timedelta(days=365)
    store.add_connection(Connection(name="one", netsuite=netsuite, openair=openair, bundles=bundles, due_at=due_at), {})
    rotation, _ = Rotations(store, SystemClock(), SystemRandom()).request_for("bench", "one", actor="bench", lease=1)
    with closing(sqlite3.connect(file)) as database:
        database.execute(
            "UPDATE rotations SET state = 'Failed', failed_from = 'Requested', failure_code = 'BENCH',"
            " failure_message = '', failure_next_action = '', failed_at = updated_at, closed_at = updated_at,"
            " worker = NULL, lease_until = NULL WHERE id = ?",
            (rotation.id,),
        )
        database.commit()
    return store, file


def listing() -> None:
    """`keyturn rotation list` as a whole process."""
    figures = []
    for count in (0, LISTED):
        with tempfile.TemporaryDirectory() as folder:
            store, file = a_store(Path(folder))
            if count:
                multiply(file, "rotations", count, "1", id="printf('01%024d', n)", follows="NULL")
            store.close()
            settings = Path(folder) / "keyturn.toml"
            settings.touch(mode=0o600)
            env = environ | {"KEYTURN_CONFIG": str(settings), "KEYTURN_DATA": folder}
            command = [sys.executable, "-m", "orchestrator.cli", "rotation", "list", "-o", "json"]
            figures.append(
                median_ms(lambda c=command, e=env: subprocess.run(c, env=e, check=True, capture_output=True))
            )
    print("keyturn rotation list, whole process, ms")
    print(f"  empty store              {figures[0]:8.0f}")
    print(
        f"  {LISTED:,} rotations        {figures[1]:8.0f}   (wanted: at most 100 more; {figures[1] - figures[0]:+.0f})"
    )


def claiming() -> None:
    """Claiming the next rotation beside a million finished ones."""
    with tempfile.TemporaryDirectory() as folder:
        store, file = a_store(Path(folder))
        rotations = Rotations(store, SystemClock(), SystemRandom())
        rotation = rotations.request("one", actor="bench")

        def claim() -> None:
            claimed = store.claim("bench", lease=5, now=datetime.now(UTC))
            assert claimed
            assert claimed.rotation.id == rotation.id
            store.release(claimed)

        alone = median_ms(claim)
        multiply(file, "rotations", FINISHED, f"state = '{State.FAILED}'", id="printf('01%024d', n)", follows="NULL")
        crowded = median_ms(claim)
        store.close()
    print("claim the next rotation and give it back (two commits), ms")
    print(f"  one finished rotation    {alone:8.2f}")
    print(f"  {FINISHED:,} finished       {crowded:8.2f}   (wanted: a claim below 1)")


def due() -> None:
    """Choosing the due among a million connections."""
    print(f"choose the due among {CONNECTIONS:,} connections, ms")
    with tempfile.TemporaryDirectory() as folder:
        store, file = a_store(Path(folder))
        multiply(
            file,
            "connections",
            CONNECTIONS,
            "name = 'one'",
            name="printf('c%07d', n)",
            latest_rotation="NULL",
            due_at="strftime('%Y-%m-%d %H:%M:%f000', '2027-01-01', '+' || n || ' minutes')",
        )
        first = datetime(2027, 1, 1, tzinfo=UTC)
        for number in (0, 100, 10_000):
            now = first + timedelta(minutes=number)
            found = len(store.due(now, 10_000))
            print(f"  {found:6,} due              {median_ms(lambda n=now: store.due(n, 10_000)):8.2f}")
        with closing(sqlite3.connect(file)) as database:
            plan = database.execute(
                "EXPLAIN QUERY PLAN SELECT name FROM connections WHERE automatic AND due_at <= '2027' ORDER BY due_at"
            ).fetchall()
        print(f"  plan: {plan[0][-1]}")
        store.close()


if __name__ == "__main__":
    listing()
    claiming()
    due()
