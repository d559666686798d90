"""The demo in a browser: a console with a worker and simulated systems, whose faults a visitor sets from a page."""

from collections.abc import Callable, Mapping
from typing import Final

from orchestrator.cli.console import api, listening, server
from orchestrator.cli.context import Context
from orchestrator.cli.demo.environment import Environment
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.signals import stoppable
from simulator import Fault, Simulator

CONNECTIONS: Final = ("acme", "globex", "initech")
_SAVES: Final = ("Add", "Modify")


def _openair(kind: str, code: str | None = None) -> list[Fault]:
    return [Fault("openair.api", kind, action=action, code=code, times=None) for action in _SAVES]


_FAULTS: Final[Mapping[str, Callable[[Simulator], None]]] = {
    "OpenAir refuses the certificate": lambda on: on.faults.add(*_openair("error", "602")),
    "OpenAir is down": lambda on: on.faults.add(*_openair("503")),
    "NetSuite is down": lambda on: on.faults.add(Fault("netsuite.restlet", "503", times=None)),
    "NetSuite takes the certificate, and its answer is lost": lambda on: on.faults.add(
        Fault("netsuite.restlet", "reset", action="install", when="after")
    ),
    "Another party replaces the certificate in NetSuite": lambda on: _each_record(on, "foreign"),
    "Another party deletes the certificate record in NetSuite": lambda on: _each_record(on, "missing"),
}


def _each_record(simulator: Simulator, state: str) -> None:
    for pair in simulator.pairs.values():
        pair.netsuite.record.reset(state)


class DemoFaults:
    """What a visitor can break, by its name on the page."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._set = ""

    @property
    def names(self) -> list[str]:
        """What can be broken."""
        return list(_FAULTS)

    @property
    def now(self) -> str:
        """What was broken last, and not ended; empty where nothing is."""
        return self._set

    def set(self, name: str) -> None:
        """Break this, and nothing else; with an empty name, nothing. Raises KeyError for a name that is none."""
        arm = _FAULTS[name] if name else None
        self._simulator.faults.clear()
        if arm:
            arm(self._simulator)
        self._set = name


def show(context: Context, on: Environment, port: int) -> int:
    """Serve the console until this process is asked to stop; a worker sets the connections up meanwhile."""
    listener = server().listen("127.0.0.1", port)
    stop = on.app.stop_request()
    on.start_worker()
    with stoppable(stop, context.out.note, lambda: Exit.INTERRUPTED):
        ready = listening(context, listener)
        server().serve(on.app, listener, "demo", stop, ready, api=api(), faults=DemoFaults(on.simulator))
    return Exit.FINE
