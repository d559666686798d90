"""One console with an OpenID provider for the tests of a module, each with a browser of its own."""

from collections.abc import Iterator

import pytest
from support.console import RunningConsole, running_console
from support.environment import keyturn
from support.openid import (
    Provider,
    running_provider,
    use,
)

from orchestrator.bootstrap import Keyturn


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with running_provider() as it:
        yield it


@pytest.fixture(scope="module")
def app(running: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyturn]:
    folder = tmp_path_factory.mktemp("openid")
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(monkeypatch, folder, running)
        with keyturn(folder, monkeypatch) as it:
            yield it


@pytest.fixture(scope="module")
def shared(app: Keyturn) -> Iterator[RunningConsole]:
    with running_console(app) as it:
        yield it


@pytest.fixture
def provider(running: Provider, app: Keyturn) -> Provider:
    """The provider, honest again; nothing of an earlier test is left."""
    running.be_honest()
    running.asked.clear()
    assert app.openid
    app.openid._provider._known = None
    with app.store._database.writing() as tx:
        for table in ("openidsessions", "openidrequests", "attempts"):
            tx.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - the names above
    return running


@pytest.fixture
def console(shared: RunningConsole, provider: Provider) -> RunningConsole:  # noqa: ARG001 - honest from the start
    """A browser of its own."""
    return shared.another()
