"""`make soak`: see soak.soak. Exits with 1 if there was a violation."""

import argparse
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from soak.soak import soak


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a report


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=None, help="repeats the faults of an earlier run (default: random)")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument(
        "--workers", type=int, default=4, help="number of workers to kill, in addition to the one that is not"
    )
    options = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    _say(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="keyturn-soak-"))
    report = soak(
        folder,
        minutes=options.minutes,
        seed=seed,
        connections=options.connections,
        others=options.workers,
        say=_say,
    )
    for line in report.lines():
        _say(line)
    if report.violations:
        _say(f"database and logs are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
