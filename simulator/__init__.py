"""NetSuite and OpenAir over real HTTP on loopback, for tests and for trying Keyturn out.

`with Simulator() as sim:` starts both. What is tested against it is what is deployed: it runs the very RESTlet of
`suitescript/`. It imports nothing of Keyturn, so it cannot share its mistakes.
"""

from simulator.credentials import Credentials
from simulator.faults import KINDS, Fault
from simulator.foreground import serve
from simulator.history import Entry
from simulator.simulator import Pair, Simulator

__all__ = ["KINDS", "Credentials", "Entry", "Fault", "Pair", "Simulator", "serve"]
