"""Waiting for another process or thread, by polling."""

import time
from collections.abc import Callable
from typing import Final

WAIT_LIMIT: Final = 240.0
"""Seconds after which a wait counts as hung. It is long, so that a busy machine fails no test."""


def until(
    fact: Callable[[], object],
    *,
    limit: float = WAIT_LIMIT,
    tick: float = 0.02,
    otherwise: Callable[[], str] = lambda: "waited in vain",
) -> None:
    """Poll every ``tick`` seconds until ``fact()`` is true. Fails after ``limit`` seconds with ``otherwise()``."""
    deadline = time.monotonic() + limit
    while not fact():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(tick)
