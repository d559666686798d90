"""The generator writes its files from the code, and its check names each file that differs."""

import importlib.util
import sys
from pathlib import Path

import pytest

from orchestrator.cli import application
from states import drawing
from states.errors import KeyturnError

FILES = [
    "diagrams/states.mmd",
    "diagrams/states.svg",
    "docs/reference/states.md",
    "docs/reference/errors.md",
    "docs/reference/settings.md",
    "docs/reference/command-line.md",
    "docs/reference/events.md",
    "docs/reference/metrics.md",
    "docs/reference/api.md",
    "monitoring/keyturn.dashboard.json",
    "docs/reference/evidence.schema.json",
    "docs/man/keyturn.1",
    *(f"docs/man/keyturn-{name}.1" for name, *_ in application.COMMANDS),
]
ROOT = Path(__file__).parents[2]

_spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
assert _spec
assert _spec.loader
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["generate", *arguments])
    return generate.main()


def test_the_files_are_written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The first run writes all files and prints their names; a second run writes nothing."""
    assert 0 == run(monkeypatch)
    assert FILES == capsys.readouterr().out.split()
    assert 0 == run(monkeypatch)
    assert "" == capsys.readouterr().out
    assert drawing.svg() == Path("diagrams/states.svg").read_text("utf-8")


def test_a_check_names_what_differs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The check names an edited file and a missing file, and writes nothing."""
    run(monkeypatch)
    Path(FILES[1]).write_text("by hand", "utf-8")
    Path(FILES[3]).unlink()
    capsys.readouterr()
    assert 1 == run(monkeypatch, "--check")
    assert [FILES[1], FILES[3]] == [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert "by hand" == Path(FILES[1]).read_text("utf-8")


def test_a_check_of_fresh_files_is_silent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """If all files are up to date, the check prints nothing and exits with 0."""
    run(monkeypatch)
    capsys.readouterr()
    assert 0 == run(monkeypatch, "--check")
    assert ("", "") == capsys.readouterr()


def test_the_repository_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated files in the repository are up to date."""
    monkeypatch.chdir(ROOT)
    assert 0 == run(monkeypatch, "--check")


def test_every_error_is_in_the_reference_once() -> None:
    """Each class of error except the base class has one row in the reference."""
    reference = generate.generated()[Path("docs/reference/errors.md")]
    for kind in set(generate._family(KeyturnError)) - {KeyturnError}:
        assert 1 == reference.count(f"| `{kind.code}` | ")


def test_a_row_is_one_line() -> None:
    """Each row of the reference is one line with three cells."""
    reference = generate.generated()[Path("docs/reference/errors.md")]
    rows = [line for line in reference.splitlines() if line.startswith("| `")]
    assert {4} == {line.replace("\\|", "").count("|") for line in rows}
