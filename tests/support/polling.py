"""Waiting for what another process or thread does: one looks until it is so."""

import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 60.0
"""Seconds to wait for a fact, at most."""


def until(
    fact: Callable[[], object],
    *,
    patience: float = PATIENCE,
    tick: float = 0.02,
    otherwise: Callable[[], str] = lambda: "waited in vain",
) -> None:
    """Look every ``tick`` seconds until ``fact`` holds."""
    deadline = time.monotonic() + patience
    while not fact():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(tick)
