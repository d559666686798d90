"""A Keyturn whose secrets are all known."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from security.known_secrets import SearchedKeyturn, searched_keyturn


@pytest.fixture
def keyturn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SearchedKeyturn]:
    """A Keyturn in this process, connected to simulated systems, whose output is searched for secrets."""
    with searched_keyturn(tmp_path, monkeypatch) as it:
        yield it
