"""A Keyturn whose secrets are all known."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from security.known_secrets import Stage, stage


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Connected to simulated systems, in this process."""
    with stage(tmp_path, monkeypatch) as it:
        yield it
