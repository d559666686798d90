"""Servers that end with their test, and a certificate authority for them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration.http.scripted_server import Handler, ScriptedServer
from integration.http.tls import Tls


@pytest.fixture
def serve() -> Iterator[Callable[[Handler], ScriptedServer]]:
    """Starts servers, and stops them at the end of the test."""
    servers: list[ScriptedServer] = []

    def start(handler: Handler) -> ScriptedServer:
        servers.append(ScriptedServer(handler))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """A certificate authority, and a server certificate for 127.0.0.1."""
    return Tls(tmp_path)
