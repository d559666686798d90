"""Endless random faults, drawn from a seed."""

from random import Random
from typing import Final

from simulator import Fault
from simulator.faults import KINDS, FaultPlan

ARMED: Final = 3
"""How many faults wait for their call at any time."""
FURTHEST: Final = 80
"""Most calls of its endpoint that a fault lets pass. So it strikes anywhere in any rotation."""

ENDPOINTS: Final = ("netsuite.token", "netsuite.restlet", "netsuite.restlet", "openair.token", "openair.api")
"""The RESTlet twice: half of a rotation's calls are its own."""
SECONDS: Final = {"delay": (0.1, 8.0), "drip": (0.005, 0.05), "late": (0.2, 6.0), "stale": (0.2, 4.0)}
"""From barely slow to longer than Keyturn waits for an answer."""
CODES: Final = {
    "netsuite.restlet": ("SSS_TIME_LIMIT_EXCEEDED", "UNEXPECTED_ERROR", "SSS_REQUEST_LIMIT_EXCEEDED"),
    "openair.api": ("414", "556", "965"),
}


class RandomFaults:
    """Keeps some faults armed while `arm` is called."""

    def __init__(self, faults: FaultPlan, random: Random) -> None:
        self._faults = faults
        self._random = random

    def arm(self) -> None:
        """Replace the faults that have struck."""
        missing = ARMED - len(self._faults.pending())
        self._faults.add(*(self._fault() for _ in range(missing)))

    def disarm(self) -> None:
        """Disarm all."""
        self._faults.clear()

    def _fault(self) -> Fault:
        random = self._random
        kind, endpoint = random.choice(list(KINDS)), random.choice(ENDPOINTS)
        return Fault(
            endpoint,
            kind,
            when=random.choice(KINDS[kind].when),
            times=random.choice((1, 1, 1, 2, 3)),
            skip=random.randrange(FURTHEST),
            seconds=random.uniform(*SECONDS.get(kind, (0, 0))),
            code=random.choice(CODES[endpoint]) if kind == "error" and endpoint in CODES else None,
            retry_after=random.choice((None, 1, 3)) if kind in ("503", "throttle") else None,
        )
