"""Rotations per second through the whole engine, next to a hand-written sqlite3 loop that makes the same commits.

The systems answer without delay. Both loops run in one process, on SQLite in WAL with synchronous=FULL, and alternate,
so that a change of the machine's speed affects both.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from itertools import count, pairwise
from pathlib import Path
from typing import NamedTuple

from figures import print_figure, print_machine
from inmemory import EngineOnStore, Preparation, Prepared

from states.rotation import Candidate

WANTED_RATIO = 0.40
WARM_UP = 0.1
"""The part of a round that runs before the first measured one."""

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


class ByHand:
    """The same five commits per rotation, written by hand."""

    def __init__(self, folder: Path) -> None:
        self.database = sqlite3.connect(folder / "by-hand.db", isolation_level=None)
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.execute("PRAGMA synchronous=FULL")
        self.database.executescript(SCHEMA)
        self.database.execute("INSERT INTO connections VALUES ('bench', NULL, NULL)")
        self.ids = count()

    def run(self, prepared: list[Prepared]) -> float:
        """Write one rotation after another; return how many seconds that took."""
        began = time.perf_counter()
        for each in prepared:
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


class Round(NamedTuple):
    """One round's figures: rotations per second, and milliseconds of CPU time per rotation."""

    by_hand: float
    engine: float
    cpu_by_hand: float
    cpu_engine: float

    @property
    def ratio(self) -> float:
        """The engine's rate as a part of the floor's."""
        return self.engine / self.by_hand


def measure(rounds: int, rotations: int, key_size: int) -> list[Round]:
    """Run both loops in each round, on the same prepared rotations."""
    with tempfile.TemporaryDirectory() as folder:
        engine, by_hand, preparation = EngineOnStore(Path(folder)), ByHand(Path(folder)), Preparation(key_size)
        engine.run(preparation.prepare(max(1, round(rotations * WARM_UP))))
        measured = []
        for _ in range(rounds):
            prepared = preparation.prepare(rotations)
            clock = [time.process_time()]
            engine_seconds = engine.run(prepared)
            clock.append(time.process_time())
            floor_seconds = by_hand.run(prepared)
            clock.append(time.process_time())
            cpu_engine, cpu_by_hand = ((end - begin) * 1000 / rotations for begin, end in pairwise(clock))
            measured.append(Round(rotations / floor_seconds, rotations / engine_seconds, cpu_by_hand, cpu_engine))
        engine.store.close()
    return measured


def measure_threads(rounds: int, rotations: int, key_size: int, threads: int) -> list[float]:
    """Rotations per second of so many threads at once, each with a connection of its own, by round."""
    own = max(1, rotations // threads)
    with tempfile.TemporaryDirectory() as folder:
        engine = EngineOnStore(Path(folder), threads)
        preparations = [Preparation(key_size) for _ in range(threads)]
        engine.run(*(each.prepare(1) for each in preparations))
        measured = []
        for _ in range(rounds):
            prepared = [each.prepare(own) for each in preparations]
            measured.append(own * threads / engine.run(*prepared))
        engine.store.close()
    return measured


def main() -> None:
    """Measure, and print the medians and the ratio."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--rotations", type=int, default=200, help="rotations per round")
    options.add_argument("--key-size", type=int, default=3072, help="bits of the RSA keys")
    options.add_argument("--threads", type=int, default=8)
    chosen = options.parse_args()
    print_machine()
    measured = measure(chosen.rounds, chosen.rotations, chosen.key_size)
    by_hand, engine, cpu_by_hand, cpu_engine = (statistics.median(column) for column in zip(*measured, strict=True))
    ratios = sorted(each.ratio for each in measured)
    print(f"rotations per second, median of {chosen.rounds} rounds of {chosen.rotations}; SQLite, synchronous=FULL")
    print_figure("by hand, same commits (floor)", by_hand, f"CPU: {cpu_by_hand:.2f} ms per rotation")
    print_figure("through the engine", engine, f"CPU: {cpu_engine:.2f} ms per rotation")
    spread = f"wanted: {WANTED_RATIO}; from {ratios[0]:.2f} to {ratios[-1]:.2f}"
    print_figure("ratio, median of the rounds", statistics.median(ratios), spread, digits=2)
    shared = measure_threads(chosen.rounds, chosen.rotations, chosen.key_size, chosen.threads)
    print_figure(f"through the engine, {chosen.threads} threads", statistics.median(shared), "they share commits")


if __name__ == "__main__":
    main()
