"""What a command asks before it goes on."""

import io

import pytest

from orchestrator.cli import exit_codes
from orchestrator.cli.context import Context
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Form, Output
from states.errors import Declined, InvalidInput
from states.next_action import Verb


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_an_answer_of_no_is_no_invalid_input(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Nothing is done, as the person wanted, and there is nothing to correct."""
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    with pytest.raises(Declined) as declined:
        Context(Output(Form.TABLE), asks=True).confirm("Go on?")
    assert (Verb.WAIT, Exit.FAILED) == (declined.value.next_action.verb, exit_codes.of(declined.value))


def test_an_answer_of_yes_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does --yes; where no one can be asked, the option is named."""
    monkeypatch.setattr("sys.stdin", io.StringIO("Y\n"))
    Context(Output(Form.TABLE), asks=True).confirm("Go on?")
    Context(Output(Form.TABLE), yes=True).confirm("Go on?")
    with pytest.raises(InvalidInput, match="Go on"):
        Context(Output(Form.TABLE)).confirm("Go on?")
