"""The manual pages have every command, and are made of roff's own requests."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import man_pages
import pytest
from cyclopts import App

from orchestrator.cli import application

APP = application.build()
PAGES = man_pages.pages(APP, {0: "done", 1: "failed"})
REQUESTS = {".TH", ".SH", ".SS", ".B", ".BR", ".I", ".TP", ".PP", ".br", ".EX", ".EE"}


def commands(app: App, words: str = "") -> Iterator[tuple[str, App]]:
    for name in app:
        if not name.startswith("-"):
            yield f"{words} {name}".strip(), app[name]
            yield from commands(app[name], f"{words} {name}".strip())


def plain(page: str) -> str:
    """The page as it is read, nearly."""
    shown = re.sub(r"\\f[BIR]", "", page)
    for escape, character in ((r"\-", "-"), (r"\(aq", "'"), (r"\(ti", "~"), (r"\e", "\\"), (r"\&", "")):
        shown = shown.replace(escape, character)
    return shown


@pytest.mark.parametrize(("words", "command"), list(commands(APP)))
def test_every_command_is_in_a_page(words: str, command: App) -> None:
    """With its first line, its options and their meaning, and its examples."""
    page = plain(PAGES[f"keyturn-{words.split(maxsplit=1)[0]}.1"])
    assert " ".join(command.help.split("\n\n")[0].split()).rstrip(".") in page
    if command.default_command is None:
        return
    assert f".B keyturn {words}\n" in page
    for argument in command.assemble_argument_collection():
        if argument.show:
            assert ", ".join(argument.names) in page
            assert (argument.parameter.help or "").replace("`", "") in page
    for example in re.findall(r"^ *(keyturn .*)$", command.help, re.MULTILINE):
        assert f"    {example}\n" in page


def test_the_first_page_has_the_others() -> None:
    """`keyturn(1)` lists each page, the global options and the exit codes."""
    page = plain(PAGES["keyturn.1"])
    assert [f"{name}.1" for name in re.findall(r"^\.TP\n\.BR (\S+) \(1\)$", page, re.MULTILINE)] == list(PAGES)[1:]
    assert "--output, -o TEXT" in page
    assert ".B 1\nfailed\n" in page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_known_requests_only(name: str) -> None:
    """No line of text is taken for a request, and an example that is opened is closed."""
    lines = PAGES[name].splitlines()[1:]
    assert set() == {line.split()[0] for line in lines if line.startswith((".", "'"))} - REQUESTS
    assert lines.count(".EX") == lines.count(".EE")
    assert "" not in lines


def test_the_wheel_installs_them() -> None:
    """Next to the command, where man(1) looks for them."""
    installed = Path(sys.prefix, "share", "man", "man1")
    assert set(PAGES) == {file.name for file in installed.glob("keyturn*.1")}
