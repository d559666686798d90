"""Tables, JSON and names: what is printed to stdout and what to stderr. Neither is a terminal here."""

import io
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
import yaml

from orchestrator.cli import application
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.json_path import template
from orchestrator.cli.output import Form, Output, View
from orchestrator.cli.pages import PAGE
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
    """A table has aligned columns without trailing blanks, and a remark below its row."""
    Output().list(["Rye", "Barley"], VIEW, empty="")
    assert "WORD    LENGTH\nRye     3\nBarley  6\n    a long one\n" == capsys.readouterr().out


def test_remark_at_a_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A remark is wrapped, but a command in it stays on one line, so that you can copy it."""
    for name, value in {"COLUMNS": "30", "TERM": "dumb", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    Output().list(["Barley"], replace(VIEW, remark=lambda _: "See what it is with `keyturn rotation list`."), empty="")
    expected = ["    See what it is with", "    `keyturn rotation list`."]
    assert expected == capsys.readouterr().out.splitlines()[2:]


def test_a_narrow_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a table is too wide, the widest flexible column is shortened, visibly; the others are whole."""
    for name, value in {"COLUMNS": "40", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    columns = {
        "NAME": str,
        "STATE": lambda _: "Failed, outage",
        "URL": lambda word: f"https://{word}.app.openair.com",
    }
    view = View[str](name=str, record=lambda word: {"word": word}, columns=columns, flexible=("NAME", "URL"))
    Output().list(["barley", "rye"], view, empty="")
    expected = [
        "NAME    STATE           URL",
        "barley  Failed, outage  https://barley.…",
        "rye     Failed, outage  https://rye.app…",
    ]
    shown = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)
    assert expected == [line.rstrip() for line in shown.splitlines()]


def test_an_id_is_never_cut(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where shortening does not do, the last columns are left out: the first one, which names the thing, is whole."""
    for name, value in {"COLUMNS": "60", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    columns = {
        "ROTATION": lambda _: "01M8556XYDG7FVQH8A1R3B0N6K",
        "CONNECTION": str,
        "STATE": lambda _: "UploadedToNetSuite",
        "AGE": lambda _: "12 min",
        "WHO": str,
    }
    view = View[str](name=str, record=lambda _: {}, columns=columns, flexible=("CONNECTION", "WHO"))
    Output().list(["barley-production"], view, empty="")
    shown = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)
    assert [
        "ROTATION                    CONNECTION    STATE",
        "01M8556XYDG7FVQH8A1R3B0N6K  barley-prod…  UploadedToNetSuite",
    ] == [line.rstrip() for line in shown.splitlines()]


def test_json(capsys: Captured) -> None:
    """JSON output is an array of the records, also an empty one."""
    out = Output(Form.JSON)
    out.list(["Rye"], VIEW, empty="none")
    first = json.loads(capsys.readouterr().out)
    out.list([], VIEW, empty="none")
    printed = capsys.readouterr()
    assert ([{"word": "Rye"}], [], "") == (first, json.loads(printed.out), printed.err)


def test_a_long_list_is_printed_page_by_page(capsys: Captured) -> None:
    """In each form it reads as the whole, and what was printed is not kept: the first pages come before the last."""
    words = [f"{number:04}" for number in range(2 * PAGE + 1)]

    def late() -> Iterator[str]:
        yield from words[:-1]
        printed.append(capsys.readouterr().out)
        assert words[0] in printed[0]
        yield words[-1]

    reads = {Form.JSON: json.loads, Form.YAML: yaml.safe_load, Form.NAME: str.splitlines}
    for form, read in reads.items():
        printed: list[str] = []
        assert len(words) == Output(form).list(late(), VIEW, empty="")
        found = read(printed[0] + capsys.readouterr().out)
        assert words == [each if form is Form.NAME else each["word"] for each in found]
    Output().list(words, VIEW, empty="")
    assert ["WORD", *words] == [line.split()[0] for line in capsys.readouterr().out.splitlines()]


def test_yaml(capsys: Captured) -> None:
    """YAML output is a list of the records, one thing an object, and of several in a row each a document."""
    out = Output(Form.YAML)
    out.list(["Rye"], VIEW, empty="none")
    out.list([], VIEW, empty="none")
    out.show({"word": "Rye"}, "rye")
    out.event({"word": "Rye"}, "rye")
    out.note("for people")
    assert ("- word: Rye\n[]\nword: Rye\n---\nword: Rye\n", "") == capsys.readouterr()
    out.error(ERROR)
    assert capsys.readouterr().err.startswith("error:\n  code: NOT_FOUND\n  message: There is none.\n")


def test_json_path(capsys: Captured) -> None:
    """A template sees what JSON output has, the commands of next actions too; a control character is escaped."""
    out = Output(Form.JSONPATH, template=template('{range [*]}{.word}{"\\n"}{end}'))
    out.list(["Rye", "Bar\x1bley"], VIEW, empty="none")
    Output(Form.JSONPATH, template=template("{.next_action.text}")).show({"next_action": NEXT}, "")
    assert ("Rye\nBar\\x1bley\nOne.\nTwo.\n", "") == capsys.readouterr()
    out.error(ERROR)
    assert capsys.readouterr().err.startswith("error: There is none. [NOT_FOUND]\n")


def test_a_wide_table(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide table has further columns, and shortens none at a terminal either."""
    wide = replace(VIEW, wide={"FIRST": lambda word: word[:1], "AGAIN": lambda word: word * 20}, remark=lambda _: "")
    Output(Form.WIDE).list(["Rye"], wide, empty="")
    assert f"WORD  LENGTH  FIRST  AGAIN\nRye   3       R      {'Rye' * 20}\n" == capsys.readouterr().out
    for name, value in {"COLUMNS": "30", "TERM": "dumb", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    Output(Form.WIDE).list(["Rye"], wide, empty="")
    assert "Rye" * 20 == capsys.readouterr().out.splitlines()[1].split()[-1]


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("xml", "Choose one of table, wide, json, yaml, name, or jsonpath=TEMPLATE."),
        ("jsonpath", "Choose one of"),
        ("jsonpath=", "Choose one of"),
        ("json=a", "Choose one of"),
        ("jsonpath={.id", "A brace has no partner"),
    ],
)
def test_a_form_that_is_none(capsys: Captured, form: str, why: str) -> None:
    """It is refused as a mistake of usage, before the command begins."""
    assert Exit.USAGE == application.run(["version", "-o", form])
    assert why in capsys.readouterr().err


def test_names(capsys: Captured) -> None:
    """Names are printed one on a line, and nothing else is printed."""
    out = Output(Form.NAME)
    out.list(["Rye", "Barley"], VIEW, empty="")
    out.say("for people")
    out.note("for people")
    assert ("rye\nbarley\n", "") == capsys.readouterr()


def test_empty_list_is_reported_on_stderr(capsys: Captured) -> None:
    """An empty table prints nothing to stdout, for scripts that count lines."""
    Output().list([], VIEW, empty="There are no words.")
    assert ("", "There are no words.\n") == capsys.readouterr()


def test_rows(capsys: Captured) -> None:
    """Labels and values are aligned; the further lines of a value are below its first line."""
    Output().show({}, "", [("a", "1"), ("label", "2\n3"), ("", "4")])
    assert "a      1\nlabel  2\n       3\n       4\n" == capsys.readouterr().out


def test_quiet(capsys: Captured) -> None:
    """Quiet output has results and errors only."""
    out = Output(quiet=True)
    out.say("progress")
    out.note("a hint")
    out.show({}, "", [("a", "1")])
    out.error(ERROR)
    assert ("a  1\n", True) == ((printed := capsys.readouterr()).out, printed.err.startswith("error: "))


def test_error_for_people(capsys: Captured) -> None:
    """An error says on stderr what happened, to which rotation, what was kept, and what to do next."""
    Output().error({**ERROR, "rotation": "01JD", "connection": "acme"})
    assert (
        "",
        "error: There is none. [NOT_FOUND]\n   of: rotation 01JD of acme\n kept: All.\n next: One.\n       Two.\n",
    ) == capsys.readouterr()


def test_error_for_scripts(capsys: Captured) -> None:
    """In JSON output an error is one object on one line of stderr."""
    Output(Form.JSON).error(ERROR)
    printed = capsys.readouterr()
    expected = {**ERROR, "next_action": {**NEXT, "command": None, "text": "One.\nTwo."}}
    assert ("", 1, {"error": expected}) == (printed.out, len(printed.err.splitlines()), json.loads(printed.err))


def test_events_are_json_lines(capsys: Captured) -> None:
    """In JSON output each event is one line."""
    out = Output(Form.JSON)
    out.event({"word": "Rye"}, "rye")
    out.event({"word": "Oat"}, "oat")
    assert [{"word": "Rye"}, {"word": "Oat"}] == [json.loads(line) for line in capsys.readouterr().out.splitlines()]


HOSTILE = "a\x1b]0;title\x07\r\u202e\x9b31m\x7f\tz"
SHOWN = r"a\x1b]0;title\x07\r\u202e\x9b31m\x7f z"


@pytest.mark.parametrize("is_terminal", [False, True])
def test_control_characters_are_escaped(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool
) -> None:
    """Control characters that another system or a person wrote are shown, and reach no terminal or pipe."""
    for name, value in {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    out = Output()
    out.list([HOSTILE], replace(VIEW, name=str, remark=str), empty="")
    out.show({}, "", [(HOSTILE, HOSTILE)])
    out.text(HOSTILE, label="- ", style="bold red")
    out.say(HOSTILE)
    out.note(HOSTILE)
    out.error({**ERROR, "message": HOSTILE, "kept": HOSTILE})
    printed = capsys.readouterr()
    assert (6, 3) == (printed.out.count(SHOWN), printed.err.count(SHOWN))
    assert "" == "".join(letter for letter in printed.out + printed.err if not letter.isprintable() and letter != "\n")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "iso-8859-1"])
def test_json_reads_back_unaltered(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """JSON is UTF-8, or escaped where the stream is not, with control characters escaped always."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding, errors="replace"))
    text = "Prüfung ✓ \ud800" + HOSTILE
    Output(Form.JSON).show({"reason": text}, "")
    written = raw.getvalue().decode()
    assert text == json.loads(written)["reason"]
    assert set() == set(written) & set("\x1b\x07\r\u202e\x9b\x7f")
    assert ("✓" in written) is (encoding == "utf-8")
