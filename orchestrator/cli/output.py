"""What a command prints: a table for people; JSON, YAML or names for scripts. Data on stdout, all else on stderr."""

import json
import os
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from orchestrator import terminal
from orchestrator.cli.pages import pages, part_of_array
from orchestrator.control_characters import escape_json, visible
from orchestrator.views import next_actions
from orchestrator.views.values import Json

if TYPE_CHECKING:
    from orchestrator.cli.json_path import Template

T = TypeVar("T")
Rows = Sequence[tuple[str, str]]
"""Labels and what they say."""


class Form(StrEnum):
    """How a command prints."""

    TABLE = "table"
    WIDE = "wide"
    """A table with more columns, none of them shortened."""
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    JSONPATH = "jsonpath"
    """What a template takes out of the JSON: see `json_path`."""


@dataclass(frozen=True)
class View(Generic[T]):
    """How one kind of thing is shown in each form."""

    name: Callable[[T], str]
    record: Callable[[T], Json]
    columns: Mapping[str, Callable[[T], str]]
    """The table's headings, and the cell below each."""
    flexible: Sequence[str]
    """The headings of the columns that are shortened where the terminal is too narrow."""
    wide: Mapping[str, Callable[[T], str]] = field(default_factory=dict)
    """Further columns of a wide table."""
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
_WIDEST: Final = 10_000
"""Columns of a wide table, whose lines the terminal breaks."""
_GLUE: Final = "\0"
"""Replaces a space at which a line must not be broken."""


class Output:
    """Prints one command's results in the form that was asked for."""

    def __init__(self, form: Form = Form.TABLE, *, quiet: bool = False, template: "Template | None" = None) -> None:
        """``template`` is for Form.JSONPATH, and only for that."""
        self.form = form
        self.quiet = quiet
        self._template = template

    # --- results

    def list(self, things: Iterable[T], view: View[T], *, empty: str) -> int:
        """Print several things: a table, an array, or a name a line; return how many. ``empty`` is said for none.

        A list of any length takes the memory of a page: things are read when they are printed. Only a template of
        JSONPath needs all of them.
        """
        if self.form is Form.JSONPATH:
            things = list(things)
            _print(self._data([view.record(thing) for thing in things]))
            return len(things)
        is_wide = self.form is Form.WIDE
        shown = replace(view, columns={**view.columns, **view.wide}, flexible=()) if is_wide else view
        count, widths = 0, tuple(len(heading) for heading in shown.columns)
        for page, is_last in pages(things):
            if self._is_data:
                records = self._data([view.record(thing) for thing in page], indent=2)
                whole = self.form is Form.YAML  # whose block sequence goes on with the next items
                _print(records if whole else part_of_array(records, is_first=not count, is_last=is_last))
            elif self.form is Form.NAME:
                _print("\n".join(view.name(thing) for thing in page))
            elif page:
                widths = _table(page, shown, widths, is_first=not count, is_wide=is_wide)
            count += len(page)
        if not count:
            self.note(empty)
        return count

    def show(self, record: Json | Sequence[Json], name: str, rows: Rows = ()) -> None:
        """Print one thing: labels and values, an object (of several an array), or its name."""
        if self._is_data:
            _print(self._data(record, indent=2))
        elif self.form is Form.NAME:
            _print(name)
        else:
            self.rows(rows)

    def event(self, record: Json, name: str) -> None:
        """Print one thing of many that come one after another: a line of JSON, a YAML document, or its name."""
        marker = "---\n" if self.form is Form.YAML else ""
        _print(marker + self._data(record) if self._is_data else name)

    def text(self, text: str, *, label: str = "", style: str = "") -> None:
        """Print ``text`` in any form, its further lines indented like its first; nothing when it is empty."""
        for place, line in enumerate(visible(text).splitlines()):
            words = line.lstrip(" ")
            before = label if place == 0 else " " * len(label)
            terminal.write(_wrapped(words, before + " " * (len(line) - len(words))), style=style)

    @property
    def _is_data(self) -> bool:
        return self.form in (Form.JSON, Form.YAML, Form.JSONPATH)

    def _data(self, data: object, *, error: bool = False, indent: int | None = None) -> str:
        """Return JSON data in the form that was asked for, with the command of each next action."""
        shown = next_actions.with_commands(data)
        if self._template:
            return self._template(shown).removesuffix("\n")
        if self.form is Form.YAML:
            return as_yaml(shown, is_unicode=terminal.is_unicode(error=error))
        return _as_json(shown, error=error, indent=indent)

    # --- for people only

    @property
    def is_for_people(self) -> bool:
        """Whether a person reads the output, not a script."""
        return self.form in (Form.TABLE, Form.WIDE)

    @property
    def is_live(self) -> bool:
        """Whether what was printed may be drawn over: a person at a terminal."""
        return self.is_for_people and not self.quiet and terminal.is_terminal() and os.environ.get("TERM") != "dumb"

    def say(self, text: str = "", *, style: str = "") -> None:
        """Print a line for people on stdout; nothing when quiet or in the other forms."""
        if self.is_for_people and not self.quiet:
            terminal.write(text, style=style)

    def clear(self) -> None:
        """Clear the terminal, and go to its first line."""
        terminal.clear()

    def rows(self, rows: Rows) -> None:
        """Print labels and values for people; a value's further lines stand below its first."""
        width = max((len(label) + len(_GAP) for label, _ in rows if label), default=0)
        for label, value in rows:
            for place, line in enumerate(visible(value).splitlines()):
                _print(_wrapped(line, (label if place == 0 else "").ljust(width)))

    def note(self, text: str) -> None:
        """Say something to a person on stderr; nothing when quiet or in the other forms."""
        if self.is_for_people and not self.quiet:
            _print(text, error=True)

    # --- errors

    def warn(self, text: str) -> None:
        """Print a line on stderr in every form, even when quiet."""
        _print(text, error=True)

    def error(self, record: Json) -> None:
        """Print an error on stderr: what happened, what was kept, and the next safe action.

        ``record`` has ``code``, ``message``, ``kept``, ``next_action``, ``exit_code``, and where it is a rotation's
        ``rotation``, ``connection`` and ``outage``, which comes first; in JSON and YAML it is the value of ``error``.
        An error is printed even when quiet.
        """
        if self.form in (Form.JSON, Form.YAML):
            _print(self._data({"error": record}, error=True), error=True)
            return
        record = next_actions.with_commands(record)
        if outage := record.get("outage"):
            line = _wrapped(f"{outage['sentence']}.", "outage: ", error=True)
            terminal.write(line, style="bold white on red", error=True)
        message = f"{record['message']} [{record['code']}]"
        terminal.write(_wrapped(message, "error: ", error=True), style="bold red", error=True)
        of = f"rotation {record['rotation']} of {record['connection']}" if "rotation" in record else ""
        for label, value in (("   of: ", of), (" kept: ", record["kept"]), (" next: ", record["next_action"]["text"])):
            for place, line in enumerate(visible(value).splitlines()):
                _print(_wrapped(line, label if place == 0 else " " * len(label), error=True), error=True)


def as_yaml(data: object, *, is_unicode: bool) -> str:
    """Return a YAML document that reads back unaltered, and whose characters no terminal obeys."""
    import yaml  # noqa: PLC0415 - imported where it is used: start-up counts

    written: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=is_unicode, width=_WIDEST)
    if visible(written) != written:
        written = yaml.safe_dump(data, sort_keys=False, allow_unicode=False, width=_WIDEST)
    return written.removesuffix("\n")


def _as_json(data: object, *, error: bool, indent: int | None = None) -> str:
    """Return JSON that reads back unaltered: escaped where the stream is not UTF-8, as JSON has to be (RFC 8259)."""
    return escape_json(json.dumps(data, indent=indent, ensure_ascii=not terminal.is_unicode(error=error)))


def _print(text: str, *, error: bool = False) -> None:
    if text:
        terminal.write(text, error=error)


def _wrapped(text: str, label: str, *, error: bool = False) -> str:
    """``label`` and ``text``; at a terminal wrapped between words, the further lines below the text's beginning.

    A `command` is never broken, so that it can be copied.
    """
    label, text = visible(label), visible(text)
    if not terminal.is_terminal(error=error):
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


def _table(
    things: Sequence[T], view: View[T], widths: tuple[int, ...], *, is_first: bool, is_wide: bool
) -> tuple[int, ...]:
    """Print a page of a table, whose columns are ``widths`` wide at least; return how wide they are."""
    cells = [[visible(show(thing)) for show in view.columns.values()] for thing in things]
    remarks = [visible(view.remark(thing)) for thing in things]
    if terminal.is_terminal():
        _draw(view, cells, remarks, width=_WIDEST if is_wide else None)
        return widths
    columns = zip(widths, zip(*cells, strict=True), strict=True)
    widths = tuple(max(width, *map(len, column)) for width, column in columns)
    lines = []
    headings = [list(view.columns)] if is_first else []
    for row, remark in zip([*headings, *cells], [*([""] * len(headings)), *remarks], strict=True):
        lines.append(_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        lines += [_INDENT + line for line in remark.splitlines()]
    _print("\n".join(lines))
    return widths


def _draw(view: View[T], cells: Sequence[Sequence[str]], remarks: Sequence[str], *, width: int | None) -> None:
    """Draw the table for a terminal, no wider than ``width`` or, if that is None, than the terminal."""
    from rich.table import Table  # noqa: PLC0415 - imported where it is used: start-up counts

    # Rich heeds the width of a dumb terminal only together with a height.
    console = terminal.console(width=width, height=width and 1)
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    fitted = _fitted(view, cells, console.width)
    for heading, wide in fitted.items():
        grid.add_column(heading, no_wrap=True, overflow="ellipsis", width=wide)
    for row in cells:
        grid.add_row(*(terminal.rich_text(cell, STYLES.get(cell, "")) for cell in row[: len(fitted)]))
    lines = console.render_lines(grid, pad=False)
    for line, remark in zip(lines, ["", *remarks], strict=True):
        console.print(
            *(terminal.rich_text(part.text, part.style or "") for part in line), sep="", end="\n", no_wrap=True
        )
        for line_below in remark.splitlines():
            _print(_wrapped(line_below, _INDENT))


def _fitted(view: View[T], cells: Sequence[Sequence[str]], available: int) -> Mapping[str, int]:
    """How wide each shown column is, by its heading. The first one is never cut: it names the thing.

    Where a line is too narrow, the last columns are left out until the others fit, the flexible ones at the width of
    their headings; then the widest flexible ones are shortened.
    """
    from rich.cells import cell_len  # noqa: PLC0415 - imported where it is used: start-up counts

    columns = zip(view.columns, zip(*cells, strict=True), strict=True)
    widths = {heading: max(map(cell_len, (heading, *column))) for heading, column in columns}
    while len(widths) > 1 and _least(view, widths) > available:
        widths.popitem()
    excess = sum(widths.values()) + len(_GAP) * (len(widths) - 1) - available
    for heading in sorted(widths.keys() & set(view.flexible), key=lambda each: widths[each], reverse=True):
        cut = max(0, min(excess, widths[heading] - len(heading)))
        widths[heading] -= cut
        excess -= cut
    return widths


def _least(view: View[T], widths: Mapping[str, int]) -> int:
    """How wide a line of columns with these ``widths`` is at least."""
    narrow = (len(heading) if heading in view.flexible else width for heading, width in widths.items())
    return sum(narrow) + len(_GAP) * (len(widths) - 1)
