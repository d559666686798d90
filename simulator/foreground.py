"""Running the simulator in the foreground, for `python -m simulator` and `keyturn simulator`."""

import json
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from simulator.simulator import TOKEN_SECONDS, Simulator

POLL = 0.2
"""Seconds between two looks whether to stop."""


def _say(line: str) -> None:
    """Print a line at once, because whoever started us waits for it."""
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
    """Serve until SIGTERM or SIGINT, then return 0. To be called in the main thread.

    The credentials go to `directory` (mode 0700; the files 0600; of further accounts in a folder each), or where it is
    None to a temporary folder that is removed at the end. When all is ready, `announce` gets one line of JSON with the
    URLs and the path of `credentials.json`. The other arguments are those of `Simulator`.
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
    """Write every account's credentials; returns what a client needs to begin."""
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
