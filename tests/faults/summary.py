"""Which faults and schedules are tried, and what happened in them.

FAULTS=all          try all of them
SLICE=10 SEED=7     try every tenth of them all, beginning at the seventh
SEED=7              try the selection, with the schedules of seed 7
"""

import os
from collections import Counter
from collections.abc import Iterable

from simulator import Entry

SEED = int(os.environ.get("SEED", "1"))
SLICE = int(os.environ.get("SLICE", "0"))
WHOLE = os.environ.get("FAULTS") == "all" or SLICE > 0
"""Whether everything is tried, or a part of everything; otherwise a selection that takes a minute."""
COUNTS: Counter[str] = Counter()
ATTACKED = "schedules with a writer of the database"


def count_faults(history: Iterable[Entry]) -> None:
    """Count what struck."""
    for entry in history:
        COUNTS.update(f"struck: {kind}" for kind in (entry.fault or "").split("+") if kind)
        if entry.endpoint == "outside":
            COUNTS["struck: a foreign change"] += 1
