"""A new store, new systems and an engine for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.engine.environment import EngineEnvironment
from support.factories import a_certificate, a_connection, pair_of
from support.fake_systems import FakeSystems
from support.migrated import migrated_sqlite
from support.stores import open_store

from persistence.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    shutil.copy(migrated_sqlite(), tmp_path / "keyturn.db")
    opened = open_store(f"sqlite:///{tmp_path / 'keyturn.db'}")
    opened.connections.add(a_connection())
    yield opened
    opened.close()


@pytest.fixture
def systems() -> FakeSystems:
    """Both systems hold the same certificate."""
    both = FakeSystems()
    both.hold(pair_of(a_certificate()))
    return both


@pytest.fixture
def environment(store: Store, systems: FakeSystems) -> EngineEnvironment:
    return EngineEnvironment(store, systems)
