"""What a command prints: a table for people, JSON or names for scripts. Data on stdout, everything else on stderr."""

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TextIO, TypeVar

from orchestrator.cli import next_actions
from orchestrator.control_characters import escape_json, visible
from orchestrator.views.values import Json

T = TypeVar("T")
Rows = Sequence[tuple[str, str]]
"""Labels and what they say."""


class Form(StrEnum):
    """How a command prints."""

    TABLE = "table"
    JSON = "json"
    NAME = "name"


@dataclass(frozen=True)
class View(Generic[T]):
    """How one kind of thing is shown in each form."""

    name: Callable[[T], str]
    record: Callable[[T], Json]
    columns: Mapping[str, Callable[[T], str]]
    """The table's headings, and the cell below each."""
    flexible: Sequence[str]
    """The headings of the columns that are shortened where the terminal is too narrow."""
    remark: Callable[[T], str] = lambda _thing: ""
    """A line below the row, where there is more to say."""


STYLES: Final = {
    "Completed": "green",
    "Failed, outage": "bold white on red",
    "Failed, parked": "bold yellow",
    "Failed, abandoned": "dim",
    "Failed, restored": "dim",
    "Failed, adopted": "dim",
    "UploadedToNetSuite": "bold red",
    "parked": "bold yellow",
    "imports refused": "bold white on red",
    "ok": "green",
    "FAILED": "bold red",
}
"""The styles of cells on a terminal, by their text."""

_GAP: Final = "  "
_INDENT: Final = "    "
_COMMAND: Final = re.compile(r"`[^`]*`")
_GLUE: Final = "\0"
"""Replaces a space at which a line must not be broken."""


class Output:
    """Prints one command's results in the form that was asked for."""

    def __init__(self, form: Form = Form.TABLE, *, quiet: bool = False) -> None:
        self.form = form
        self.quiet = quiet

    # --- results

    def list(self, things: Sequence[T], view: View[T], *, empty: str) -> None:
        """Print several things: a table, a JSON array, or a name a line. ``empty`` is said on stderr for none."""
        if self.form is Form.JSON:
            _json([view.record(thing) for thing in things])
        elif self.form is Form.NAME:
            _print("\n".join(view.name(thing) for thing in things))
        elif things:
            _table(things, view)
        else:
            self.note(empty)

    def show(self, record: Json | Sequence[Json], name: str, rows: Rows = ()) -> None:
        """Print one thing: labels and values, a JSON object (of several an array), or its name."""
        if self.form is Form.JSON:
            _json(record)
        elif self.form is Form.NAME:
            _print(name)
        else:
            self.rows(rows)

    def event(self, record: Json, name: str) -> None:
        """Print one thing of many that come one after another, each on a line of its own: as JSON, or its name."""
        _print(_as_json(next_actions.with_commands(record)) if self.form is Form.JSON else name)

    def text(self, text: str, *, label: str = "", style: str = "") -> None:
        """Print ``text`` in any form, its further lines indented like its first; nothing when it is empty."""
        for place, line in enumerate(visible(text).splitlines()):
            words = line.lstrip(" ")
            before = label if place == 0 else " " * len(label)
            _styled(_wrapped(words, before + " " * (len(line) - len(words))), style)

    # --- for people only

    @property
    def is_for_people(self) -> bool:
        """Whether a person reads the output, not a script."""
        return self.form is Form.TABLE

    @property
    def is_live(self) -> bool:
        """Whether what was printed may be drawn over: a person at a terminal."""
        return self.is_for_people and not self.quiet and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def say(self, text: str = "", *, style: str = "") -> None:
        """Print a line for people on stdout; nothing when quiet or in the other forms."""
        if self.is_for_people and not self.quiet:
            _styled(text, style)

    def clear(self) -> None:
        """Clear the terminal, and go to its first line."""
        sys.stdout.write("\x1b[2J\x1b[H")

    def rows(self, rows: Rows) -> None:
        """Print labels and values for people; a value's further lines stand below its first."""
        width = max((len(label) + len(_GAP) for label, _ in rows if label), default=0)
        for label, value in rows:
            for place, line in enumerate(visible(value).splitlines()):
                _print(_wrapped(line, (label if place == 0 else "").ljust(width)))

    def note(self, text: str) -> None:
        """Say something to a person on stderr; nothing when quiet or in the other forms."""
        if self.is_for_people and not self.quiet:
            _print(text, sys.stderr)

    # --- errors

    def error(self, record: Json) -> None:
        """Print an error on stderr: what happened, what was kept, and the next safe action.

        ``record`` has ``code``, ``message``, ``kept``, ``next_action``, ``exit_code``, and where it is a rotation's
        ``rotation``, ``connection`` and ``outage``, which comes first; in JSON it is the value of ``error``. An error
        is printed even when quiet.
        """
        record = next_actions.with_commands(record)
        if self.form is Form.JSON:
            _print(_as_json({"error": record}, sys.stderr), sys.stderr)
            return
        if outage := record.get("outage"):
            _styled(_wrapped(f"{outage['sentence']}.", "outage: ", sys.stderr), "bold white on red", sys.stderr)
        message = f"{record['message']} [{record['code']}]"
        _styled(_wrapped(message, "error: ", sys.stderr), "bold red", sys.stderr)
        of = f"rotation {record['rotation']} of {record['connection']}" if "rotation" in record else ""
        for label, value in (("   of: ", of), (" kept: ", record["kept"]), (" next: ", record["next_action"]["text"])):
            for place, line in enumerate(visible(value).splitlines()):
                _print(_wrapped(line, label if place == 0 else " " * len(label), sys.stderr), sys.stderr)


def _json(data: object) -> None:
    _print(_as_json(next_actions.with_commands(data), indent=2))


def _as_json(data: object, stream: TextIO | None = None, *, indent: int | None = None) -> str:
    """Return JSON that reads back unaltered: escaped where ``stream`` is not UTF-8, as JSON has to be (RFC 8259)."""
    encoding = ((stream or sys.stdout).encoding or "ascii").lower().replace("_", "-")
    return escape_json(json.dumps(data, indent=indent, ensure_ascii=encoding not in ("utf-8", "utf8")))


def _print(text: str, stream: TextIO | None = None) -> None:
    if text:
        print(visible(text), file=stream or sys.stdout, flush=True)


def _wrapped(text: str, label: str, stream: TextIO | None = None) -> str:
    """``label`` and ``text``; at a terminal wrapped between words, the further lines below the text's beginning.

    A `command` is never broken, so that it can be copied.
    """
    label, text = visible(label), visible(text)
    if not (stream or sys.stdout).isatty():
        return label + text
    indent = len(label) + len(text) - len(text.lstrip(" "))
    filled = textwrap.fill(
        label + _COMMAND.sub(lambda command: command[0].replace(" ", _GLUE), text),
        shutil.get_terminal_size().columns,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return filled.replace(_GLUE, " ")


def _styled(text: str, style: str, stream: TextIO | None = None) -> None:
    """Print a line, coloured on a terminal."""
    where = stream or sys.stdout
    if not (style and where.isatty()):
        print(visible(text), file=where, flush=True)
        return
    from rich.console import Console  # noqa: PLC0415 - imported where it is used: start-up counts

    Console(file=where, highlight=False).print(visible(text), style=style, markup=False, soft_wrap=True)


def _table(things: Sequence[T], view: View[T]) -> None:
    cells = [[visible(show(thing)) for show in view.columns.values()] for thing in things]
    remarks = [visible(view.remark(thing)) for thing in things]
    if sys.stdout.isatty():
        _draw(view, cells, remarks)
        return
    widths = [max(map(len, column)) for column in zip(view.columns, *cells, strict=True)]
    lines = []
    for row, remark in zip([list(view.columns), *cells], ["", *remarks], strict=True):
        lines.append(_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        lines += [_INDENT + line for line in remark.splitlines()]
    _print("\n".join(lines))


def _draw(view: View[T], cells: Sequence[Sequence[str]], remarks: Sequence[str]) -> None:
    """Draw the table for a terminal, no wider than that is."""
    from rich.console import Console  # noqa: PLC0415 - imported where it is used: start-up counts
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading, column in zip(view.columns, zip(*cells, strict=True), strict=True):
        least = len(heading) if heading in view.flexible else max(len(heading), *map(len, column))
        grid.add_column(heading, no_wrap=True, overflow="ellipsis", min_width=least)
    for row in cells:
        grid.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    lines = console.render_lines(grid, pad=False)
    for line, remark in zip(lines, ["", *remarks], strict=True):
        console.print(*(Text(part.text, part.style or "") for part in line), sep="", end="\n", no_wrap=True)
        for line_below in remark.splitlines():
            _print(_wrapped(line_below, _INDENT))
