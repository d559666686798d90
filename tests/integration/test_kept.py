"""What a failed command says that it kept: looked up in the store, and in doubt where a result could not be stored."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from integration.fixture_types import Rotate
from support.environment import NAME

from orchestrator.adapters.netsuite import NetSuiteAdapter
from orchestrator.adapters.openair_xml import OpenAirXml
from orchestrator.bootstrap import Keyturn
from orchestrator.cli import application
from persistence import sqlite
from persistence.rotations import Rotations
from simulator import Simulator
from states.errors import TryLater
from states.state import State

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(app: Keyturn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process; returns its exit code, and its error."""
    monkeypatch.setattr(sqlite, "DATABASE_WAIT", 0.2)
    assert app.settings

    def command(*words: str) -> tuple[int, dict[str, Any]]:
        exit_code = application.run([*words, "-o", "json"])
        said = capsys.readouterr().err
        return exit_code, json.loads(said)["error"] if said else {}

    return command


@pytest.fixture
def stranger(app: Keyturn) -> Iterator[sqlite3.Connection]:
    """Another program, which has opened the database."""
    with closing(
        sqlite3.connect(app.settings.data / "keyturn.db", isolation_level=None, check_same_thread=False)
    ) as it:
        yield it


def after(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, then: Callable[[], object]) -> None:
    """Call ``then`` after each call of the method."""
    original = getattr(owner, method)

    def call(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        then()
        return result

    monkeypatch.setattr(owner, method, call)


def test_before_anything_was_written(run: Run, stranger: sqlite3.Connection) -> None:
    """Where the request itself could not be stored, nothing was changed, and the command says so."""
    stranger.execute("BEGIN IMMEDIATE")
    exit_code, error = run("rotate", NAME)
    assert (7, "TRY_LATER", "Nothing was changed.") == (exit_code, error["code"], error["kept"])
    assert "rotation" not in error


def test_after_the_upload(
    app: Keyturn, run: Run, stranger: sqlite3.Connection, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NetSuite took the certificate and that could not be stored: imports may be refused, and carrying on ends it."""
    assert simulator
    with monkeypatch.context() as meanwhile:
        after(meanwhile, NetSuiteAdapter, "install", lambda: stranger.execute("BEGIN IMMEDIATE"))
        exit_code, error = run("rotate", NAME)
    stranger.execute("ROLLBACK")
    assert (7, "TRY_LATER") == (exit_code, error["code"])
    rotation = app.rotations.open_for(NAME)
    assert rotation
    assert (State.KEY_GENERATED, rotation.id) == (rotation.state, error["rotation"])
    assert "OpenAir was not touched. A request was sent and its answer lost" in error["kept"]
    assert "Nothing was changed" not in error["kept"]
    assert "may be refused since" in error["outage"]["sentence"]
    assert f"`keyturn rotation carry {rotation.id}`" in error["next_action"]["text"]


def test_after_the_save(app: Keyturn, run: Run, stranger: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAir took the certificate and that could not be stored: the command does not say that it has the old one."""
    with monkeypatch.context() as meanwhile:
        after(meanwhile, OpenAirXml, "save", lambda: stranger.execute("BEGIN IMMEDIATE"))
        _, error = run("rotate", NAME)
    stranger.execute("ROLLBACK")
    rotation = app.rotations.open_for(NAME)
    assert rotation
    assert State.UPLOADED_TO_NETSUITE is rotation.state
    assert "NetSuite took the new key, OpenAir perhaps not yet: imports may be refused." in error["kept"]
    assert "may be refused since" in error["outage"]["sentence"]


def test_the_database_cannot_be_read_either(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process knew last is shown, and called that."""

    def away(*_: object, **__: object) -> None:
        raise TryLater("The database is away.")

    def go_away() -> None:
        monkeypatch.setattr(Rotations, "get", away)
        monkeypatch.setattr(Rotations, "advance", away)

    after(monkeypatch, NetSuiteAdapter, "install", go_away)
    _, error = run("rotate", NAME)
    assert "what this process knew last: the database cannot be read now" in error["kept"]
    assert "may be refused since" in error["outage"]["sentence"]


def test_a_bug_claims_nothing(run: Run, monkeypatch: pytest.MonkeyPatch, rotate: Rotate) -> None:
    """Where a command breaks, what it changed is looked up, too: a rotation that was completed is called that."""
    assert rotate().state is State.COMPLETED

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("orchestrator.cli.outcome.result", broken)
    exit_code, error = run("rotate", NAME)
    assert (1, "INTERNAL_ERROR") == (exit_code, error["code"])
    assert "Both sides held the new certificate when the rotation was completed." == error["kept"]
