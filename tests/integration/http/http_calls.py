"""Calls of the HTTP client, and the errors that they raise."""

import contextlib
from collections.abc import Iterator

import pytest

from orchestrator.adapters.http import Answer, Http
from states.errors import KeyturnError, TryLater, Unknown

CALL_LIMIT = 0.3
"""The time limit of a whole call in seconds, in tests that wait until it is over."""
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
    """Return the classes of the errors that a read and a write raise."""
    found = []
    for writes in (False, True):
        with pytest.raises(KeyturnError) as caught:
            post(url, writes=writes, **options)
        found.append(type(caught.value))
    return found
