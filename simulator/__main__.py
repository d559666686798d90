"""Runs the simulator in the foreground: `python -m simulator`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from simulator.certificate_record import STATES
from simulator.service import serve
from simulator.simulator import TOKEN_SECONDS


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, serve until a signal arrives, and return the exit code."""
    parser = argparse.ArgumentParser(prog="simulator", description="NetSuite and OpenAir on loopback")
    parser.add_argument(
        "--port", type=int, default=0, help="NetSuite's port; OpenAir and the control API use the next two"
    )
    parser.add_argument("--directory", type=Path, help="where to write the credentials (default: a temporary folder)")
    parser.add_argument("--accounts", type=int, default=1, help="number of account and company pairs")
    parser.add_argument("--record", choices=STATES, default="placeholder")
    parser.add_argument("--token-seconds", type=float, default=TOKEN_SECONDS, help="lifetime of access tokens")
    options = parser.parse_args(argv)
    return serve(
        options.directory,
        port=options.port,
        accounts=options.accounts,
        record=options.record,
        token_seconds=options.token_seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
