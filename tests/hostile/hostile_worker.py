"""A worker process whose machine can be made hostile while it runs, and what it says of that."""

import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.installed_keyturn import command
from support.polling import WAIT_LIMIT, until
from support.request_history import assert_openair_came_second, installed, saved

from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from states.rotation import Rotation
from states.state import State


@dataclass(frozen=True)
class Worker:
    """`keyturn worker`, running."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self, message: str, **wanted: object) -> list[dict[str, Any]]:
        """The log's records with this message and these values."""
        lines = self.log.read_text().splitlines()
        records = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [each for each in records if {"message": message, **wanted}.items() <= each.items()]

    def wait_to_say(self, message: str, **wanted: object) -> dict[str, Any]:
        """Wait for such a record; return the last."""
        until(lambda: self.said(message, **wanted), otherwise=self.log.read_text)
        return self.said(message, **wanted)[-1]

    @property
    def tracebacks(self) -> bool:
        """Whether it logged an unforeseen exception."""
        return "Traceback" in self.log.read_text()

    def files(self) -> list[Path]:
        """What it has open."""
        found = []
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found.append(descriptor.readlink())
        return found

    @property
    def threads(self) -> int:
        """How many threads it has."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    @contextmanager
    def limited(self, what: int, soft: int) -> Iterator[None]:
        """Limit the running process to ``soft`` of a resource while the block runs."""
        before = resource.prlimit(self.process.pid, what)
        resource.prlimit(self.process.pid, what, (soft, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.process.pid, what, before)

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_LIMIT)


@contextmanager
def a_worker(folder: Path, *, threads: int = 1, through: Sequence[object] = (), **environment: str) -> Iterator[Worker]:
    """Start a worker with this process's environment; it is killed at the end if it still lives.

    ``through`` is the command that becomes the worker, such as one that gives up root's rights.
    """
    log = folder / f"worker-{len(list(folder.glob('worker-*.log'))) + 1}.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*map(str, through), *command("worker", "--threads", threads)],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        yield Worker(process, log)
    finally:
        process.kill()
        process.wait()


def completed_once(app: Keyturn, simulator: Simulator, rotation: Rotation) -> None:
    """Completed, with one candidate, uploaded and saved once, in the right order, and all in the journal."""
    until(lambda: app.rotations.show(rotation.id).state is State.COMPLETED)
    done = app.rotations.show(rotation.id)
    history = simulator.history.entries(account=app.connections.show(rotation.connection).netsuite.account)
    assert done.proofs.candidate
    assert [done.proofs.candidate.fingerprint] == installed(history) == saved(history)
    assert_openair_came_second(history)
    app.journal.verify()


def error_of(run: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    """The error that a command with ``-o json`` printed on stderr."""
    return dict(json.loads(run.stderr.splitlines()[-1])["error"])
