"""Moving from SQLite to PostgreSQL: every row is the same there, and a worker carries on what was open."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import psycopg
import pytest
from acceptance.installed_keyturn import command
from integration.recovery.environment import NO_SAVE
from support.environment import connect, keyturn
from support.postgresql import server, temporary_database
from support.request_history import judged_simulator
from support.stopping import StopAt

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.workers import Role
from orchestrator.settings_file import load
from persistence import models
from persistence.store import Store
from simulator import Simulator
from states.errors import AlreadyExists, InvalidInput, InvalidSettings, TryLater
from states.rotation import Rotation
from states.state import State
from states.table import ACTIVE

pytestmark = pytest.mark.postgresql
NAMES: Final = (*ACTIVE, State.COMPLETED, State.FAILED)
"""A connection for each state, named after it."""
ROUTES: Final = '{"operators": {"webhook": "http://127.0.0.1:9/", "secret_file": "/nowhere"}}'
"""Where no one listens: what is to be reported stays in the outbox."""


@pytest.fixture(scope="module")
def socket() -> Iterator[Path]:
    """A PostgreSQL server."""
    with server() as running:
        yield running


@pytest.fixture
def url(socket: Path) -> Iterator[str]:
    """An empty PostgreSQL database."""
    with temporary_database(socket) as made:
        yield made


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with judged_simulator(accounts=len(NAMES)) as running:
        yield running


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> Iterator[Keyturn]:
    with keyturn(tmp_path, monkeypatch, KEYTURN_ALERTS__ROUTES=ROUTES) as running:
        for state, pair in zip(NAMES, simulator.pairs.values(), strict=True):
            connect(running, pair.credentials, state.lower())
        yield running


@pytest.fixture
def rotations(app: Keyturn, simulator: Simulator) -> dict[State, Rotation]:
    """A second rotation of each connection, in the state that it is named after; the last one is parked."""
    failed = simulator.pairs[app.connections.show("failed").netsuite.account].credentials.account
    found = {}
    for state in NAMES:
        for number in (1, 2):
            if (state, number) == (State.FAILED, 2):
                simulator.faults.add(replace(NO_SAVE, account=failed))
            _, claim = app.rotations.request_and_claim(state.lower(), actor="tester")
            assert claim
            with app.engine(StopAt(state) if number == 2 else None) as engine:
                found[state] = engine.run(claim)
    return found


def dump(app: Keyturn) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the database."""
    with app.store._database.reading() as tx:
        return {
            table.name: sorted(map(tuple, tx.execute(table.select())), key=repr)
            for table in models.METADATA.sorted_tables
        }


def moved(url: str, monkeypatch: pytest.MonkeyPatch) -> Keyturn:
    """The same Keyturn with PostgreSQL."""
    monkeypatch.setenv("KEYTURN_STORE__URL", url)
    return Keyturn(load())


def rows(url: str) -> int:
    """How many certificates, connections and rotations are in a PostgreSQL database."""
    with closing(psycopg.connect(url)) as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM certificates) + (SELECT count(*) FROM connections) + count(*) FROM rotations"
        ).fetchone()
        assert found
        return int(found[0])


def test_a_worker_carries_on(
    app: Keyturn,
    simulator: Simulator,
    rotations: dict[State, Rotation],
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rotations of every state are the same after the move, and go on. The first database stays as it is."""
    assert list(NAMES) == [rotations[state].state for state in NAMES]
    app.alerts.look()
    counted = app.metrics.read().counts
    before, listed = dump(app), [app.rotations.show(each.id) for each in rotations.values()]
    copied = app.database_copies.copy(url)
    assert {name: len(table) for name, table in before.items()} == copied.rows
    assert before == dump(app)
    assert copied.rows["outbox"]
    with closing(moved(url, monkeypatch)) as after:
        assert listed == [after.rotations.show(each.id) for each in listed]
        assert copied.entries == after.journal.verify().entries
        assert counted == after.metrics.read().counts
        simulator.faults.clear()
        after.rotations.resume(rotations[State.FAILED].id, actor="ada")
        with after.worker(after.stop_request(), Role.RUN_DUE) as work:
            work.drain()
        assert {State.COMPLETED} == {after.rotations.show(each.id).state for each in listed}
        assert after.journal.verify().entries > copied.entries
        after.alerts.look()
        assert len(dump(after)["outbox"]) > copied.rows["outbox"], "its numbers do not go on"


def test_only_while_no_worker_is_at_work(app: Keyturn, url: str) -> None:
    """While a worker is present, or holds a rotation, nothing is copied: it would go on with the first database."""
    with app.presence(Role.WORKER), pytest.raises(TryLater, match="works with this database"):
        app.database_copies.copy(url)
    rotation, claim = app.rotations.request_and_claim("completed", actor="tester")
    assert claim
    with pytest.raises(TryLater, match=f"holds rotation {rotation.id}"):
        app.database_copies.copy(url)
    assert 0 == rows(url)
    app.store.claims.release(claim)
    assert app.database_copies.copy(url).rows["rotations"]


def test_only_into_an_empty_database(app: Keyturn, url: str, tmp_path: Path) -> None:
    """A database with rows stays as it is; one of another kind is refused."""
    app.database_copies.copy(url)
    before = rows(url)
    app.rotations.request("completed", actor="tester")
    with pytest.raises(AlreadyExists):
        app.database_copies.copy(url)
    assert before == rows(url)
    with pytest.raises(InvalidInput):
        app.database_copies.copy(f"sqlite:///{tmp_path / 'another.db'}")
    assert not (tmp_path / "another.db").exists()


def test_a_row_that_does_not_arrive_as_it_is(app: Keyturn, url: str) -> None:
    """Where the other database changes a row, the copy is refused, and leaves no row there."""
    before = dump(app)
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        other = Store(url, app._kek)
        other.migrate()
        other.close()
        connection.execute(
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN NEW.policy = '{\"days\": 1}'; RETURN NEW; END $$"
        )
        connection.execute("CREATE TRIGGER spoil BEFORE INSERT ON connections FOR EACH ROW EXECUTE FUNCTION spoil()")
    with pytest.raises(InvalidSettings, match=r"The row \w+ of the table connections is not the same"):
        app.database_copies.copy(url)
    assert (0, before) == (rows(url), dump(app))


def test_the_command(app: Keyturn, url: str) -> None:
    """It takes a URL with a password from standard input, prints no password, and says what to set."""
    secret = url.replace("postgres@", "postgres:correct-horse@")
    app.close()
    line = command("db", "copy", "--to", "-")
    run = subprocess.run(line, input=secret, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert 0 == run.returncode, run.stderr
    assert "correct-horse" not in run.stdout + run.stderr
    assert f"store.url name it, on each machine, in {app.settings.config_file}" in run.stderr
    assert rows(url)
