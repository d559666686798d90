"""The help: overviews import no command, each command's help is its docstring, and each has examples that parse."""

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from typing import get_args

import pytest
from cyclopts import App

from orchestrator.cli import application, simulator
from simulator.faults import ENDPOINTS, KINDS


@pytest.mark.parametrize(("place", "line"), [(each[1], each[3]) for each in application.COMMANDS])
def test_the_line_of_a_command(place: str, line: str) -> None:
    """In the overview, which imports no command, each has the first line of its own help."""
    module, name = place.split(":")
    command = getattr(import_module(f"orchestrator.cli.{module}"), name)
    assert line == (command.help if isinstance(command, App) else command.__doc__.partition("\n")[0])


def commands(app: App, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    """Yield each command of ``app`` that does something, with its words."""
    for name in app:
        if name.startswith("-"):
            continue
        command = app[name]
        path = (*words, name)
        if command.default_command is not None:
            yield path, command
        yield from commands(command, path)


EVERY = {
    " ".join(words): command for words, command in commands(application.build()) if words != ("--install-completion",)
}


def groups(app: App, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command of ``app`` that has commands below it, and no words for ``app`` itself."""
    below = [name for name in app if not name.startswith("-")]
    if below:
        yield words
    for name in below:
        yield from groups(app[name], (*words, name))


@pytest.mark.parametrize("words", list(groups(application.build())), ids=" ".join)
def test_every_command_has_its_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """In the help of what is above it, each command is listed with its line."""
    monkeypatch.setenv("COLUMNS", "200")
    assert 0 == application.run([*words, "--help"])
    listed = dict(re.findall(r"^│ ([a-z][a-z-]*) +(.*?) *│$", capsys.readouterr().out, re.MULTILINE))
    below = application.build()
    for word in words:
        below = below[word]
    names = [name for name in below if not name.startswith("-")]
    assert dict.fromkeys(names, True) == {name: bool(listed.get(name)) for name in names}


def test_a_commands_help_is_its_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of a command that is imported when it is run is its whole docstring."""
    assert 0 == application.run(["rotation", "restore", "--help"])
    assert "OpenAir is only read." in " ".join(capsys.readouterr().out.split())


def examples(words: str) -> list[str]:
    """The `keyturn …` commands in the examples of a command's help."""
    default = EVERY[words].default_command
    assert default
    block = re.search(r"```\n(.*?)```", default.__doc__ or "", re.DOTALL)
    assert block, f"keyturn {words} --help has no examples"
    return re.findall(r"keyturn [^&|<>\n]*", block[1])


@pytest.mark.parametrize("words", EVERY)
def test_the_examples_parse(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Each example is a command line that Keyturn accepts, and at least one is of this very command."""
    parsed: list[tuple[str, ...]] = []

    def parse(app: App, tokens: tuple[str, ...], _context: object) -> int:
        app.parse_args(tokens)
        parsed.append(tokens)
        return 0

    monkeypatch.setattr(application, "_call", parse)
    lines = [shlex.split(line)[1:] for line in examples(words)]
    assert [0] * len(lines) == [application.run(line) for line in lines]
    assert any(" ".join(tokens).startswith(words) for tokens in parsed)


def test_every_fault_of_the_simulator_can_be_given() -> None:
    """`keyturn simulator fault` knows each kind and each endpoint, though it does without the simulator's package."""
    assert (tuple(KINDS), ENDPOINTS) == (get_args(simulator.Kind), get_args(simulator.Endpoint))
