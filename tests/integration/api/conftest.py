"""A connected Keyturn on each database, and a program that may act."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import postgresql as postgres
from support.api import Program, add_token
from support.console import running_console
from support.environment import connect, keyturn

from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from states.access import Role


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Path]:
    """One PostgreSQL server for the tests of this module."""
    with postgres.server() as socket:
        yield socket


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def app(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator
) -> Iterator[Keyturn]:
    """A connected Keyturn on each database."""
    with ExitStack() as stack:
        settings = {}
        if request.param == "postgresql":
            server = request.getfixturevalue("postgresql")
            settings["KEYTURN_STORE__URL"] = stack.enter_context(postgres.temporary_database(server))
        running = stack.enter_context(keyturn(tmp_path, monkeypatch, **settings))
        assert running.settings.store_url.startswith(request.param)
        connect(running, simulator.credentials)
        yield running


@pytest.fixture
def operator(app: Keyturn) -> Iterator[Program]:
    with running_console(app) as running:
        yield Program(running.port, add_token(app, "nightly", Role.OPERATOR))
