"""The one place that writes to a terminal: nothing that it writes is obeyed by one, from any source."""

import io
import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.factories import a_rotation

from orchestrator import log, terminal
from orchestrator.cli.live import drawn
from orchestrator.cli.output import Form, Output, View
from orchestrator.cli.progress import progress
from orchestrator.control_characters import visible
from states.next_action import by_hand

EVIL = "\x1b]0;owned\x07\x1b[2K\x1b[1A\r\x08\x7f\x84\x9b31m\u061c\u200e\u202e\u2066\u2028\udc80\U000e0041"
OBEYED = [*EVIL.replace("]0;owned", "").replace("[2K", "").replace("[1A", "").replace("31m", "")]
"""Each character that a terminal, or a person who reads it, would be misled by."""
VIEW = View[str](name=str, record=lambda word: {"word": word}, columns={"WORD": str}, flexible=(), remark=str)
OWN = re.compile(r"\x1b\[[0-9;]*m")
"""What Keyturn itself sends to a terminal."""


Shown = Callable[[Callable[[], object]], str]


class _Terminal(terminal.Stream):
    """A stream that says it is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8", errors="replace", write_through=True)

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture(params=["a terminal", "a pipe"])
def shown(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """Runs something, and returns what it wrote to standard output and error: a terminal, or none."""
    root = logging.getLogger()
    before = root.handlers[:], root.level

    def run(write: Callable[[], object]) -> str:
        stream = _Terminal()
        if request.param == "a pipe":
            monkeypatch.setattr(stream, "isatty", lambda: False)
        monkeypatch.setenv("TERM", "xterm")
        with redirect_stdout(stream), redirect_stderr(stream):
            write()
        return stream.shown()

    yield run
    root.handlers[:], root.level = before


def _fail() -> None:
    raise RuntimeError(EVIL)


def _log(form: str, **extra: str) -> None:
    log.set_up("debug", form)
    logger = logging.getLogger("keyturn.engine")
    try:
        _fail()
    except RuntimeError:
        logger.exception("it says %s", EVIL, extra={"who": EVIL, **extra})


def _uncaught() -> None:
    try:
        _fail()
    except RuntimeError:
        traceback.print_exc()


ERROR = {"code": "X", "message": EVIL, "kept": EVIL, "next_action": by_hand(EVIL, None).to_data(), "exit_code": 5}
WRITERS: dict[str, Callable[[], object]] = {
    "a line": lambda: terminal.write(EVIL),
    "a styled line": lambda: terminal.write(EVIL, style="bold red"),
    "a library that prints": lambda: print(EVIL),  # noqa: T201 - that is the case
    "a library's console": lambda: terminal.lazy_console().print(terminal.rich_text(EVIL)),
    "a traceback": _uncaught,
    "lines": lambda: sys.stdout.writelines([EVIL, EVIL]),
    **{f"a list as {form.value}": lambda form=form: Output(form).list([EVIL], VIEW, empty="") for form in Form},
    **{f"an error as {form.value}": lambda form=form: Output(form).error(ERROR) for form in Form},
    "rows": lambda: Output().show({}, "", [(EVIL, EVIL)]),
    "text": lambda: Output().text(EVIL, label=EVIL, style="bold red"),
    "a word for people": lambda: Output().say(EVIL, style="red"),
    "a note": lambda: Output().note(EVIL),
    "an event": lambda: Output(Form.JSON).event({EVIL: EVIL}, EVIL),
    "the log as text": lambda: _log("text"),
    "the log as JSON": lambda: _log("json"),
    "the log in an outage": lambda: _log("text", imports=EVIL),
    "a live drawing": lambda: terminal.console().print(
        drawn(replace(a_rotation(), connection=EVIL), [], datetime(2026, 11, 24, tzinfo=UTC), EVIL)
    ),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_nothing_written_is_obeyed(shown: Shown, write: Callable[[], object]) -> None:
    """No control, escape or bidirectional character reaches the stream raw, whichever way it is written."""
    written = OWN.sub("", shown(write))
    assert written
    assert [] == [ascii(each) for each in OBEYED if each in written]


def test_json_reads_back_unaltered(shown: Shown) -> None:
    """JSON has the very text, with control characters as escapes of JSON."""
    assert {"reason": EVIL} == json.loads(shown(lambda: Output(Form.JSON).show({"reason": EVIL}, "")))


def test_colours_reach_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Keyturn styles is styled on a terminal."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", stream := _Terminal())
    terminal.write("refused", style="bold red")
    assert "\x1b[1;31mrefused\x1b[0m\n" == stream.shown()


def test_what_is_written_stays_above_a_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a bar is drawn, texts are styled and escaped as ever, whichever stream they are for."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = _Terminal()
    with redirect_stdout(stream), redirect_stderr(stream), progress(Output(), "Asking", 2) as step:
        step()
        terminal.write(f"acme: {EVIL}", style="bold red")
        terminal.write("a record", error=True)
    lines = stream.shown().split("\n")
    assert any("Asking" in line and "1/2" in line for line in lines)
    assert [True] == [line.endswith(f"\x1b[1;31macme: {visible(EVIL)}\x1b[0m") for line in lines if "acme" in line]
    assert [True] == [line.endswith("a record") for line in lines if "a record" in line]
    assert "Asking" not in lines[-1]


def test_a_record_that_cannot_be_written_is_not_printed_as_it_is(shown: Shown) -> None:
    """Where a log record cannot be formatted, its text and arguments are not printed in another way."""
    log.set_up("debug", "text")
    written = shown(lambda: logging.getLogger("keyturn.engine").error("%d secrets", "MIIEvQIBADAN"))
    assert "A record of keyturn.engine could not be written.\n" == written
