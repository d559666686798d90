"""Runs the simulator until a signal ends it, for `python -m simulator` and `keyturn simulator`."""

import json
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from simulator.simulator import TOKEN_SECONDS, Simulator

POLL = 0.2
"""Seconds between two checks for a stop signal."""


def _say(line: str) -> None:
    """Print a line and flush it, because the parent process waits for it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def serve(
    directory: Path | None = None,
    *,
    port: int = 0,
    accounts: int = 1,
    record: str = "placeholder",
    token_seconds: float = TOKEN_SECONDS,
    announce: Callable[[str], None] = _say,
) -> int:
    """Serve until SIGTERM or SIGINT, then return 0. Call it in the main thread.

    Args:
        directory: where to write the credentials (folder mode 0700, files 0600). Accounts after the first get a
            subfolder each. None means a temporary folder, which is removed at the end.
        port: as for `Simulator`.
        accounts: as for `Simulator`.
        record: as for `Simulator`.
        token_seconds: lifetime of the access tokens of both systems.
        announce: gets one line of JSON with the URLs and the paths of `credentials.json` as soon as the servers are
            ready.
    """
    stopping = threading.Event()
    before = {each: signal.signal(each, lambda *_: stopping.set()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        with (
            tempfile.TemporaryDirectory(prefix="keyturn-simulator-") as temporary,
            Simulator(
                accounts=accounts,
                record=record,
                port=port,
                netsuite_token_seconds=token_seconds,
                openair_token_seconds=token_seconds,
            ) as simulator,
        ):
            folder = directory or Path(temporary)
            announce(json.dumps(_written(simulator, folder)))
            while not stopping.wait(POLL):  # a signal that another thread receives does not wake this one
                pass
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    return 0


def _written(simulator: Simulator, folder: Path) -> dict[str, object]:
    """Write the credentials of every account. Returns what a client needs to connect."""
    files = {}
    for account, pair in simulator.pairs.items():
        place = folder if pair is simulator.first else folder / account
        files[account] = str(pair.credentials.write(place))
    return {
        "netsuite_url": simulator.netsuite_url,
        "openair_url": simulator.openair_url,
        "control_url": simulator.control_url,
        "credentials": files,
    }
