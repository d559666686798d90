"""The command after the arrow, typed into a shell at a terminal as it is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

from acceptance.consent import consented
from acceptance.installed_keyturn import NAME, InstalledKeyturn, Run, rotate
from support.polling import WAIT_LIMIT

from simulator import Fault, Simulator

ARROW = re.compile(r"^\s*→ (.+)$", re.MULTILINE)
NOTED = re.compile(r"`(keyturn [^`]+)`")


def typed(keyturn: InstalledKeyturn, line: str, given: str = "y") -> Run:
    """Run ``line`` in a shell, and type ``given`` at its first question."""
    keys, keyboard = os.openpty()
    try:
        os.write(keys, f"{given}\n\x04".encode())
        return subprocess.run(
            ["/bin/sh", "-c", line],
            env={**keyturn.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdin=keyboard,
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_LIMIT,
        )
    finally:
        os.close(keys)
        os.close(keyboard)


def arrow(keyturn: InstalledKeyturn, *command: str) -> str:
    """Return what a command prints after its arrow."""
    return str(ARROW.findall(keyturn(*command).stdout)[0])


def test_the_arrow_completes_a_parked_rotation(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A missing record: the command after the arrow creates it, and completes."""
    simulator.netsuite.record.reset("missing")
    assert 3 == rotate(connected).returncode
    done = typed(connected, arrow(connected, "status"))
    assert (0, 0) == (done.returncode, connected("status").returncode), done.stderr


def test_the_arrow_replaces_no_certificate_of_others(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A foreign certificate: the command after the arrow looks again. The one that overwrites is a choice, and asks."""
    simulator.netsuite.record.reset("foreign")
    foreign = simulator.netsuite.record.fingerprint
    assert 3 == rotate(connected).returncode
    looked = typed(connected, arrow(connected, "rotation", "explain", NAME))
    assert (3, foreign) == (looked.returncode, simulator.netsuite.record.fingerprint), looked.stderr
    explained = connected("rotation", "explain", NAME).stdout
    overwrite = next(line for line in NOTED.findall(explained) if line.endswith(" --overwrite"))
    done = typed(connected, overwrite)
    assert (0, 0) == (done.returncode, connected("status").returncode), done.stderr


def test_the_arrow_asks_for_a_consent(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A void refresh token: the command after the arrow gets a new one, and prints what completes the rotation."""
    simulator.faults.add(Fault("openair.token", "error", code="invalid_grant"))
    assert 4 == rotate(connected).returncode
    advised = arrow(connected, "status")
    assert f"keyturn connection authorize {NAME}" == advised
    authorized = consented(connected.environment, *advised.split()[1:])
    following = [typed(connected, line) for line in NOTED.findall(authorized.stderr)]
    assert [3, 0] == [run.returncode for run in following], "the doctor shows the parked rotation; resuming completes"
    assert 0 == connected("status").returncode


def test_the_arrow_ends_an_outage(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """OpenAir refuses the save: the outage is the first line, and the command after the arrow ends it at once."""
    assert 0 == rotate(connected).returncode
    simulator.faults.add(Fault("openair.api", "401", action="Modify", times=None))
    assert 4 == rotate(connected).returncode
    assert connected("status").stdout.startswith(f"{NAME}: Imports are refused since ")
    ended = typed(connected, arrow(connected, "status"))
    assert (0, "project=T") == (ended.returncode, simulator.import_requests.send()), ended.stderr
