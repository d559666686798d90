"""A simulator of several accounts, and a Keyturn with a connection to each."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hostile.hostile_worker import Worker, a_worker
from support.environment import connect, keyturn
from support.request_history import judged_simulator

from orchestrator.bootstrap import Keyturn
from simulator import Simulator

BY_HAND: dict[str, Any] = {"bundles": {}}
"""Without the bundles nothing begins by itself."""
NAMES = ("acme", "bravo", "charlie")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with judged_simulator(accounts=len(NAMES)) as running:
        yield running


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> Iterator[Keyturn]:
    with keyturn(tmp_path, monkeypatch, KEYTURN_WORKER__LEASE="1", KEYTURN_WORKER__POLL="0.1") as running:
        connect(running, simulator.credentials, **BY_HAND)
        yield running


@pytest.fixture
def several(app: Keyturn, simulator: Simulator) -> Keyturn:
    """The same, with two connections more."""
    for name, pair in list(zip(NAMES, simulator.pairs.values(), strict=True))[1:]:
        connect(app, pair.credentials, name, **BY_HAND)
    return app


@pytest.fixture
def worker(app: Keyturn, tmp_path: Path) -> Callable[..., AbstractContextManager[Worker]]:
    """Start a worker for that Keyturn."""
    del app  # its settings are in the environment by now
    return partial(a_worker, tmp_path)
