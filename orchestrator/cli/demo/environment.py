"""The demo's environment: a folder, simulated systems, a Keyturn of its own, and workers that can be killed."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from orchestrator.bootstrap import Keyturn, start
from orchestrator.secrets import SecretName
from simulator import Credentials, Simulator
from states.connection import Connection, NetSuiteSettings, OpenAirSettings

CONNECTION: Final = "acme"
IMPORTS_A_SECOND: Final = 10
_PREFIX: Final = "KEYTURN_"
_STOP_LIMIT: Final = 5
"""Seconds for a worker to stop cleanly."""


@dataclass
class Environment:
    """What the demo works with."""

    folder: Path
    app: Keyturn
    simulator: Simulator
    environment: Mapping[str, str]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self) -> int:
        """Start `keyturn worker` as a process of its own; return its process id."""
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                # -P: a folder of that name in the current one is not Keyturn.
                [sys.executable, "-P", "-m", "orchestrator.cli", "worker"],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker.pid

    def kill_worker(self) -> int:
        """Kill the latest worker with SIGKILL; return its process id."""
        worker = self.workers[-1]
        worker.kill()
        worker.wait()
        return worker.pid

    def stop_workers(self) -> None:
        """Ask every worker to stop, as systemd does, and wait for it."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(_STOP_LIMIT)
            except subprocess.TimeoutExpired:
                worker.kill()


@contextmanager
def environment(names: Sequence[str] = (CONNECTION,), *, keep: bool) -> Iterator[Environment]:
    """Set everything up in a temporary folder, with a connection of each name; take it down again, and remove the
    folder unless ``keep``.
    """
    with ExitStack() as stack:
        stack.enter_context(_terminable())
        folder = Path(tempfile.mkdtemp(prefix="keyturn-demo-"))
        if not keep:
            stack.enter_context(_removed(folder))
        variables = stack.enter_context(_variables(folder))
        simulator = stack.enter_context(Simulator(accounts=len(names)))
        keyturn = start(level="critical")
        stack.callback(keyturn.close)
        keyturn.installation.initialise()
        for name, pair in zip(names, simulator.pairs.values(), strict=True):
            _connect(keyturn, name, pair.credentials)
        made = Environment(folder, keyturn, simulator, variables)
        stack.callback(made.stop_workers)
        yield made


def _connect(keyturn: Keyturn, name: str, known: Credentials) -> None:
    connection = Connection(
        name=name,
        netsuite=NetSuiteSettings(
            account=known.account,
            client_id=known.client_id,
            certificate_id=known.certificate_id,
            restlet_url=known.netsuite_url,
            token_url=known.netsuite_url,
            assertion_algorithm="ES256",
        ),
        openair=OpenAirSettings(
            url=known.openair_url, client_id=known.openair_client_id, namespace=known.api_namespace
        ),
        bundles={"369630": "4.01", "369637": "5.01"},  # the versions that ship the placeholder
    )
    secrets = {
        SecretName.NETSUITE_KEY: known.private_key_pem,
        SecretName.OPENAIR_API_KEY: known.api_key,
        SecretName.OPENAIR_CLIENT_SECRET: known.openair_client_secret,
        SecretName.OPENAIR_REFRESH_TOKEN: known.refresh_token,
    }
    keyturn.connections.add(connection, secrets, actor="demo")


@contextmanager
def _variables(folder: Path) -> Iterator[Mapping[str, str]]:
    """The demo's own environment variables: without the user's settings, so that no real store is touched."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith(_PREFIX)]:
        del os.environ[name]
    os.environ |= {
        "CONFIGURATION_DIRECTORY": str(folder / "config"),
        "KEYTURN_DATA": str(folder / "data"),
        "KEYTURN_WORKER__POLL": "0.1",
    }
    try:
        yield dict(os.environ)
    finally:
        os.environ.clear()
        os.environ |= before


@contextmanager
def _removed(folder: Path) -> Iterator[None]:
    import shutil  # noqa: PLC0415 - only here

    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and a closed terminal end the demo as SIGINT does, so that no worker and no folder is left behind."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
