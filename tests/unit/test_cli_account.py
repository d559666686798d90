"""A password at the command line: typed twice, or one line of standard input."""

import getpass
import io
from typing import Any

import pytest

from orchestrator.cli import account
from orchestrator.cli.context import Context
from orchestrator.cli.output import Form, Output
from states.errors import InvalidInput

PASSWORD = "correct horse battery"


def typed(monkeypatch: pytest.MonkeyPatch, *answers: str) -> str:
    """What a person's answers give."""
    given = iter(answers)

    def ask(_prompt: str) -> str:
        try:
            return next(given)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(getpass, "getpass", ask)
    return account._password(Context(Output(Form.TABLE), asks=True))


def test_a_password_is_typed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two equal passwords are one; two that differ, or an end of the input, are refused."""
    assert PASSWORD == typed(monkeypatch, PASSWORD, PASSWORD)
    answers: list[tuple[Any, str]] = [((PASSWORD, "x"), "differ"), ((PASSWORD,), "typed"), ((), "typed")]
    for wrong, said in answers:
        with pytest.raises(InvalidInput, match=said) as refused:
            typed(monkeypatch, *wrong)
        assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_password_is_one_line(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Without a terminal one line of standard input is read, with its blanks and without its end."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f" {PASSWORD} {end}"))
    assert f" {PASSWORD} " == account._password(Context(Output(Form.TABLE)))


@pytest.mark.parametrize("empty", ["", "\n", "  \n"])
def test_no_password_is_given(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    """An empty standard input is refused in words."""
    monkeypatch.setattr("sys.stdin", io.StringIO(empty))
    with pytest.raises(InvalidInput, match="standard input"):
        account._password(Context(Output(Form.TABLE)))
