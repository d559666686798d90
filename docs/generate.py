"""Writes the files that are derived from the code, or verifies that they are as the code says.

Run in the repository's root: ``PYTHONPATH=. python docs/generate.py [--check]``.
"""

import argparse
import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchestrator import settings
from orchestrator.cli import application, next_actions
from states import drawing
from states.errors import AwaitingPerson, KeyturnError, Refused, Rejected, Stale, TryLater, Unknown

_NOTE: Final = "<!-- Generated from {source} by `make generate`. Edit that, not this. -->\n\n"

_EXITS: Final = """\
# Exit codes

| code | meaning |
|---|---|
| 0 | fine |
| 1 | failed |
| 2 | the command line or the settings are wrong |
| 3 | needs attention: due, expiring, parked, or waiting for a person |
| 4 | sign-in refused |
| 5 | not found |
| 6 | conflict: one is under way already, or it was changed elsewhere |
| 7 | the other system is down |
| 130 | interrupted |

`needs-rotation` answers by its exit code: 0 due, 1 not due, 2 missing, 255 error.

Every command takes `--config FILE`, `-o table|json|name`, `-v`, `-q`, `-y` and `--no-input`. JSON goes to standard
output alone; logs, notes and errors go to standard error, errors as a JSON object with `-o json`.

"""

_ROTATION: Final = "<rotation>"
_CONNECTION: Final = "<connection>"
"""What stands for an id and a name in a command."""

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
    }


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
    told = application.build().generate_docs()
    told = told.replace(f" {Path(sys.argv[0]).name}", "")  # cyclopts takes the running module for part of the command
    return _NOTE.format(source="orchestrator/cli/") + _EXITS + told


def _settings() -> str:
    introduction = inspect.getdoc(settings) or ""
    what, _, where = introduction.partition("\n\n")
    return (
        _NOTE.format(source="orchestrator/settings.py")
        + f"# Settings\n\n{what}\n\n```\n{inspect.cleandoc(where)}\n```\n"
        + "".join(f"\n## [{name}]\n\n{_settings_table(table)}" for name, table in settings.tables().items())
    )


def _settings_table(table: type[settings.Table]) -> str:
    told = _attribute_docstrings(table)
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in table.model_fields.items():
        default = "" if field.default in (None, "") else f"`{field.default}`"
        rows.append(f"| `{name}` | {default} | {_cell(told.get(name, ''))} |")
    return f"{inspect.getdoc(table)}\n\n" + "\n".join(rows) + "\n"


def _attribute_docstrings(kind: type) -> dict[str, str]:
    """The strings that stand below a class's attributes, which Python itself does not keep."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        attribute.target.id: inspect.cleandoc(told.value.value)
        for attribute, told in zip(body.body, body.body[1:], strict=False)
        if isinstance(attribute, ast.AnnAssign)
        and isinstance(attribute.target, ast.Name)
        and isinstance(told, ast.Expr)
        and isinstance(told.value, ast.Constant)
        and isinstance(told.value.value, str)
    }


def main() -> int:
    """Write the files, or with ``--check`` name those that differ; the exit code is 1 where there are any."""
    parser = argparse.ArgumentParser(prog="python docs/generate.py", description="Write the generated files.")
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that differ")
    check = parser.parse_args().check
    files = generated()
    differing = [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in differing:
        if check:
            sys.stderr.write(f"{path} is not as the code says: run `make generate`.\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], "utf-8")
            sys.stdout.write(f"{path}\n")
    return int(check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
