"""The commands that run until they are stopped, and the demo."""

import json
import re
import shlex
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from acceptance.installed_keyturn import InstalledKeyturn
from support.console import RunningConsole
from support.polling import WAIT_LIMIT, until

from simulator import Fault, Simulator

MAX_MEMORY = 60 * 1024
"""In KiB, as in /proc. Nearly all of it is imported code, mostly SQLAlchemy and cryptography."""


def test_worker_starts_what_is_due_and_ends_the_outage(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A worker starts the set-up that is due; on SIGTERM between both sides it saves first, and exits with 0."""
    simulator.faults.add(Fault("openair.api", "delay", action="Add", seconds=1.0))
    worker = connected.start("worker", "--threads", "1")
    simulator.history.wait_for(lambda entry: "installed" in entry.effect, seconds=30)
    worker.send_signal(signal.SIGTERM)
    stdout, stderr = worker.communicate(timeout=WAIT_LIMIT)
    assert (0, "") == (worker.returncode, stdout)
    assert "Traceback" not in stderr
    rotation = connected.json("rotation", "list")[0]
    assert (False, "SavedToOpenAir") == (rotation["in_doubt"], rotation["state"])
    assert 0 == connected("run-due").returncode
    assert "Completed" == connected.json("rotation", "list")[0]["state"]


@pytest.mark.parametrize("command", [("worker", "--threads", "1"), ("rotate", "acme"), ("run-due",)])
def test_an_upload_under_way_is_followed_by_the_save(
    connected: InstalledKeyturn, simulator: Simulator, command: tuple[str, ...]
) -> None:
    """Asked to stop while NetSuite installs, every command that carries saves to OpenAir before it exits."""
    simulator.faults.add(Fault("netsuite.restlet", "delay", action="install", seconds=1.0, when="after"))
    running = connected.start(*command)
    simulator.history.wait_for(lambda entry: "installed" in entry.effect, seconds=30)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=WAIT_LIMIT)
    assert (0 if "worker" in command else 130) == running.returncode
    assert "SavedToOpenAir" == connected.json("rotation", "list")[0]["state"]


@pytest.mark.parametrize("signals", [1, 2])
def test_what_is_left_between_both_sides_is_said(
    connected: InstalledKeyturn, simulator: Simulator, signals: int
) -> None:
    """When the bounded time ends, or at a second signal, a worker exits with 3 and logs the outage it leaves."""
    simulator.faults.add(Fault("openair.api", "delay", action="Add", seconds=20.0))
    hurried = replace(connected, environment={**connected.environment, "KEYTURN_WORKER__STOP_WITHIN": f"{signals**5}"})
    worker = hurried.start("worker")
    simulator.history.wait_for(lambda entry: "installed" in entry.effect, seconds=30)
    until(lambda: connected.json("rotation", "list")[0]["state"] == "UploadedToNetSuite")
    worker.send_signal(signal.SIGTERM)
    if signals > 1:
        assert worker.stderr
        while "Press Ctrl-C again" not in worker.stderr.readline():
            assert worker.poll() is None
        worker.send_signal(signal.SIGTERM)
    _, stderr = worker.communicate(timeout=WAIT_LIMIT)
    last = json.loads(stderr.splitlines()[-1])
    rotation = connected.json("rotation", "list")[0]["id"]
    assert (3, "ERROR", rotation) == (worker.returncode, last["level"], last["rotation"])
    assert "stopped in an outage" == last["message"]
    assert last["imports"].startswith("Imports ")
    assert last["command"].startswith("keyturn ")


def test_run_due_waits_during_an_outage(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """During an outage `run-due` waits the five seconds that OpenAir asks for, says so, and completes the rotation."""
    simulator.faults.add(Fault("openair.api", "throttle", action="Add", retry_after=5))
    run = connected("run-due")
    assert (0, True) == (run.returncode, "postponed" in run.stdout)
    assert "Completed" == connected.json("rotation", "list")[0]["state"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory from /proc")
def test_worker_is_small(initialised: InstalledKeyturn) -> None:
    """An idle worker takes less than 60 MiB of memory of its own; how much of its libraries' files is resident besides
    depends on the machine's cache.
    """
    worker = initialised.start("worker")
    try:
        before, now = 0, 1
        while before != now:  # until it has imported everything
            time.sleep(1)
            before, now = now, own_memory(worker.pid)
    finally:
        worker.terminate()
        worker.communicate(timeout=WAIT_LIMIT)
    assert now < MAX_MEMORY


def own_memory(pid: int) -> int:
    """Return the resident memory of a process, without that of files, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))


def test_simulator_prints_how_to_connect(initialised: InstalledKeyturn) -> None:
    """`keyturn simulator` prints a command that connects to it; on SIGTERM it exits with 0."""
    running = initialised.start("simulator", "-o", "json")
    try:
        assert running.stdout
        text = ""
        while not text.endswith("}\n"):
            text += running.stdout.readline()
        printed = json.loads(text)
        line = shlex.split(shlex.join(printed["connect"]))
        assert 0 == initialised(*line[1:]).returncode
        assert 0 == initialised("rotate", line[3]).returncode
    finally:
        running.terminate()
        running.communicate(timeout=WAIT_LIMIT)
    assert 0 == running.returncode


def test_demo(keyturn: InstalledKeyturn, tmp_path: Path) -> None:
    """The demo completes two rotations, although it kills a worker, and leaves no files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    run = keyturn("demo", "-o", "json", TMPDIR=str(temporary), KEYTURN_STORE__URL="sqlite:////nowhere/at/all")
    printed = json.loads(run.stdout)
    assert (0, "", True) == (run.returncode, run.stderr, printed["well"])
    assert ["Completed", "Completed"] == [rotation["state"] for rotation in printed["rotations"]]
    assert printed["killed"]
    assert printed["seconds"] > 0
    assert [] == list(temporary.iterdir())
    before, first, second = printed["imports"]
    assert (0, True, True) == (before["accepted"], before["refused"] > 0, first["accepted"] > 0)
    assert second["refused"] > 0, "imports fail while OpenAir lags behind"
    sentences = [health["sentence"].partition(" until")[0] for health in printed["health"]]
    valid = "Current real-time import certificate is valid"
    assert ["No valid certificate available for real-time import", valid, valid] == sentences


def test_interrupted_demo_leaves_nothing(keyturn: InstalledKeyturn, tmp_path: Path) -> None:
    """On SIGTERM the demo ends its workers and removes its folder."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    running = InstalledKeyturn(keyturn.folder, {**keyturn.environment, "TMPDIR": str(temporary)}).start("demo")
    assert running.stdout
    while "Requested" not in running.stdout.readline():
        assert running.poll() is None
    running.terminate()
    running.communicate(timeout=WAIT_LIMIT)
    assert (130, []) == (running.returncode, list(temporary.iterdir()))


def test_demo_in_a_browser(keyturn: InstalledKeyturn, tmp_path: Path) -> None:
    """In the demo's console a worker sets up three connections; a visitor breaks a rotation, repairs what is broken,
    and resumes it. On SIGTERM nothing is left.
    """
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    demo = InstalledKeyturn(keyturn.folder, {**keyturn.environment, "TMPDIR": str(temporary)}).start(
        "demo", "--console", "-o", "json"
    )
    try:
        assert demo.stdout
        started = json.loads("".join(iter(demo.stdout.readline, "}\n")) + "}")
        console = RunningConsole(started["port"], started["link"])
        with console.http:
            console.http.trust_env = False
            console.sign_in()
            until(lambda: 3 == console.get("/rotations?group=completed").text.count("badge good"))
            assert 303 == console.post("/demo", {"fault": "OpenAir refuses the certificate"}).status_code
            newest = _field(console, "/connections/acme/rotate", "follows")
            fields = {"follows": newest, "reason": "to see it", "on_refusal": "park"}
            rotation = console.post("/connections/acme/rotate", fields).headers["location"]
            until(lambda: "Failed from UploadedToNetSuite" in console.get(rotation).text)
            assert 303 == console.post("/demo", {"fault": ""}).status_code
            fields = {"version": _field(console, f"{rotation}/resume", "version"), "reason": "repaired"}
            assert 303 == console.post(f"{rotation}/resume", fields).status_code
            until(lambda: "Completed in" in console.get(rotation).text)
        demo.terminate()
        demo.communicate(timeout=WAIT_LIMIT)
    finally:
        demo.kill()
        demo.communicate()
    assert (0, []) == (demo.returncode, list(temporary.iterdir()))


def _field(console: RunningConsole, path: str, name: str) -> str:
    """The value of a page's hidden field."""
    found = re.search(f'name="{name}" value="([^"]*)"', console.get(path).text)
    assert found
    return found[1]
