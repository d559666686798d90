"""Standard streams that are closed, full or without a reader: the work is finished, and the exit code is true."""

import os
import shlex
import subprocess
from collections.abc import Iterator

import pytest
from acceptance.installed_keyturn import NAME, InstalledKeyturn, command
from support.polling import WAIT_LIMIT

from simulator import Simulator

ASK = ("needs-rotation", NAME)
LOST = "error: Standard output cannot be written: No space left on device.\n"


def redirected(initialised: InstalledKeyturn, redirection: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `keyturn` with a shell's redirection, such as ``>&-``."""
    return subprocess.run(
        ["bash", "-c", f"exec {shlex.join(command(*arguments))} {redirection}"],
        env=dict(initialised.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_LIMIT,
    )


@pytest.fixture
def no_reader() -> Iterator[int]:
    """A pipe's end whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def run_into(pipe: int, initialised: InstalledKeyturn, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(*arguments),
        env=dict(initialised.environment),
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=subprocess.PIPE,
        check=False,
        timeout=WAIT_LIMIT,
    )


CODES = {"": 2, "<&-": 2, ">&-": 2, "2>&-": 2, "2>/dev/full": 2, "<&- >&- 2>&-": 2, ">/dev/full": 255}


@pytest.mark.parametrize(("redirection", "exit_code"), CODES.items())
def test_an_answer_or_255(connected: InstalledKeyturn, redirection: str, exit_code: int) -> None:
    """`needs-rotation` answers by its exit code with any stream closed, and exits with 255 if stdout is full."""
    assert exit_code == redirected(connected, redirection, *ASK).returncode


def test_an_answer_without_a_reader(connected: InstalledKeyturn, no_reader: int) -> None:
    """An answer that no one reads counts as none."""
    run = run_into(no_reader, connected, *ASK)
    assert (255, b"") == (run.returncode, run.stderr)


@pytest.mark.parametrize(
    "words", [(*ASK, "--bad"), ("--bad", *ASK), ("-o", "nonsense", *ASK), ("--config", "/no", *ASK)]
)
def test_a_wrong_question_has_no_answer(initialised: InstalledKeyturn, words: tuple[str, ...]) -> None:
    """An error in the command line or the settings is 255 too, at any place."""
    assert 255 == initialised(*words).returncode


@pytest.mark.parametrize("words", ["--version", "--help", "diagram"])
def test_a_full_disk_is_one_line(keyturn: InstalledKeyturn, words: str) -> None:
    """If stdout is full, a command says so in one line and exits with 1."""
    run = redirected(keyturn, ">/dev/full", words)
    assert (1, LOST) == (run.returncode, run.stderr)


@pytest.mark.parametrize(("redirection", "exit_code"), {">&-": 0, ">/dev/full": 1, "2>&-": 0, "2>/dev/full": 0}.items())
def test_a_rotation_outlives_its_output(connected: InstalledKeyturn, redirection: str, exit_code: int) -> None:
    """`rotate` completes the rotation although its progress cannot be printed."""
    assert exit_code == redirected(connected, redirection, "rotate", NAME).returncode
    assert ["Completed"] == [rotation["state"] for rotation in connected.json("rotation", "list")]


def test_closed_pipe_is_no_error(initialised: InstalledKeyturn, no_reader: int) -> None:
    """If the reader of stdout is gone, `keyturn` exits with 0 and prints nothing to stderr."""
    run = run_into(no_reader, initialised, "diagram")
    assert (0, b"") == (run.returncode, run.stderr)


def test_a_rotation_outlives_its_reader(connected: InstalledKeyturn, no_reader: int) -> None:
    """`rotate` completes the rotation although the reader of its progress is gone."""
    assert 0 == run_into(no_reader, connected, "rotate", NAME).returncode
    assert "Completed" == connected.json("rotation", "list")[0]["state"]


@pytest.mark.parametrize("words", [("rotate", NAME), ("run-due",)])
def test_an_outcome_without_a_reader(
    connected: InstalledKeyturn, simulator: Simulator, no_reader: int, words: tuple[str, ...]
) -> None:
    """The exit code tells that a rotation was parked, although no one reads the output."""
    simulator.netsuite.record.reset("missing")
    assert 3 == run_into(no_reader, connected, *words).returncode


def test_a_missing_stream_is_not_a_file(connected: InstalledKeyturn) -> None:
    """What is printed is not written into a file that was opened in place of a missing stream."""
    redirected(connected, "<&- >&- 2>&-", "rotate", NAME)
    assert b"Completed in" not in connected.database.read_bytes()
    assert 0 == connected("journal", "verify").returncode
