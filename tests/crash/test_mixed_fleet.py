"""Workers with and without a queue share a database: the store decides who acts, so that both kinds are one fleet."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support import postgresql as postgres
from support.environment import connect, keyturn
from support.polling import WAIT_LIMIT, until
from support.request_history import assert_openair_came_second, installed, judged_simulator, saved

from persistence.read_model import RotationFilter
from states.state import State

pytestmark = pytest.mark.postgresql

ROTATIONS = 50
KINDS = ("embedded", "procrastinate")


@contextmanager
def a_worker(dispatcher: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process of this kind; it is killed at the end if it still lives."""
    command = [sys.executable, "-m", "orchestrator.cli", "worker", "--threads", "2"]
    process = subprocess.Popen(
        command, env={**os.environ, "KEYTURN_WORKER__DISPATCHER": dispatcher}, stdout=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_both_kinds_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of fifty rotations each is completed, with one upload and one save, and both kinds take part."""
    with ExitStack() as stack:
        simulator = stack.enter_context(judged_simulator(accounts=ROTATIONS))
        monkeypatch.setenv("KEYTURN_STORE__URL", postgres.new_database(stack.enter_context(postgres.server())))
        app = stack.enter_context(keyturn(tmp_path, monkeypatch))
        for number, pair in enumerate(simulator.pairs.values()):
            connect(app, pair.credentials, f"c{number}", bundles={})
        workers = {kind: stack.enter_context(a_worker(kind)) for kind in KINDS}
        until(lambda: len(app.workers.alive()) == len(KINDS))
        rotations = [app.rotations.request(f"c{number}", actor="tester").id for number in range(ROTATIONS)]
        until(lambda: app.store.rotations.count(RotationFilter(states=[State.COMPLETED])) == ROTATIONS)
        for process in workers.values():
            process.send_signal(signal.SIGTERM)
        assert [0, 0] == [process.wait(WAIT_LIMIT) for process in workers.values()]

        history = simulator.history.entries()
        assert ROTATIONS == len(installed(history)) == len(set(installed(history)))
        assert sorted(installed(history)) == sorted(saved(history))
        assert_openair_came_second(history)
        journals = [app.rotations.journal(each) for each in rotations]
        actors = {entry.actor for journal in journals for entry in journal if entry.actor != "tester"}
        assert {str(process.pid) for process in workers.values()} == {actor.split(":")[1] for actor in actors}
        assert sum(map(len, journals)) == app.journal.verify().entries
