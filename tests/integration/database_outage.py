"""A database that is away at the wrong moment."""

from typing import Any

import pytest

from persistence.journal import UNKNOWN
from persistence.store import Claim, Store
from states.errors import TryLater


def lose_evidence(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """Let the database be away whenever it is to be stored that an answer was lost."""
    advance = store.rotations.advance

    def away(*args: Any, event: str, **kwargs: Any) -> Claim:
        if event == UNKNOWN:
            raise TryLater("The database is away.")
        return advance(*args, event=event, **kwargs)

    monkeypatch.setattr(store.rotations, "advance", away)
