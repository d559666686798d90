"""A new store, new systems and an engine for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.engine.environment import Stage
from integration.engine.fake_systems import Systems
from support.clock import FakeClock
from support.factories import a_certificate, a_connection

from persistence.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'keyturn.db'}")
    opened.migrate()
    opened.connections.add(a_connection())
    yield opened
    opened.close()


@pytest.fixture
def systems() -> Systems:
    previous = a_certificate()
    return Systems(FakeClock(), netsuite=previous, openair=previous)


@pytest.fixture
def stage(store: Store, systems: Systems) -> Stage:
    return Stage(store, systems)
