"""Which dispatcher a worker uses, by the setting, the database and what is installed."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from support import postgresql as postgres
from support.environment import keyturn
from support.stores import open_store

from orchestrator.dispatch.choice import uses_queue
from persistence import presence
from persistence.store import Store
from states.errors import InvalidSettings
from states.next_action import Verb

NAME = "host:1:abc"
MODULES = """
import atexit, sys
atexit.register(lambda: print("procrastinate" in sys.modules, file=sys.stderr))
from orchestrator.cli import main
main()
"""


@pytest.fixture
def url(postgresql: Path, migrated_postgresql: str) -> Iterator[str]:
    with postgres.temporary_database(postgresql, migrated_postgresql) as made:
        yield made


@pytest.fixture(params=["package", "tables", "sessions"])
def refused(request: pytest.FixtureRequest, store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the queue lacks here, as it is said."""
    if request.param == "package":
        monkeypatch.setitem(sys.modules, "orchestrator.dispatch.procrastinate", None)
        return "needs the package procrastinate"
    if request.param == "sessions":
        monkeypatch.setattr(presence, "is_pooled", lambda *_: True)
        return "sessions are pooled"
    with store._database.writing() as tx:
        tx.execute(text("DROP SCHEMA public_queue CASCADE"))
    return "has no queue"


@pytest.mark.postgresql
def test_where_the_queue_can_be_used(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """On PostgreSQL a worker takes its work from the queue unless the setting says otherwise."""
    caplog.set_level(logging.INFO)
    assert [False, True, True] == [
        uses_queue(choice, store.hints, NAME) for choice in ("embedded", "auto", "procrastinate")
    ]
    assert [] == caplog.records


@pytest.mark.postgresql
def test_where_it_cannot_be_used(store: Store, refused: str, caplog: pytest.LogCaptureFixture) -> None:
    """By default the worker does without, and says why; where the setting asks for the queue, it does not start."""
    caplog.set_level(logging.INFO)
    assert not uses_queue("auto", store.hints, NAME)
    assert [("worker without the queue", True)] == [
        (record.message, refused in record.__dict__["reason"]) for record in caplog.records
    ]
    with pytest.raises(InvalidSettings, match=refused) as caught:
        uses_queue("procrastinate", store.hints, NAME)
    is_missing = "package" in refused
    assert is_missing is (caught.value.next_action.verb is Verb.INSTALL_EXTRA)


def test_sqlite_has_no_queue(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is said of it, unless the setting asks for it."""
    hints = open_store(f"sqlite:///{tmp_path}/keyturn.db").hints
    caplog.set_level(logging.INFO)
    assert [False, False] == [uses_queue(choice, hints, NAME) for choice in ("embedded", "auto")]
    assert [] == caplog.records
    with pytest.raises(InvalidSettings, match="needs PostgreSQL"):
        uses_queue("procrastinate", hints, NAME)


@pytest.mark.postgresql
@pytest.mark.parametrize("words", [("run-due",), ("rotation", "list"), ("rotate", "acme", "--detach"), ("doctor",)])
def test_other_commands_do_not_import_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Only a worker needs Procrastinate: a command gives its hints without."""
    with keyturn(tmp_path, monkeypatch, KEYTURN_STORE__URL=url):
        run = subprocess.run([sys.executable, "-c", MODULES, *words], capture_output=True, text=True, check=False)
    assert "False" == run.stderr.splitlines()[-1]
