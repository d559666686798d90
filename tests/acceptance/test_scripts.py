"""What scripts and terminals rely on: streams, output forms, exit codes, few imports."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from acceptance.installed_keyturn import NAME, InstalledKeyturn, command
from support.polling import WAIT_LIMIT

COLOUR = re.compile(r"\x1b\[(?:\d+;)*3[0-7]m|\x1b\[(?:\d+;)*[39][0-7](?:;\d+)*m")


def at_terminal(initialised: InstalledKeyturn, *arguments: object, **environment: str) -> str:
    """Return the output of `keyturn` at a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    variables = {**initialised.environment, "TERM": "xterm-256color", "COLUMNS": "80", **environment}
    running = subprocess.Popen(command(*arguments), env=variables, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    output = b""
    try:
        while chunk := os.read(ours, 65536):
            output += chunk
    except OSError:
        pass  # on Linux: the other end is closed
    finally:
        os.close(ours)
        running.wait(WAIT_LIMIT)
    return output.decode()


ONLY_FOR_WRITING = {
    "alembic",
    "cryptography",
    "jwt",
    "orchestrator.adapters.factory",
    "orchestrator.engine",
    "psycopg",
    "requests",
    "rich",
    "simulator",
    "tenacity",
}
"""What a command that lists rotations does without."""


def imported(*program: str, initialised: InstalledKeyturn | None = None) -> set[str]:
    """Return the modules outside the standard library that Python imports to run ``program``."""
    env = initialised.environment if initialised else None
    timed = [sys.executable, "-X", "importtime", *program]
    run = subprocess.run(timed, env=env, capture_output=True, text=True, check=True, timeout=WAIT_LIMIT)
    names = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time:")}
    return {name for name in names if name.partition(".")[0] not in {*sys.stdlib_module_names, "imported package"}}


def test_version_imports_no_library(keyturn: InstalledKeyturn) -> None:
    """`keyturn --version` imports no library, and of Keyturn only what prepares the standard streams."""
    run = keyturn("--version")
    assert (0, True) == (run.returncode, run.stdout.startswith("keyturn "))
    streams = {"orchestrator.cli.streams", "orchestrator.control_characters", "orchestrator.terminal"}
    assert {"orchestrator", "orchestrator.cli", *streams} == imported(*command("--version")) - imported("-c", "pass")


def test_a_list_imports_no_more_than_it_needs(initialised: InstalledKeyturn) -> None:
    """`keyturn rotation list` imports neither HTTP nor cryptography nor the engine: imports are most of its time."""
    modules = imported(*command("rotation", "list"), initialised=initialised)
    assert "persistence.store" in modules
    assert set() == modules & ONLY_FOR_WRITING


def test_garbage_is_collected_while_a_command_acts(initialised: InstalledKeyturn) -> None:
    """Imports run with the collector off; afterwards it runs, and looks through none of what they made."""
    program = "import gc; from orchestrator.cli import _run; _run(['rotation', 'list']); "
    program += "print(gc.isenabled(), gc.get_freeze_count() > 10_000)"
    command = [sys.executable, "-c", program]
    output = subprocess.check_output(command, env=initialised.environment, text=True, timeout=WAIT_LIMIT)
    assert "True True\n" == output


def test_json_is_alone_on_stdout(connected: InstalledKeyturn) -> None:
    """With -o json stdout is one JSON value, also with --verbose, which logs to stderr."""
    run = connected("-v", "rotate", NAME, "-o", "json")
    assert "Completed" == json.loads(run.stdout)["state"]
    assert "rotation moved" in run.stderr


def test_watch_writes_an_object_for_each_change(connected: InstalledKeyturn) -> None:
    """`rotation watch -o json` writes JSON lines, the last of which is the rotation's end."""
    rotation = connected("rotate", NAME, "-o", "name").stdout.strip()
    lines = connected("rotation", "watch", rotation, "-o", "json").stdout.splitlines()
    assert "Completed" == json.loads(lines[-1])["state"]


def test_names_are_ready_for_a_pipe(connected: InstalledKeyturn) -> None:
    """-o name prints ids only, one on a line; global options may also precede the command."""
    rotation = connected("rotate", NAME, "-o", "name").stdout
    assert rotation == connected("-o", "name", "rotation", "list", "--state", "Completed").stdout
    assert f"{NAME}\n" == connected("connection", "list", "-o", "name").stdout
    empty = connected("rotation", "list", "--state", "Failed", "-o", "name")
    assert ("", "") == (empty.stdout, empty.stderr)


def test_quiet(connected: InstalledKeyturn) -> None:
    """--quiet prints results and errors, without hints and progress."""
    run = connected("--quiet", "rotate", NAME)
    assert (0, "") == (run.returncode, run.stderr)
    assert run.stdout.startswith("fingerprint ")


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_states_tick_at_a_terminal(connected: InstalledKeyturn, no_colour: str) -> None:
    """At a terminal each state gets a tick and its duration; NO_COLOR turns colours off."""
    output = at_terminal(connected, "rotate", NAME, **({"NO_COLOR": no_colour} if no_colour else {}))
    for state in ("Requested", "KeyGenerated", "UploadedToNetSuite", "SavedToOpenAir", "Completed"):
        assert re.search(rf"✓.*{state}", output)
    assert "skew" in output
    assert (not no_colour) is bool(COLOUR.search(output))


def test_a_terminal_without_unicode(connected: InstalledKeyturn) -> None:
    """A terminal without Unicode gets other characters instead of ticks."""
    run = connected("doctor", PYTHONIOENCODING="ascii")
    assert 0 == run.returncode
    assert "? vault: opens" in run.stdout


def test_completion(keyturn: InstalledKeyturn, tmp_path: Path) -> None:
    """`--install-completion` writes a script that completes commands and states."""
    initialised = tmp_path / "user"
    initialised.mkdir()
    assert 0 == keyturn("--install-completion", "--shell", "bash", HOME=str(initialised)).returncode
    script = initialised / ".local/share/bash-completion/completions/keyturn"
    words = f"source {script}; COMP_WORDS=(keyturn rotation list --state Up); COMP_CWORD=4; _keyturn; echo $COMPREPLY"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True, timeout=WAIT_LIMIT)
    assert "UploadedToNetSuite" == done.stdout.strip()
