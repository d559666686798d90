"""Tables, JSON, names: what goes to stdout and what to stderr. Nothing here is a terminal."""

import json
import sys
from dataclasses import replace

import pytest

from orchestrator.cli.output import Form, Output, View
from states.next_action import by_hand

VIEW = View[str](
    name=str.lower,
    record=lambda word: {"word": word},
    columns={"WORD": str, "LENGTH": lambda word: str(len(word))},
    flexible=("WORD",),
    remark=lambda word: "a long one" if len(word) > 4 else "",
)
NEXT = by_hand("One.\nTwo.", None).to_data()
ERROR = {"code": "NOT_FOUND", "message": "There is none.", "kept": "All.", "next_action": NEXT, "exit_code": 5}

Captured = pytest.CaptureFixture[str]


def test_table(capsys: Captured) -> None:
    """A table has aligned columns without trailing blanks, and a remark below the row it belongs to."""
    Output().list(["Rye", "Barley"], VIEW, empty="")
    assert "WORD    LENGTH\nRye     3\nBarley  6\n    a long one\n" == capsys.readouterr().out


def test_remark_at_a_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is wrapped below its row, and a command in it is not broken: whoever copies it gets it whole."""
    for name, value in {"COLUMNS": "30", "TERM": "dumb", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    Output().list(["Barley"], replace(VIEW, remark=lambda _: "See what it is with `keyturn rotation list`."), empty="")
    expected = ["    See what it is with", "    `keyturn rotation list`."]
    assert expected == capsys.readouterr().out.splitlines()[2:]


def test_json(capsys: Captured) -> None:
    """JSON is an array of the records, also when there are none."""
    out = Output(Form.JSON)
    out.list(["Rye"], VIEW, empty="none")
    first = json.loads(capsys.readouterr().out)
    out.list([], VIEW, empty="none")
    told = capsys.readouterr()
    assert ([{"word": "Rye"}], [], "") == (first, json.loads(told.out), told.err)


def test_names(capsys: Captured) -> None:
    """Names stand one a line, and nothing else is printed."""
    out = Output(Form.NAME)
    out.list(["Rye", "Barley"], VIEW, empty="")
    out.say("for people")
    out.note("for people")
    assert ("rye\nbarley\n", "") == capsys.readouterr()


def test_nothing_to_list_is_told_on_stderr(capsys: Captured) -> None:
    """An empty table leaves stdout empty, for scripts that count lines."""
    Output().list([], VIEW, empty="There are no words.")
    assert ("", "There are no words.\n") == capsys.readouterr()


def test_rows(capsys: Captured) -> None:
    """Labels and values are aligned; a value's further lines stand below its first."""
    Output().show({}, "", [("a", "1"), ("label", "2\n3"), ("", "4")])
    assert "a      1\nlabel  2\n       3\n       4\n" == capsys.readouterr().out


def test_quiet(capsys: Captured) -> None:
    """Quiet leaves results and errors."""
    out = Output(quiet=True)
    out.say("progress")
    out.note("a hint")
    out.show({}, "", [("a", "1")])
    out.error(ERROR)
    assert ("a  1\n", True) == ((told := capsys.readouterr()).out, told.err.startswith("error: "))


def test_error_for_people(capsys: Captured) -> None:
    """An error says what happened, of what, what was kept and what is next, on stderr."""
    Output().error({**ERROR, "rotation": "01JD", "connection": "acme"})
    assert (
        "",
        "error: There is none. [NOT_FOUND]\n   of: rotation 01JD of acme\n kept: All.\n next: One.\n       Two.\n",
    ) == capsys.readouterr()


def test_error_for_scripts(capsys: Captured) -> None:
    """With JSON an error is one object on one line of stderr."""
    Output(Form.JSON).error(ERROR)
    told = capsys.readouterr()
    expected = {**ERROR, "next_action": {**NEXT, "command": None, "text": "One.\nTwo."}}
    assert ("", 1, {"error": expected}) == (told.out, len(told.err.splitlines()), json.loads(told.err))


def test_events_are_json_lines(capsys: Captured) -> None:
    """What comes one after another stands on a line each."""
    out = Output(Form.JSON)
    out.event({"word": "Rye"}, "rye")
    out.event({"word": "Oat"}, "oat")
    assert [{"word": "Rye"}, {"word": "Oat"}] == [json.loads(line) for line in capsys.readouterr().out.splitlines()]
