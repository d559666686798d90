"""systemd's units: systemd accepts them, they confine Keyturn, and Keyturn works within what they allow."""

import configparser
import os
import re
import shutil
import subprocess
import sysconfig
import urllib.request
from functools import cache
from pathlib import Path

import pytest
from acceptance.documentation import ROOT
from acceptance.installed_keyturn import NAME, InstalledKeyturn, command
from support.polling import until

from orchestrator.cli import application
from orchestrator.settings import WorkerSettings

UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(each.name for each in UNITS.glob("*.service"))
SYSTEM = Path("/lib/systemd/system")

needs_systemd = pytest.mark.skipif(
    not (shutil.which("systemd-analyze") and shutil.which("strace")) and os.environ.get("REQUIRE") != "all",
    reason="systemd-analyze or strace is missing (Debian: apt-get install systemd strace); REQUIRE=all makes it fail",
)


def systemd_analyze(*words: object) -> subprocess.CompletedProcess[str]:
    run = ["systemd-analyze", "--no-pager", *map(str, words)]
    return subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a machine on which the units and an executable are installed."""
    root = tmp_path_factory.mktemp("machine")
    shutil.copytree(UNITS, root / "etc/systemd/system")
    shutil.copytree(SYSTEM, root / "usr/lib/systemd/system", symlinks=True)
    executable = root / "opt/keyturn/bin/keyturn"
    executable.parent.mkdir(parents=True)
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    return root


@needs_systemd
@pytest.mark.parametrize("unit", [*SERVICES, "keyturn-run-due.timer"])
def test_systemd_accepts_the_unit(machine: Path, unit: str) -> None:
    """No unknown name, no unreadable value, no dependency that is missing."""
    run = systemd_analyze("verify", "--man=no", f"--root={machine}", unit)
    assert (0, "") == (run.returncode, run.stdout + run.stderr)


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES)
def test_the_service_is_confined(machine: Path, unit: str) -> None:
    """Systemd's own judgement of what the service could do to the machine, from 10 (all) to 0: at most 1.5."""
    run = systemd_analyze("security", "--offline=true", f"--root={machine}", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", run.stdout)
    assert found, run.stdout + run.stderr
    assert float(found[1]) <= 1.5, run.stdout


@cache
def calls_of(group: str) -> frozenset[str]:
    """The system calls of one of systemd's groups, such as ``@system-service``."""
    words = [line.strip() for line in systemd_analyze("syscall-filter", group).stdout.splitlines()[1:]]
    calls = (calls_of(word) if word.startswith("@") else {word} for word in words if word and not word.startswith("#"))
    return frozenset().union(*calls)


def allowed() -> frozenset[str]:
    """The system calls that the units allow."""
    text = (UNITS / "keyturn-.service.d" / "10-sandbox.conf").read_text("utf-8")
    calls: frozenset[str] = calls_of("@default")
    for line in re.findall(r"^SystemCallFilter=(.+)$", text, re.MULTILINE):
        named = frozenset().union(*map(calls_of, line.removeprefix("~").split()))
        calls = calls - named if line.startswith("~") else calls | named
    return calls


def made(log: Path) -> set[str]:
    """The system calls in a summary of strace's."""
    names = {line.split()[-1] for line in log.read_text().splitlines()[2:-2]}
    return names - {"fchown"} if os.geteuid() == 0 else names  # SQLite gives a log to the file's owner, as root alone


def traced(log: Path, *options: str) -> list[str]:
    return ["strace", *options, "-f", "-qq", "-c", "-U", "name", "-o", str(log)]


@needs_systemd
def test_a_rotation_needs_only_system_calls_that_are_allowed(connected: InstalledKeyturn, tmp_path: Path) -> None:
    """`run-due` carries a rotation to its end without a call that the units forbid."""
    connected("rotate", NAME, "--detach")
    log = tmp_path / "calls"
    run = [*traced(log), *command("run-due")]
    subprocess.run(run, env=connected.environment, check=True, capture_output=True, timeout=240)
    assert "Completed" == connected.json("rotation", "show", NAME)["state"]
    assert set() == made(log) - allowed()


@needs_systemd
def test_the_console_needs_only_system_calls_that_are_allowed(connected: InstalledKeyturn, tmp_path: Path) -> None:
    """The console serves a page without a call that the units forbid."""
    log = tmp_path / "calls"
    run = [*traced(log, "-D"), *command("console", "--port", "0", "-o", "name")]
    with subprocess.Popen(run, env=connected.environment, stdout=subprocess.PIPE, text=True) as console:
        assert console.stdout
        link = console.stdout.readline().strip()
        with urllib.request.urlopen(link, timeout=60) as page:  # noqa: S310 - loopback
            assert 200 == page.status
        console.terminate()
    assert 0 == console.returncode
    until(lambda: log.exists() and log.read_text())
    assert set() == made(log) - allowed()


@pytest.mark.parametrize("unit", SERVICES)
def test_the_command_of_the_unit(unit: str) -> None:
    """Each unit starts a command that there is, and gives it more time to stop than it takes."""
    file = configparser.ConfigParser(strict=False, interpolation=None)
    file.optionxform = str  # type: ignore[assignment,method-assign]
    file.read(UNITS / unit)
    program, name, *options = file["Service"]["ExecStart"].split()
    assert ("/opt/keyturn/bin/keyturn", []) == (program, options)
    assert name in {each for each, *_ in application.COMMANDS}
    if name != "console":  # it carries nothing
        assert file.getint("Service", "TimeoutStopSec") > WorkerSettings().stop_within


def test_the_units_are_installed_with_keyturn() -> None:
    """An installation has the units of the repository, byte by byte."""
    installed = Path(sysconfig.get_path("data")) / "share" / "keyturn" / "systemd"
    for file in (each for each in UNITS.rglob("*") if each.is_file()):
        assert file.read_bytes() == (installed / file.relative_to(UNITS)).read_bytes()


def test_the_link_that_signs_in_is_not_logged() -> None:
    """The console's standard output, which has nothing but the link, does not go to the journal."""
    assert "StandardOutput=null" in (UNITS / "keyturn-console.service").read_text("utf-8").splitlines()
