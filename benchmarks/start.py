"""How quickly commands start, and how much memory an idle worker takes, next to a bare Python."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from figures import median_process, print_figure, print_machine

PYTHON_IDLE = [sys.executable, "-c", "import time; time.sleep(60)"]


def idle_mb(command: list[str], env: Mapping[str, str], rest: float) -> float:
    """The resident memory of a process that was idle for ``rest`` seconds, in MB (Linux)."""
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    try:
        time.sleep(rest)
        status = Path(f"/proc/{process.pid}/status").read_text()
    finally:
        process.terminate()
        process.wait()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repeats", type=int, default=15, help="runs of each, of which the median is printed")
    options.add_argument("--rest", type=float, default=3.0, help="seconds before a worker's memory is read")
    chosen = options.parse_args()
    print_machine()
    keyturn = str(Path(sys.executable).with_name("keyturn"))
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "keyturn.toml"
        settings.touch(mode=0o600)
        env = os.environ | {"KEYTURN_CONFIG": str(settings), "KEYTURN_DATA": folder}
        subprocess.run([keyturn, "init"], env=env, check=True, capture_output=True)
        bare = median_process([sys.executable, "-c", "pass"], chosen.repeats)
        shown = median_process([keyturn, "--version"], chosen.repeats)
        listed = median_process([keyturn, "rotation", "list", "--quiet"], chosen.repeats, env)
        resident = idle_mb([keyturn, "worker"], env, chosen.rest)
        floor = idle_mb(PYTHON_IDLE, env, chosen.rest)
    print("a whole process, ms")
    print_figure("python -c pass (floor)", bare.elapsed, f"user CPU: {bare.cpu:.0f}")
    print_figure("keyturn --version", shown.elapsed, f"wanted: below 150; user CPU: {shown.cpu:.0f}")
    print_figure("keyturn rotation list, empty", listed.elapsed, f"user CPU: {listed.cpu:.0f}; wanted: at most 360")
    print("resident memory when idle, MB")
    print_figure("python (floor)", floor)
    print_figure("keyturn worker", resident, "wanted: below 80")


if __name__ == "__main__":
    main()
