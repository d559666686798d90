"""A database that fails when a lost answer is stored."""

from typing import Any

import pytest

from persistence.journal import UNKNOWN
from persistence.store import Claim, Store
from states.errors import TryLater


def lose_evidence(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """Make the database fail whenever a lost answer is to be stored."""
    advance = store.rotations.advance

    def advance_or_fail(*args: Any, event: str, **kwargs: Any) -> Claim:
        if event == UNKNOWN:
            raise TryLater("The database is away.")
        return advance(*args, event=event, **kwargs)

    monkeypatch.setattr(store.rotations, "advance", advance_or_fail)
