"""Many threads of one worker on one database: what one of them has stored, no other takes back."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.environment import connect, keyturn
from support.polling import until
from support.request_history import judged_simulator

from orchestrator.bootstrap import Keyturn
from persistence.store import Role
from simulator import Simulator
from states.state import State

CONNECTIONS = 24
THREADS = 8


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """As many pairs of systems. OpenAir's access tokens expire at once: each call needs the next refresh token."""
    with judged_simulator(accounts=CONNECTIONS, openair_token_seconds=1) as running:
        yield running


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> Iterator[Keyturn]:
    with keyturn(tmp_path, monkeypatch) as running:
        for number, pair in enumerate(simulator.pairs.values()):
            connect(running, pair.credentials, f"c{number:02}")
        yield running


def test_every_thread_finds_what_it_stored(app: Keyturn) -> None:
    """Each rotation completes at its first try. A refresh token that is not stored is lost, and with it the sign-in."""
    rotations = [app.rotations.request(each.name, actor="tester").id for each in app.connections.all()]
    stop = app.stop_request()
    with app.worker(stop, Role.WORKER, THREADS) as work:
        thread = threading.Thread(target=work.run, args=(THREADS,))
        thread.start()
        try:
            until(lambda: all(app.rotations.show(each).state in (State.COMPLETED, State.FAILED) for each in rotations))
        finally:
            stop.set()
            thread.join()
    ended = [app.rotations.show(each) for each in rotations]
    assert [(State.COMPLETED, 1)] * CONNECTIONS == [(each.state, each.attempt) for each in ended]
