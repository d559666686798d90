"""Which faults and schedules are tried, and what happened in them.

By default a selection is tried, in a minute or two.

FAULTS=all          try all of them
SLICE=10 SEED=7     try every tenth of them all, beginning at the seventh
SEED=7              try the selection, with the schedules of seed 7
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from simulator import Entry

SEED = int(os.environ.get("SEED", "1"))
SLICE = int(os.environ.get("SLICE", "0"))
WHOLE = os.environ.get("FAULTS") == "all" or SLICE > 0
"""Whether everything is tried, or a part of everything."""
COUNTS: Counter[str] = Counter()
ATTACKED = "schedules with a writer of the database"

Case = TypeVar("Case")


def selected(cases: Sequence[Case]) -> Sequence[Case]:
    """Return all cases of one test, or every third, beginning where the seed says; at least one of them."""
    step = min(3, len(cases)) or 1
    return cases if WHOLE else cases[SEED % step :: step]


def count_faults(history: Iterable[Entry]) -> None:
    """Count what struck."""
    for entry in history:
        COUNTS.update(f"struck: {kind}" for kind in (entry.fault or "").split("+") if kind)
        if entry.endpoint == "outside":
            COUNTS["struck: a foreign change"] += 1
