"""Writes the files that are derived from the code, or checks that they are up to date.

Run in the repository's root: ``PYTHONPATH=. python docs/generate.py [--check]``.
"""

import argparse
import ast
import inspect
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Final

import api_reference
import dashboard
import man_pages
from prometheus_client.core import Metric
from pydantic import AfterValidator

from orchestrator import event_log, settings, settings_file
from orchestrator.cli import application
from orchestrator.cli.exit_codes import Exit, NeedsRotation
from orchestrator.operations.metrics import Figures
from orchestrator.operations.status import Report
from orchestrator.operations.workers import Seen
from orchestrator.views import evidence_format, metrics, next_actions
from persistence import journal
from states import drawing
from states.errors import AwaitingPerson, KeyturnError, Refused, Rejected, Stale, TryLater, Unknown

_NOTE: Final = "<!-- Generated from {source} by `make generate`. Edit that, not this. -->\n\n"

_GLOBAL: Final = """\
## What every command has

Every command takes `--config FILE`, `-o FORM`, `-v`, `-q`, `-y` and `--no-input`. What you ask for goes to standard
output alone; logs, notes and errors go to standard error, errors as an object with `-o json` and `-o yaml`.

| form | prints |
|---|---|
| `table` | a table for people |
| `wide` | the same with more columns, where the command prints a list |
| `json`, `yaml` | all fields; of a list an array |
| `name` | ids or names, one per line |
| `jsonpath=TEMPLATE` | what a template takes out of the JSON, as with kubectl |

In a template, text is printed as it is, and what is in braces is replaced: `{.failure.code}` by a field, `{[0].id}` by
that of the first item, `{[*].id}` by those of all, `{[?(@.state=="Failed")].id}` by those of some, `{range [*]}…{end}`
by what is in between for each item, and `{"\\n"}` by a line feed. What is not there is empty. The queries are those of
[RFC 9535](https://www.rfc-editor.org/rfc/rfc9535); their `$` can be left out.

"""

_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)
_ROTATION: Final = "<rotation>"
_CONNECTION: Final = "<connection>"
"""Placeholders for an id and a name in a command."""

_SORTS: Final = {
    TryLater: "Try again later",
    Unknown: "Read back before sending again",
    AwaitingPerson: "Wait for a person",
    Refused: "Refused: correct the cause, then resume",
    Stale: "Discard the result",
    Rejected: "Request something else",
}
"""What to do next, for each sort of error."""


def generated() -> dict[Path, str]:
    """The content of every generated file, by its path in the repository."""
    return {
        Path("diagrams/states.mmd"): drawing.mermaid(),
        Path("diagrams/states.svg"): drawing.svg(),
        Path("docs/reference/states.md"): _states(),
        Path("docs/reference/errors.md"): _errors(),
        Path("docs/reference/settings.md"): _settings(),
        Path("docs/reference/command-line.md"): _command_line(),
        Path("docs/reference/events.md"): _events(),
        Path("docs/reference/metrics.md"): _metrics(),
        Path("docs/reference/api.md"): _NOTE.format(source="orchestrator/api/") + api_reference.render(),
        Path("monitoring/keyturn.dashboard.json"): dashboard.render(),
        Path("docs/reference/evidence.schema.json"): json.dumps(evidence_format.json_schema(), indent=2) + "\n",
        **{Path("docs/man") / name: page for name, page in _man_pages().items()},
    }


def _man_pages() -> dict[str, str]:
    meanings = _attribute_docstrings(Exit)
    return man_pages.pages(application.build(), {code.value: meanings[code.name] for code in Exit})


def _states() -> str:
    return (
        _NOTE.format(source="states/table.py")
        + "# States and moves\n\n![The states of a rotation](../../diagrams/states.svg)\n\n"
        + "These are all the legal moves; any other is refused with `ILLEGAL_MOVE` and changes nothing.\n\n"
        + drawing.markdown()
    )


def _errors() -> str:
    chapters = "".join(f"\n## {title}\n\n{_rows(sort)}" for sort, title in _SORTS.items())
    return (
        _NOTE.format(source="states/errors.py")
        + "# Errors, by what to do next\n\n"
        + "Codes are stable, and scripts may match them. A message may be more exact than the sentence here.\n"
        + "Keyturn itself repeats a step after errors of the first two sorts, and parks the rotation after *Refused*.\n"
        + chapters
    )


def shown_metrics() -> Mapping[str, Metric]:
    """Every metric by its name in Prometheus."""
    nothing = Report(at=_NO_TIME, concerns=[], connections=0, under_way=0, coming=[], workers=[], is_checked=True)
    seen = Seen(at=_NO_TIME, processes=[])
    figures = Figures(
        version="",
        report=nothing,
        rotations=[],
        expiries=[],
        credentials=[],
        workers=seen,
        last_pass=None,
        unsent_alerts=0,
        counts={},
    )
    families = metrics.families(figures)
    return {family.name + ("_total" if family.type == "counter" else ""): family for family in families}


def label_names(metric: Metric) -> Sequence[str]:
    """The labels that a metric's samples have, but for a bucket's bound."""
    return getattr(metric, "_labelnames", ())


def _metrics() -> str:
    rows = ["| metric | type | labels | says |", "|---|---|---|---|"]
    for name, family in shown_metrics().items():
        labels = ", ".join(f"`{label}`" for label in label_names(family))
        rows.append(f"| `{name}` | {family.type} | {labels} | {_cell(family.documentation)} |")
    return (
        _NOTE.format(source="orchestrator/views/metrics.py")
        + "# Metrics\n\n`keyturn metrics` prints them, and the API's `/api/v1/metrics`. "
        + "[Watch Keyturn with Prometheus](../how-to/monitor.md) says how to read them.\n\n"
        + "\n".join(rows)
        + "\n"
    )


def _rows(sort: type[KeyturnError]) -> str:
    rows = ["| code | says | what to do next |", "|---|---|---|"]
    for kind in _family(sort):
        error = kind()
        action = error.next_action.resuming() if sort is Refused else error.next_action
        shown = next_actions.render(action.about(rotation=_ROTATION, connection=_CONNECTION))
        for name in (_ROTATION, _CONNECTION):
            shown = shown.replace(f"'{name}'", name)  # what is no id is quoted for the shell
        rows.append(f"| `{error.code}` | {_cell(error.message)} | {_cell(shown)} |")
    return "\n".join(rows) + "\n"


def _family(kind: type[KeyturnError]) -> Iterator[type[KeyturnError]]:
    """The class and all its descendants, in the order in which they are written."""
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n  ", "<br>").replace("\n", "<br>")


def _command_line() -> str:
    commands = application.build().generate_docs(heading_level=2)
    commands = commands.replace(f" {Path(sys.argv[0]).name}", "")  # cyclopts takes the running module for a command
    exits = f"# Command line\n\n## Exit codes\n\n{_exit_codes(Exit)}\n`needs-rotation` answers by its exit code:\n\n"
    return _NOTE.format(source="orchestrator/cli/") + exits + f"{_exit_codes(NeedsRotation)}\n" + _GLOBAL + commands


def _exit_codes(codes: type[IntEnum]) -> str:
    meanings = _attribute_docstrings(codes)
    rows = ["| code | meaning |", "|---|---|", *(f"| {code.value} | {meanings[code.name]} |" for code in codes)]
    return "\n".join(rows) + "\n"


def _log_events() -> str:
    rows = ["| message | level | fields | meaning |", "|---|---|---|---|"]
    for kind, (level, message) in event_log.MESSAGES.items():
        names = ", ".join(f"`{name}`" for name in event_log.field_names(kind))
        rows.append(
            f"| `{message}` | {logging.getLevelName(level).lower()} | {names} | {_cell(inspect.getdoc(kind) or '')} |"
        )
    return "\n".join(rows) + "\n"


def _events() -> str:
    rows = ["| event | from | to |", "|---|---|---|"]
    for move in journal.MOVES:
        source, event, target = move.split(">")
        if event not in journal.RENAMED:
            rows.append(f"| `{event}` | {source} | {target} |")
    return (
        _NOTE.format(source="orchestrator/events.py, orchestrator/event_log.py and persistence/journal.py")
        + "# Events\n\n## In the log\n\n"
        + "Records of the logger `keyturn.rotation`. During an outage, retries and postponements are errors,\n"
        + "and warnings and errors have the field `imports`: since when imports are refused.\n\n"
        + _log_events()
        + "\n## In the journal\n\nEverything that a journal entry may record; the database refuses anything else.\n\n"
        + "\n".join(rows)
        + "\n"
    )


def _settings() -> str:
    _, order, variables = (inspect.getdoc(settings_file) or "").split("\n\n")
    return (
        _NOTE.format(source="orchestrator/settings.py")
        + f"# Settings\n\n{inspect.getdoc(settings)}\n\n{order}\n\n```\n{variables}\n```\n"
        + "".join(f"\n## [{name}]\n\n{_settings_table(table)}" for name, table in settings.tables().items())
    )


def _settings_table(table: type[settings.Table]) -> str:
    rows = ["| setting | default | allowed | meaning |", "|---|---|---|---|"]
    for name, field in table.model_fields.items():
        value = field.get_default(call_default_factory=True)
        default = "" if value in (None, "", (), {}) else f"`{value}`"
        # A text's pattern and its check are in its meaning.
        known = (each for each in field.metadata if is_dataclass(each) and not isinstance(each, AfterValidator))
        limits = (asdict(each) for each in known)
        bounds = {kind: limit for each in limits for kind, limit in each.items()}
        rows.append(f"| `{name}` | {default} | {_allowed(**bounds)} | {_cell(field.description or '')} |")
    return f"{inspect.getdoc(table)}\n\n" + "\n".join(rows) + "\n"


def _allowed(*, ge: float | None = None, gt: float | None = None, le: float | None = None) -> str:
    """The bounds of a number, in words; a kind of bound that is not known here is an error."""
    low = f"from {ge:g}" if ge is not None else f"more than {gt:g}" if gt is not None else ""
    return " ".join(part for part in (low, f"up to {le:g}" if le is not None else "") if part)


def _attribute_docstrings(kind: type) -> dict[str, str]:
    """The docstrings below a class's attributes, which Python itself does not keep."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        attribute.targets[0].id: inspect.cleandoc(docstring.value.value)
        for attribute, docstring in zip(body.body, body.body[1:], strict=False)
        if isinstance(attribute, ast.Assign)
        and isinstance(attribute.targets[0], ast.Name)
        and isinstance(docstring, ast.Expr)
        and isinstance(docstring.value, ast.Constant)
        and isinstance(docstring.value.value, str)
    }


def main() -> int:
    """Write the files, or with ``--check`` name those that differ; return 1 where there are any."""
    parser = argparse.ArgumentParser(prog="python docs/generate.py", description="Write the generated files.")
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that differ")
    check = parser.parse_args().check
    files = generated()
    differing = [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in differing:
        if check:
            sys.stderr.write(f"{path} is out of date: run `make generate`.\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], "utf-8")
            sys.stdout.write(f"{path}\n")
    return int(check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
