"""The `keyturn worker` processes. One is never killed, so that its memory can be measured; the others are killed one
after another, and replaced.
"""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final, Self

from acceptance.installed_keyturn import command
from support.polling import WAIT_LIMIT

LIVES: Final = (2.0, 6.0)
"""Seconds from one kill to the next: at least, at most."""
STARTED: Final = 20.0
"""Seconds after which the steady worker's memory is looked at: before, it is still importing."""
SAMPLE_EVERY: Final = 2.0
"""Seconds for a worker to end that was asked to."""


@dataclass(frozen=True)
class _Worker:
    process: subprocess.Popen[bytes]
    log: Path


class WorkerProcesses:
    """``others`` workers that are killed, and one that is not. Use it as a context manager: all end with it."""

    def __init__(self, folder: Path, random: Random, others: int) -> None:
        self.kills = 0
        self.violations: list[str] = []
        self.memory: list[tuple[float, int]] = []
        """Of the one that is never killed: seconds from the beginning, resident KiB."""
        self._folder = folder
        self._random = random
        self._number = 0
        self._began = time.monotonic()
        self._next_kill, self._next_sample = self._began, self._began + STARTED
        self._steady = self._start()
        self._others = [self._start() for _ in range(others)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for each in (self._steady, *self._others):
            each.process.terminate()
        for each in (self._steady, *self._others):
            try:
                if ended := each.process.wait(WAIT_LIMIT):
                    self.violations.append(f"a worker that was asked to stop exited with {ended}: {each.log}")
            except subprocess.TimeoutExpired:
                each.process.kill()
                self.violations.append(f"a worker that was asked to stop did not: {each.log}")

    def kill_one(self) -> None:
        """Kill the worker that has lived longest, if it is time to, and put another in its place."""
        if time.monotonic() < self._next_kill:
            return
        self._next_kill = time.monotonic() + self._random.uniform(*LIVES)
        oldest = self._others.pop(0)
        oldest.process.kill()
        oldest.process.wait()
        self.kills += 1
        self._others.append(self._start())

    def look(self) -> None:
        """Sample the steady worker's memory, and check that no worker has exited by itself."""
        for each in (self._steady, *self._others):
            if (ended := each.process.poll()) is not None:
                raise RuntimeError(f"a worker exited with {ended}, unasked: {each.log}")
        if time.monotonic() >= self._next_sample:
            self._next_sample += SAMPLE_EVERY
            self.memory.append((time.monotonic() - self._began, resident(self._steady.process.pid)))

    def _start(self) -> _Worker:
        self._number += 1
        log = self._folder / f"worker-{self._number}.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(command("worker"), env=os.environ, stdin=subprocess.DEVNULL, stderr=stderr)
        return _Worker(process, log)


def resident(pid: int) -> int:
    """Resident memory in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
