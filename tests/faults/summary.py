"""What is tried, and what happened in it."""

import os
from collections import Counter
from collections.abc import Iterable

from simulator import Entry

SEED = int(os.environ.get("SEED", "1"))
WHOLE = os.environ.get("FAULTS") == "all"
"""Whether everything is tried, or a selection that takes a minute."""
TALLY: Counter[str] = Counter()


def count_faults(history: Iterable[Entry]) -> None:
    """Count what struck."""
    for entry in history:
        TALLY.update(f"struck: {kind}" for kind in (entry.fault or "").split("+") if kind)
        if entry.endpoint == "outside":
            TALLY["struck: somebody else's change"] += 1
