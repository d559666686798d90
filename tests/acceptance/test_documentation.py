"""Every command in README and docs can be run as shown."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests
from acceptance.documentation import ROOT, Command, Step, commands, steps
from acceptance.installed_keyturn import InstalledKeyturn
from cyclopts import App, MissingArgumentError
from support.polling import WAIT_LIMIT

from orchestrator.cli import application
from orchestrator.cli.context import Context

SHOWN = commands()
ROTATION_ID = re.compile(r"\b01M[0-9A-Z]{3,}…?")
ERROR_CODE = re.compile(r"\[([A-Z][A-Z_]+)\]")


def commands_of(name: str) -> list[Command]:
    found = [command for command in SHOWN if command.words[0] == name]
    assert found
    return found


@pytest.mark.parametrize("command", commands_of("keyturn"), ids=str)
def test_keyturn_commands_parse(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real application accepts each `keyturn` command: its verbs, its options and their values."""

    def parse(app: App, tokens: list[str], context: Context) -> int:
        del context
        try:
            app.parse_args(tokens)
        except MissingArgumentError:
            if command.is_whole:
                raise
        return 0

    monkeypatch.setattr(application, "_call", parse)
    assert 0 == application.run(command.words[1:]), capsys.readouterr().err


@pytest.mark.parametrize("command", commands_of("make"), ids=str)
def test_make_targets_exist(command: Command) -> None:
    """The Makefile has a rule for each target."""
    run = subprocess.run(
        ["make", "--dry-run", *command.words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 0 == run.returncode, run.stderr


@pytest.mark.parametrize("command", commands_of("python"), ids=str)
def test_scripts_know_their_options(command: Command) -> None:
    """Each script exists, and its help lists the options that the page shows."""
    script, *arguments = command.words[1:]
    run = subprocess.run(
        [sys.executable, ROOT / script, "--help"], capture_output=True, text=True, check=True, timeout=WAIT_LIMIT
    )
    assert [] == [option for option in arguments if option.startswith("--") and option not in run.stdout]


@pytest.mark.parametrize("command", commands_of("pytest"), ids=str)
def test_folders_of_tests_exist(command: Command) -> None:
    """Each path that pytest is given exists."""
    assert all((ROOT / path).exists() for path in command.words[1:])


class Reader:
    """Runs the commands of a page with the addresses and ids of this run."""

    def __init__(self, keyturn: InstalledKeyturn) -> None:
        self._keyturn = keyturn
        self._simulator: subprocess.Popen[str] | None = None
        self._control = ""
        self._addition: list[str] = []

    def follow(self, step: Step) -> str:
        """Run one step and return its output."""
        words = [word.replace("$control", self._control) for word in shlex.split(step.typed)]
        if words == ["keyturn", "simulator"]:
            return self._start_simulator()
        if words[0] == "curl":
            _, _, method, url, _, data = words
            form = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl sends it
            answer = requests.request(method, url, data=data, headers=form, timeout=WAIT_LIMIT)
            answer.raise_for_status()
            return answer.text
        assert "keyturn" == words[0], step.typed
        if words[1:3] == ["connection", "add"]:
            words = self._addition
        if ROTATION_ID.search(step.typed):
            newest = self._keyturn.json("rotation", "list")[0]["id"]
            words = [ROTATION_ID.sub(newest, word) for word in words]
        if any("[y/N] y" in line for line in step.output):
            words.append("--yes")
        run = self._keyturn(*words[1:])
        return run.stdout + run.stderr

    def _start_simulator(self) -> str:
        self._simulator = self._keyturn.start("simulator")
        assert self._simulator.stdout
        lines = []
        for line in self._simulator.stdout:
            lines.append(line)
            if line.startswith("control"):
                self._control = line.split()[1]
            if line.startswith("keyturn connection add"):
                self._addition = shlex.split(line)
                break
        return "".join(lines)

    def leave(self) -> None:
        if self._simulator:
            self._simulator.terminate()
            self._simulator.communicate(timeout=WAIT_LIMIT)


@pytest.fixture
def reader(keyturn: InstalledKeyturn) -> Iterator[Reader]:
    """A reader with nothing set up."""
    typing = Reader(keyturn)
    yield typing
    typing.leave()


def test_readme_and_tutorial_work(reader: Reader) -> None:
    """The commands of README and tutorial, run in order, complete or fail as shown."""
    for step in [*steps(ROOT / "README.md"), *steps(ROOT / "docs/tutorial/first-rotation.md")]:
        printed = reader.follow(step)
        shown = "\n".join(step.output)
        assert set(ERROR_CODE.findall(shown)) <= set(ERROR_CODE.findall(printed)), (step.typed, printed)
        assert ("Completed in" in shown) <= ("Completed in" in printed), (step.typed, printed)
