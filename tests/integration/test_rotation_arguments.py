"""Every command that is given a rotation finds it by its connection's name, and refuses an ambiguous id."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App
from integration.fixture_types import Rotate
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import application
from orchestrator.cli.arguments import AnyRotation, RotationId
from states.ids import new_id


def commands(app: App, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the words and the function of each command that is given a rotation."""
    for name in app:
        if name.startswith("-"):
            continue
        command = app[name]
        function = command.default_command
        if function is not None and "rotation" in inspect.signature(function).parameters:
            yield " ".join((*words, name)), function
        yield from commands(command, (*words, name))


COMMANDS = dict(commands(application.build()))
MORE = {"rotation confirm": ["--fingerprint", "AB"]}
"""The options without which a command line cannot be parsed."""


@pytest.mark.parametrize("words", COMMANDS)
def test_the_argument_is_the_same_everywhere(words: str) -> None:
    """Its help says that a connection's name will do."""
    assert inspect.signature(COMMANDS[words]).parameters["rotation"].annotation in (RotationId, AnyRotation)


@pytest.fixture
def ambiguous(app: Keyturn, rotate: Rotate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two rotations whose ids begin alike, and a folder of its own for a command that makes a file."""
    monkeypatch.chdir(tmp_path)
    moment = app.clock.now()
    monkeypatch.setattr("orchestrator.operations.rotations.new_id", lambda _now, random: new_id(moment, random))
    return [rotate().id, rotate().id]


def stored(app: Keyturn) -> list[tuple[str, int]]:
    return [(each.id, each.version) for each in app.store.rotations.newest()]


def test_an_ambiguous_id_changes_nothing(
    app: Keyturn, ambiguous: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command names both rotations with connection, state and age, and changes neither."""
    before = stored(app)
    for words in COMMANDS:
        assert 0 != application.run([*words.split(), ambiguous[0][:8], *MORE.get(words, []), "--yes"]), words
        said = capsys.readouterr().err
        assert "[NOT_FOUND]" in said, words
        for rotation_id in ambiguous:
            assert f"{rotation_id} ({NAME}, Completed, " in said, words
    assert before == stored(app)


def test_a_connections_name_is_its_newest_rotation(
    app: Keyturn, ambiguous: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Given the name, each command acts on the newest rotation: what it shows or refuses is about that one."""
    newest = ambiguous[-1]
    assert newest == app.rotations.show(NAME).id
    for words in COMMANDS:
        exit_code = application.run([*words.split(), NAME, *MORE.get(words, []), "--yes"])
        said = "".join(capsys.readouterr())
        assert "[NOT_FOUND]" not in said, words
        assert newest in said or exit_code == 0, words
        assert ambiguous[0] not in said, words
