"""Where workers are killed: a folder, a database and a pair of systems for each, on SQLite and on PostgreSQL."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import postgresql as postgres
from support.request_history import judged_simulator

pytest.register_assert_rewrite(
    "crash.matrix.kill_environment", "crash.matrix.restore_environment"
)  # so that its assertions tell what they compared

from crash.matrix.kill_environment import KillEnvironment, contents  # noqa: E402
from crash.matrix.kill_plan import Admit, Say  # noqa: E402 - that comes first
from crash.matrix.traced_worker import strace  # noqa: E402

ACCOUNTS = 600
"""Pairs of systems: one for each kill of the whole matrix, and some for kills that missed."""


@pytest.fixture(scope="session", autouse=True)
def can_trace() -> None:
    """Without strace there is nothing to be learnt here."""
    if reason := why_not():
        if os.environ.get("REQUIRE") == "all":
            pytest.fail(reason)
        pytest.skip(f"{reason}; REQUIRE=all makes this a failure")


def why_not() -> str | None:
    """Why workers cannot be traced here, or None."""
    if not shutil.which("strace"):
        return "strace is missing (Debian: apt-get install strace)"
    tried = subprocess.run([*strace(Path(os.devnull)), "true"], capture_output=True, text=True, check=False)
    return f"strace cannot trace here: {tried.stderr.strip()}" if tried.returncode else None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Path]:
    """One PostgreSQL server, which nothing else writes to."""
    with postgres.server() as socket:
        yield socket


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which database; and a look at what the server wrote, when all is done."""
    name: str = request.param
    yield name
    if name == "postgresql":
        written = request.getfixturevalue("postgresql") / "data" / "pg_wal"
        assert not any(b"PRIVATE KEY" in content for content in contents(written))


@pytest.fixture
def admit(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> Iterator[Admit]:
    """Make a separate environment for one kill, of any kind; safe to call from several threads."""
    server = request.getfixturevalue("postgresql") if database == "postgresql" else None
    numbers = itertools.count(1)
    with judged_simulator(accounts=ACCOUNTS) as simulator, ExitStack() as databases:
        pairs = iter(simulator.pairs.values())

        def make(kind: type[KillEnvironment] = KillEnvironment) -> KillEnvironment:
            folder = tmp_path / str(next(numbers)) / "home"
            folder.mkdir(parents=True, mode=0o700)
            url = databases.enter_context(postgres.temporary_database(server)) if server else ""
            return kind(folder, url, simulator, next(pairs))

        yield make


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Print a line though output is captured: the number of points is what the run is for."""

    def show(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", flush=True)  # noqa: T201 - see above

    return show
