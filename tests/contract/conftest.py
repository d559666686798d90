"""Every store test runs on SQLite (a file, in WAL) and on PostgreSQL (a real server, from a wheel)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import postgresql as postgres
from support.factories import a_connection

from persistence.store import Store


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Path]:
    """One PostgreSQL server for all tests of this process."""
    with postgres.server() as socket:
        yield socket


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'keyturn.db'}"
    return postgres.new_database(request.getfixturevalue("postgresql"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A new store with the connection ``acme`` in it."""
    opened = Store(url)
    opened.migrate()
    opened.connections.add(a_connection())
    yield opened
    opened.close()
