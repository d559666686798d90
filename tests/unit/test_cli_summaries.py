"""The overviews show each command's line without importing it; it is the first line of the command's own help."""

from importlib import import_module

import pytest
from cyclopts import App

from orchestrator.cli import application, recovery, rotation


@pytest.mark.parametrize(("place", "line"), [(each[1], each[3]) for each in application.COMMANDS])
def test_the_line_of_a_command(place: str, line: str) -> None:
    """In the overview of all commands."""
    module, name = place.split(":")
    command = getattr(import_module(f"orchestrator.cli.{module}"), name)
    assert line == (command.help if isinstance(command, App) else command.__doc__.partition("\n")[0])


@pytest.mark.parametrize(("name", "line"), rotation.RECOVERY)
def test_the_line_of_a_verb_of_recovery(name: str, line: str) -> None:
    """In the overview of `keyturn rotation`."""
    assert line == getattr(recovery, name).__doc__.partition("\n")[0]
