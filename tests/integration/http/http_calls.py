"""Calls of the adapter, and what they end in."""

import contextlib
import time
from collections.abc import Iterator

import pytest

from orchestrator.adapters.http import Answer, Http
from states.errors import KeyturnError, TryLater, Unknown

PATIENCE = 0.3
"""Seconds a whole call may take where the tests wait for that."""
FAR_TOO_LONG = 10.0
"""Seconds after which a worker counts as held."""
NEVER_SENT = [TryLater, TryLater]
LOST = [TryLater, Unknown]


@contextlib.contextmanager
def client(url: str, **options: object) -> Iterator[Http]:
    http = Http("NetSuite", url, **options)  # type: ignore[arg-type]
    try:
        yield http
    finally:
        http.close()


def post(url: str, *, writes: bool = False, **options: object) -> Answer:
    with client(url, **options) as http:
        return http.post("/path", b"body", {}, writes=writes)


def errors_of(url: str, **options: object) -> list[type[KeyturnError]]:
    """What a read and a write end in."""
    found = []
    for writes in (False, True):
        with pytest.raises(KeyturnError) as caught:
            post(url, writes=writes, **options)
        found.append(type(caught.value))
    return found


@contextlib.contextmanager
def unheld() -> Iterator[None]:
    """What is done here does not take far too long."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < FAR_TOO_LONG
