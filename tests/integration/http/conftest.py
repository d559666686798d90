"""Servers that end with their test, and an authority for them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration.http.scripted_server import Handler, Wire
from integration.http.tls import Tls


@pytest.fixture
def serve() -> Iterator[Callable[[Handler], Wire]]:
    """Starts servers, and ends them with the test."""
    wires: list[Wire] = []

    def start(handler: Handler) -> Wire:
        wires.append(Wire(handler))
        return wires[-1]

    yield start
    for wire in wires:
        wire.close()


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """An authority and a certificate for this machine."""
    return Tls(tmp_path)
