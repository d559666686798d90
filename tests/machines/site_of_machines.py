"""What a test with machines has, and what it asks of them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from hostile.hostile_worker import Worker, a_worker
from machines.network import Machine, Network

from orchestrator.bootstrap import Keyturn
from simulator import Simulator

ACCOUNTS: Final = 30


@dataclass(frozen=True)
class Holder:
    """Who holds a rotation, by the database's clock."""

    worker: str | None
    lease_until: datetime | None
    state: str
    now: datetime


@dataclass(frozen=True)
class Site:
    """The network, the database's machine, both systems, and a Keyturn that reads by Unix socket, past all links."""

    network: Network
    database: Machine
    socket: Path
    simulator: Simulator
    app: Keyturn
    folder: Path
    local_url: str

    @property
    def url(self) -> str:
        """The store's URL as the machines have it."""
        return f"postgresql://postgres@{self.database.address('data')}{urlsplit(self.local_url).path}"

    def worker(self, machine: Machine, *, threads: int = 1) -> AbstractContextManager[Worker]:
        """Start a worker on that machine; it is killed at the end if it still lives."""
        through = ("ip", "netns", "exec", machine.namespace)
        return a_worker(self.folder, threads=threads, through=through, KEYTURN_STORE__URL=self.url)

    @contextmanager
    def cut_off(self, machine: Machine) -> Iterator[None]:
        """Cut the machine off the database while the block runs; it reaches both systems all the time."""
        self.network.cut(machine, "data")
        try:
            yield
        finally:
            self.network.heal(machine, "data")

    def holder(self, rotation_id: str) -> Holder:
        """Who holds the rotation now."""
        statement = "SELECT worker, lease_until, state, clock_timestamp() FROM rotations WHERE id = %s"
        with psycopg.connect(self.local_url) as reader:
            row = reader.execute(statement, (rotation_id,)).fetchone()
        assert row
        return Holder(*row)
