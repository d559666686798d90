"""NetSuite and OpenAir over real HTTP on loopback, for tests and for trying Keyturn out.

`with Simulator() as simulator:` starts both. The simulator runs the RESTlet of `suitescript/` itself, so tests exercise
the script that is deployed. It imports no Keyturn code, so the two cannot share a bug.
"""

from simulator.credentials import Credentials
from simulator.faults import KINDS, Fault
from simulator.history import Entry
from simulator.service import serve
from simulator.simulator import Pair, Simulator

__all__ = ["KINDS", "Credentials", "Entry", "Fault", "Pair", "Simulator", "serve"]
