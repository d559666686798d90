"""Renders manual pages from what the help is rendered from: the commands, their docstrings and their options.

One page for `keyturn`, and one for each of its commands, with the commands below it. The macros are those of man(7).
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import groupby
from typing import Final

from cyclopts import App
from cyclopts.argument import Argument

_NOTE: Final = '.\\" Generated from orchestrator/cli/ by "make generate". Edit that, not this.\n'
_CODE: Final = re.compile(r"`([^`]+)`")
_LEADING: Final = re.compile(r"^\.", re.MULTILINE)
"""A line that begins so is a request to roff."""


def pages(app: App, exit_codes: Mapping[int, str]) -> dict[str, str]:
    """Return every page by its file's name.

    Args:
        app: The application, none of whose commands has a help of its own besides its docstring.
        exit_codes: What each exit code means.

    """
    shown = {f"keyturn-{name}.1": _page(name, app[name]) for name in _names(app)}
    return {"keyturn.1": _overview(app, exit_codes), **shown}


def _names(app: App) -> list[str]:
    return [name for name in app if not name.startswith("-")]


def _overview(app: App, exit_codes: Mapping[int, str]) -> str:
    names = _names(app)
    lines = [*_head("keyturn", app.help), ".B keyturn", "\\fICOMMAND\\fR [\\fIOPTIONS\\fR]"]
    lines += [".SH DESCRIPTION", _text(app.help), ".SH COMMANDS"]
    for name in names:
        lines += [".TP", f".BR keyturn\\-{_text(name)} (1)", _text(_summary(app[name].help))]
    lines += [".SH GLOBAL OPTIONS", *_options(app.meta)]
    for option in (name for name in app if name.startswith("--install")):
        lines += [".TP", f".B {_text(option)}", _text(_summary(app[option].help))]
    lines += [".SH EXIT STATUS"]
    for code, meaning in exit_codes.items():
        lines += [".TP", f".B {code}", _text(meaning)]
    lines += [".PP", _text("`keyturn needs-rotation` has exit codes of its own: see its page.")]
    also = "\n".join(f".BR keyturn\\-{_text(name)} (1){',' if name != names[-1] else ''}" for name in names)
    return _page_of([*lines, ".SH SEE ALSO", also])


def _page(name: str, command: App) -> str:
    words = f"keyturn {name}"
    below = list(_below(words, command))
    lines = [*_head(words.replace(" ", "-"), command.help)]
    lines += _separated([_usage(each, of) for each, of in below])
    if below[0][1] is command and len(below) == 1:
        lines += [".SH DESCRIPTION", *_description(command.help)]
        lines += _section(".SH OPTIONS", command)
    else:
        lines += [".SH DESCRIPTION", _text(_summary(command.help)), ".SH COMMANDS"]
        for each, of in below:
            lines += [f'.SS "{_text(each)}"', *_description(of.help), *_section(".PP", of)]
    lines += [".SH SEE ALSO", ".BR keyturn (1),", "which has the options of every command and the exit codes"]
    return _page_of(lines)


def _below(words: str, command: App) -> Iterator[tuple[str, App]]:
    """Yield the command, if it does something, and those below it, each with its words."""
    if command.default_command is not None:
        yield words, command
    for name in _names(command):
        yield from _below(f"{words} {name}", command[name])


def _head(name: str, help_text: str) -> list[str]:
    title = _text(name)
    return [
        f'.TH "{title.upper()}" 1 "" "Keyturn" "Keyturn Manual"',
        ".SH NAME",
        f"{title} \\- {_text(_summary(help_text).rstrip('.'))}",
        ".SH SYNOPSIS",
    ]


def _usage(words: str, command: App) -> list[str]:
    arguments = _arguments(command)
    shown = [_name(each) if each.required else f"[{_name(each)}]" for each in arguments if _is_positional(each)]
    shown += [_name(each) for each in arguments if not _is_positional(each) and each.required]
    if any(not _is_positional(each) and not each.required for each in arguments):
        shown.append("[\\fIOPTIONS\\fR]")
    return [f".B {_text(words)}", " ".join(shown)]


def _arguments(command: App) -> list[Argument]:
    return [each for each in command.assemble_argument_collection() if each.show]


def _is_positional(argument: Argument) -> bool:
    return not argument.names[0].startswith("-")


def _separated(usages: list[list[str]]) -> list[str]:
    lines: list[str] = []
    for usage in usages:
        lines += [*([".br"] if lines else []), *(line for line in usage if line)]
    return lines


def _section(heading: str, command: App) -> list[str]:
    options = _options(command)
    return [heading, *options] if options else []


def _options(command: App) -> list[str]:
    lines: list[str] = []
    for group, arguments in groupby(_arguments(command), key=lambda each: each.parameter.group[0]):
        title = str(group.name)
        if title not in ("Arguments", "Parameters", "Global options"):
            lines += [".PP", f".I {_text(title)}"]
        for argument in arguments:
            lines += [".TP", _name(argument), _text(_meaning(argument))]
    return lines


def _name(argument: Argument) -> str:
    if _is_positional(argument):
        return f"\\fI{_text(argument.names[0])}\\fR"
    names = ", ".join(f"\\fB{_text(name)}\\fR" for name in argument.names)
    return names if argument.is_flag() else f"{names} \\fI{_value(argument)}\\fR"


def _value(argument: Argument) -> str:
    if argument.get_choices():
        return "CHOICE"
    hint = str(argument.hint)
    return next(
        (name for part, name in (("Path", "FILE"), ("int", "NUMBER"), ("float", "NUMBER")) if part in hint), "TEXT"
    )


def _meaning(argument: Argument) -> str:
    choices, default = argument.get_choices(), argument.field_info.default
    text = argument.parameter.help or ""
    if choices:
        text += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    is_shown = argument.show_default and not (default is inspect.Parameter.empty or default in (None, "", False))
    if is_shown:
        text += f" Default: `{default.value if isinstance(default, Enum) else default}`."
    return text


def _summary(help_text: str) -> str:
    return " ".join(inspect.cleandoc(help_text).partition("\n\n")[0].split())


def _description(help_text: str) -> list[str]:
    """The paragraphs and examples of a docstring."""
    lines: list[str] = []
    for place, part in enumerate(inspect.cleandoc(help_text).split("```")):
        if place % 2:
            example = _escaped(part.strip("\n"))
            lines += [".PP", ".EX", *(f"    {line}" for line in example.splitlines()), ".EE"]
            continue
        for paragraph in filter(None, (" ".join(each.split()) for each in part.split("\n\n"))):
            lines += [".PP", _text(paragraph)]
    return lines[1:]


def _text(text: str) -> str:
    """Text with `code` in bold."""
    return _LEADING.sub(r"\\&.", _CODE.sub(lambda found: f"\\fB{found[1]}\\fR", _escaped(text)))


def _escaped(text: str) -> str:
    """Text in which a character is shown as it is typed: roff would print other hyphens and quotation marks."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("~", "\\(ti")


def _page_of(lines: list[str]) -> str:
    return _NOTE + "\n".join(lines) + "\n"
