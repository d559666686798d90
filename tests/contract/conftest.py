"""Every store test runs on SQLite (a file, in WAL) and on PostgreSQL (a real server, from a wheel)."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import postgresql as postgres
from support.factories import a_connection
from support.migrated import migrate, migrated_sqlite
from support.stores import KEK, open_store

from persistence.store import Store
from persistence.vault import Vault


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Path]:
    """One PostgreSQL server for all tests of this process."""
    with postgres.server() as socket:
        yield socket


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: Path) -> str:
    """The URL of a PostgreSQL database that is up to date: copying it is quicker than migrating another one."""
    url = postgres.new_database(postgresql)
    migrate(url)
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new database: up to date for a test that uses ``store``, else empty."""
    is_migrated = "store" in request.fixturenames
    if request.param == "sqlite":
        file = tmp_path / "keyturn.db"
        if is_migrated:
            shutil.copy(migrated_sqlite(), file)
        yield f"sqlite:///{file}"
        return
    server = request.getfixturevalue("postgresql")
    template = [request.getfixturevalue("migrated_postgresql")] if is_migrated else []
    with postgres.temporary_database(server, *template) as url:
        yield url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A new store with the connection ``acme`` in it."""
    opened = open_store(url)
    opened.connections.add(a_connection())
    yield opened
    opened.close()


@pytest.fixture
def vault(store: Store) -> Vault:
    """A vault on a store that has no data key yet."""
    with store._database.writing() as tx:
        tx.exec_driver_sql("DELETE FROM datakeys")
    return Vault(store.secrets, lambda: KEK)
