"""How quickly the command line starts, and how much memory a worker at rest takes; beside Python's own start."""

import statistics
import subprocess
import sys
import tempfile
import time
from os import environ
from pathlib import Path

REPEATS = 15
REST = 3.0


def start_ms(command: list[str]) -> float:
    """The median time of a whole process, in milliseconds."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    """Resident memory in MB (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Measure and print."""
    keyturn = str(Path(sys.executable).with_name("keyturn"))
    print("start of a whole process, ms")
    print(f"  python -c pass           {start_ms([sys.executable, '-c', 'pass']):8.0f}")
    print(f"  keyturn --version        {start_ms([keyturn, '--version']):8.0f}   (wanted: below 150)")
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "keyturn.toml"
        settings.touch(mode=0o600)
        env = environ | {"KEYTURN_CONFIG": str(settings), "KEYTURN_DATA": folder}
        subprocess.run([keyturn, "init"], env=env, check=True, capture_output=True)
        worker = subprocess.Popen([keyturn, "worker"], env=env, stderr=subprocess.DEVNULL)
        time.sleep(REST)
        resident = resident_mb(worker)
        worker.terminate()
        worker.wait()
    print("resident memory, MB")
    print(f"  keyturn worker at rest   {resident:8.0f}   (wanted: below 80)")


if __name__ == "__main__":
    main()
