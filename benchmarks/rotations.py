"""A rotation's durable moves through the whole engine, beside a hand-written sqlite3 loop that does the same commits.

Remote delay is nil: keys and NetSuite's signatures are made beforehand, and really verified. Both loops run in
one process, on SQLite in WAL with synchronous=FULL, in turns, so that a drift of the machine's speed hits both.
"""

import sqlite3
import statistics
import tempfile
import time
from itertools import count
from pathlib import Path

from inmemory import Made, Workshop, World

from orchestrator.adapters.system import SystemClock, SystemRandom
from orchestrator.engine import Engine
from orchestrator.leases import LeaseRenewer
from orchestrator.operations.rotations import Rotations
from persistence.store import Store
from states.connection import Connection, NetSuiteSettings, OpenAirSettings
from states.rotation import Candidate
from states.state import State

ROUNDS = 7
PER_ROUND = 200
WANTED_RATE = 300
WANTED_RATIO = 0.40

SCHEMA = """
CREATE TABLE certificates (fingerprint TEXT PRIMARY KEY, pem TEXT NOT NULL, not_before TEXT, not_after TEXT, key BLOB);
CREATE TABLE connections (name TEXT PRIMARY KEY, current TEXT, due_at TEXT);
CREATE TABLE rotations (id TEXT PRIMARY KEY, connection TEXT NOT NULL, state TEXT NOT NULL, version INTEGER NOT NULL,
  candidate TEXT, confirmation TEXT, challenge TEXT, signature TEXT, saved TEXT, verified TEXT, updated_at TEXT,
  closed_at TEXT);
CREATE UNIQUE INDEX open_rotation ON rotations (connection) WHERE closed_at IS NULL;
CREATE TABLE journal (rotation TEXT, seq INTEGER, at TEXT, event TEXT, source TEXT, target TEXT, detail TEXT, hash TEXT,
  PRIMARY KEY (rotation, seq));
"""
MOVES = (
    ("generate_key", "Requested", "KeyGenerated", "candidate"),
    ("upload_to_netsuite", "KeyGenerated", "UploadedToNetSuite", "confirmation"),
    ("save_to_openair", "UploadedToNetSuite", "SavedToOpenAir", "saved"),
    ("verify", "SavedToOpenAir", "Completed", "verified"),
)


class Keyturn:
    """The whole engine on a fresh store."""

    def __init__(self, folder: Path) -> None:
        self.clock = SystemClock()
        self.store = Store(f"sqlite:///{folder / 'keyturn.db'}")
        self.store.migrate()
        self.world = World()
        self.ports = self.world.ports(self.clock)
        self.rotations = Rotations(self.store, self.clock, SystemRandom())
        netsuite = NetSuiteSettings(account="1", client_id="c", certificate_id="k")
        openair = OpenAirSettings(url="https://a.app.openair.com", client_id="c")
        self.store.add_connection(Connection(name="bench", netsuite=netsuite, openair=openair), {})

    def run(self, made: list[Made]) -> float:
        """Seconds for one rotation after another."""
        self.world.made = iter(made)
        with LeaseRenewer(self.store, lease=15) as leases:
            engine = Engine(self.store, lambda _name: self.ports, leases, self.clock)
            began = time.perf_counter()
            for _ in made:
                _, claim = self.rotations.request_for("bench", "bench", actor="bench", lease=15)
                assert claim
                assert engine.run(claim).state is State.COMPLETED
            return time.perf_counter() - began


class ByHand:
    """The same five commits, written by hand."""

    def __init__(self, folder: Path) -> None:
        self.database = sqlite3.connect(folder / "by-hand.db", isolation_level=None)
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.execute("PRAGMA synchronous=FULL")
        self.database.executescript(SCHEMA)
        self.database.execute("INSERT INTO connections VALUES ('bench', NULL, NULL)")
        self.ids = count()

    def run(self, made: list[Made]) -> float:
        """Seconds for one rotation after another."""
        began = time.perf_counter()
        for each in made:
            self._rotation(f"R{next(self.ids):025}", each.candidate)
        return time.perf_counter() - began

    def _rotation(self, rotation: str, candidate: Candidate) -> None:
        run = self.database.execute
        certificate = candidate.certificate
        run("BEGIN IMMEDIATE")
        run("INSERT INTO rotations (id, connection, state, version) VALUES (?, 'bench', 'Requested', 0)", (rotation,))
        self._journal(rotation, 1, "request", None, "Requested")
        run("COMMIT")
        for version, (event, source, target, proof) in enumerate(MOVES):
            run("BEGIN IMMEDIATE")
            if proof == "candidate":
                run(
                    "INSERT INTO certificates VALUES (?, ?, ?, ?, ?)",
                    (certificate.fingerprint, certificate.pem, "", "", candidate.sealed_key),
                )
            closed = "2026-11-23 20:00:00.000000" if target == "Completed" else None
            changed = run(
                f"UPDATE rotations SET state = ?, version = version + 1, {proof} = ?, updated_at = ?, closed_at = ?"  # noqa: S608
                " WHERE id = ? AND version = ?",
                (target, certificate.fingerprint, "2026-11-23 20:00:00.000000", closed, rotation, version),
            )
            assert changed.rowcount == 1
            self._journal(rotation, version + 2, event, source, target)
            if target == "Completed":
                run("UPDATE connections SET current = ?, due_at = ''", (certificate.fingerprint,))
            run("COMMIT")

    def _journal(self, rotation: str, seq: int, event: str, source: str | None, target: str) -> None:
        self.database.execute(
            "INSERT INTO journal VALUES (?, ?, '2026-11-23 20:00:00.000000', ?, ?, ?, '{}', ?)",
            (rotation, seq, event, source, target, "0" * 64),
        )


def main() -> None:
    """Measure, and print both figures and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        ours, floor, workshop = Keyturn(Path(folder)), ByHand(Path(folder)), Workshop()
        ours.run(workshop.make(20))
        rates: list[tuple[float, float]] = []
        for _ in range(ROUNDS):
            made = workshop.make(PER_ROUND)
            rates.append((PER_ROUND / ours.run(made), PER_ROUND / floor.run(made)))
        ours.store.close()
    engine, by_hand = (statistics.median(column) for column in zip(*rates, strict=True))
    ratio = statistics.median(mine / other for mine, other in rates)
    print(f"rotations a second, median of {ROUNDS} rounds of {PER_ROUND}, SQLite in WAL with synchronous=FULL")
    print(f"  through the engine       {engine:8.0f}   (wanted: {WANTED_RATE}, or a ratio of {WANTED_RATIO})")
    print(f"  by hand, same commits    {by_hand:8.0f}")
    print(f"  ratio, pair by pair      {ratio:8.2f}")


if __name__ == "__main__":
    main()
