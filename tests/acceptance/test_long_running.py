"""Commands that run until they are stopped, and the demo."""

import json
import shlex
import signal
import time
from pathlib import Path

import pytest
from acceptance.installed_keyturn import InstalledKeyturn
from support.polling import WAIT_LIMIT

from simulator import Fault, Simulator

MOST_MEMORY = 80 * 1024
"""In the kilobytes that /proc counts. Nearly all of it is imported code, most of that SQLAlchemy and cryptography."""


def test_worker_starts_what_is_due_and_stops_cleanly(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A worker carries the initial set-up unasked; on SIGTERM it finishes the step in hand and exits with 0."""
    simulator.faults.add(Fault("openair.api", "delay", action="Add", seconds=1.0))
    worker = connected.start("worker", "--threads", "1")
    simulator.history.wait_for(lambda entry: "installed" in entry.effect, seconds=30)
    worker.send_signal(signal.SIGTERM)
    stdout, stderr = worker.communicate(timeout=WAIT_LIMIT)
    assert (0, "") == (worker.returncode, stdout)
    assert "Traceback" not in stderr
    rotation = connected.json("rotation", "list")[0]
    assert (False, True) == (rotation["in_doubt"], rotation["state"] in ("UploadedToNetSuite", "SavedToOpenAir"))
    assert 0 == connected("run-due").returncode
    assert "Completed" == connected.json("rotation", "list")[0]["state"]


def test_a_run_now_and_then_stays_with_an_outage(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """run-due tries a save again by itself after the five seconds that OpenAir asks for, and says what it waits for."""
    simulator.faults.add(Fault("openair.api", "throttle", action="Add", retry_after=5))
    run = connected("run-due")
    assert (0, True) == (run.returncode, "put off" in run.stdout)
    assert "Completed" == connected.json("rotation", "list")[0]["state"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory from /proc")
def test_worker_is_small(home: InstalledKeyturn) -> None:
    """A worker at rest takes less than 80 MB of memory."""
    worker = home.start("worker")
    try:
        seen, now = 0, 1
        while seen != now:  # until it has everything it needs
            time.sleep(1)
            seen, now = now, resident(worker.pid)
    finally:
        worker.terminate()
        worker.communicate(timeout=WAIT_LIMIT)
    assert now < MOST_MEMORY


def resident(pid: int) -> int:
    """Resident memory in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def test_simulator_prints_how_to_connect(home: InstalledKeyturn) -> None:
    """`keyturn simulator` prints a line that connects to it as it stands; SIGTERM ends it with 0."""
    running = home.start("simulator", "-o", "json")
    try:
        assert running.stdout
        text = ""
        while not text.endswith("}\n"):
            text += running.stdout.readline()
        told = json.loads(text)
        line = shlex.split(shlex.join(told["connect"]))
        assert 0 == home(*line[1:]).returncode
        assert 0 == home("rotate", line[3]).returncode
    finally:
        running.terminate()
        running.communicate(timeout=WAIT_LIMIT)
    assert 0 == running.returncode


def test_demo(keyturn: InstalledKeyturn, tmp_path: Path) -> None:
    """The demo shows both rotations in under 20 seconds, a worker killed in between, and leaves nothing behind."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    run = keyturn("demo", "-o", "json", TMPDIR=str(temporary), KEYTURN_STORE__URL="sqlite:////nowhere/at/all")
    told = json.loads(run.stdout)
    assert (0, "", True) == (run.returncode, run.stderr, told["well"])
    assert ["Completed", "Completed"] == [rotation["state"] for rotation in told["rotations"]]
    assert told["killed"]
    assert told["seconds"] < 20
    assert [] == list(temporary.iterdir())
    before, first, second = told["imports"]
    assert (0, True, True) == (before["accepted"], before["refused"] > 0, first["accepted"] > 0)
    assert second["refused"] > 0, "imports fail while OpenAir lags behind"
    sentences = [health["sentence"].partition(" until")[0] for health in told["health"]]
    valid = "Current real-time import certificate is valid"
    assert ["No valid certificate available for real-time import", valid, valid] == sentences


def test_interrupted_demo_leaves_nothing(keyturn: InstalledKeyturn, tmp_path: Path) -> None:
    """SIGTERM in the middle of the demo ends its workers and removes its folder."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    running = InstalledKeyturn(keyturn.folder, {**keyturn.environment, "TMPDIR": str(temporary)}).start("demo")
    assert running.stdout
    while "Requested" not in running.stdout.readline():
        assert running.poll() is None
    running.terminate()
    running.communicate(timeout=WAIT_LIMIT)
    assert (130, []) == (running.returncode, list(temporary.iterdir()))
