"""The control API, and the simulator as a command."""

import json
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator import Fault, Simulator
from simulator.certificates import KeyPair

ROOT = Path(__file__).parents[3]


def control(sim: Simulator, method: str, path: str, content: Any = None) -> Any:
    """Call the control API and return the result, or status and error as text."""
    answer = requests.request(method, sim.control_url + path, json=content, timeout=10)
    body = answer.json()
    return body["result"] if answer.ok else f"{answer.status_code}: {body['error']}"


def test_faults_are_armed_listed_and_cleared(sim: Simulator, client: Any) -> None:
    """The control API adds one fault or a list, lists the pending ones, and clears them."""
    control(sim, "POST", "/faults", {"endpoint": "netsuite.restlet", "kind": "500"})
    control(sim, "POST", "/faults", [{"endpoint": "netsuite.restlet", "kind": "502", "times": 2}])
    statuses = [client.call({"action": "report"}).status_code for _ in range(2)]
    left = control(sim, "GET", "/faults")
    control(sim, "DELETE", "/faults")
    assert ([500, 502], [("502", 1)], []) == (
        statuses,
        [(fault["kind"], fault["times"]) for fault in left],
        control(sim, "GET", "/faults"),
    )


def test_the_state_shows_both_systems(sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any) -> None:
    """The state shows both fingerprints and the files that hold a private key."""
    client.ask(make_installation(candidate))
    client.save(candidate.certificate_pem())
    state = control(sim, "GET", "/state")
    assert (candidate.fingerprint, candidate.fingerprint, []) == (
        state["netsuite"]["record"]["fingerprint"],
        state["openair"]["certificate"]["fingerprint"],
        state["netsuite"]["filesWithPrivateKey"],
    )


def test_the_record_and_the_certificate_can_be_set(sim: Simulator, candidate: KeyPair) -> None:
    """The control API changes record and certificate as another party would, and the history shows it."""
    control(sim, "POST", "/netsuite/record", {"state": "missing"})
    control(sim, "POST", "/netsuite/record", {"state": "foreign", "account": "TSTDRV1"})
    control(sim, "POST", "/openair/certificate", {"pem": candidate.certificate_pem()})
    control(sim, "POST", "/openair/certificate", {"pem": None})
    assert ["missing", "foreign", "administrator", "administrator"] == [
        entry["action"] for entry in control(sim, "GET", "/history?endpoint=outside")
    ]


def test_imports_can_be_started_and_stopped(sim: Simulator) -> None:
    """The control API sends one import request, or starts and stops a stream of them."""
    answer = control(sim, "POST", "/imports", {"do": "send"})
    control(sim, "POST", "/imports", {"do": "start", "rate": 50})
    control(sim, "POST", "/imports", {"do": "stop"})
    counts = control(sim, "GET", "/imports")
    assert "Error: No valid certificate available for real-time import" == answer
    assert counts["sent"] == counts["refused"] >= 1


def test_permissions_bundles_clock_and_tokens_can_be_changed(sim: Simulator, client: Any) -> None:
    """The control API changes permissions, bundles and the clock, and revokes tokens."""
    control(sim, "POST", "/netsuite/bundles", {"bundles": []})
    control(sim, "POST", "/clock", {"offset": 60})
    report = client.ask({"action": "report"})
    control(sim, "POST", "/netsuite/permissions", {"permissions": []})
    refused = client.ask({"action": "report"})
    control(sim, "POST", "/tokens/revoke", {})
    assert ([False, False], "NOT_PERMITTED", 401, 60) == (
        [bundle["installed"] for bundle in report["environment"]["bundles"]],
        refused["error"]["code"],
        client.call({"action": "report"}).status_code,
        sim.clock.offset.total_seconds(),
    )


@pytest.mark.parametrize(
    ("method", "path", "content", "expected"),
    [
        ("GET", "/nowhere", None, "404: no such resource"),
        ("POST", "/faults", {"endpoint": "x", "kind": "reset"}, "400: unknown endpoint 'x'"),
        ("POST", "/faults", {"kind": "reset"}, "400: "),
        ("POST", "/faults", ["reset"], "400: a fault is a JSON object"),
        ("POST", "/netsuite/record", {"state": "gone"}, "400: unknown state of the record 'gone'"),
        ("POST", "/netsuite/record", {}, "400: unknown or missing: 'state'"),
        ("POST", "/netsuite/record", [], "400: "),
        ("POST", "/imports", {"do": "dance"}, "400: unknown: 'dance'"),
        ("POST", "/imports", {"do": "start", "rate": 0}, "400: the rate must be above 0"),
        ("POST", "/imports", {"do": "send", "account": "X"}, "400: unknown account 'X'"),
        ("GET", "/state?account=X", None, "400: unknown or missing: 'X'"),
    ],
)
def test_mistakes_are_explained(sim: Simulator, method: str, path: str, content: Any, expected: str) -> None:
    """A wrong request to the control API returns the reason and changes nothing."""
    assert expected == control(sim, method, path, content)[: len(expected)]
    assert [] == sim.faults.pending()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_in_the_foreground(tmp_path: Path, ending: signal.Signals) -> None:
    """`python -m simulator` prints its URLs, writes credentials for its user only, and ends on a signal with 0."""
    directory = tmp_path / "credentials"
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--directory", str(directory), "--accounts", "2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        printed = json.loads(process.stdout.readline())
        known = json.loads((directory / "credentials.json").read_text(encoding="ascii"))
        state = requests.get(printed["control_url"] + "/state?account=TSTDRV2", timeout=10).json()["result"]
        process.send_signal(ending)
        rest = process.stdout.read()
    assert (0, "", printed["netsuite_url"], "TSTDRV2") == (
        process.returncode,
        rest,
        known["netsuite_url"],
        state["account"],
    )
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.iterdir())}
    assert {"credentials": 0o700, "credentials.json": 0o600, "netsuite-key.pem": 0o600, "TSTDRV2": 0o700} == modes
    assert "PRIVATE KEY" not in (directory / "credentials.json").read_text(encoding="ascii")
    assert printed["credentials"]["TSTDRV2"] == str(directory / "TSTDRV2" / "credentials.json")


def cpu_of_children() -> float:
    """Return the CPU seconds of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_starting_and_stopping_is_cheap() -> None:
    """Ten starts and stops take less CPU time than ten bare interpreters."""
    before = cpu_of_children()
    for _ in range(10):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    interpreters = cpu_of_children() - before
    with Simulator():
        pass  # the first start generates the placeholder's RSA key
    began = time.process_time()
    for _ in range(10):
        with Simulator():
            pass
    assert time.process_time() - began < interpreters


def test_stopping_does_not_wait_for_delayed_answers(make_client: Any) -> None:
    """The simulator stops at once while a request is in a delay of an hour."""
    with Simulator() as sim:
        client = make_client(sim.credentials)
        client.sign_in()
        sim.faults.add(Fault("netsuite.restlet", "delay", seconds=3600))
        with pytest.raises(requests.ReadTimeout):
            client.call({"action": "report"}, timeout=0.1)
