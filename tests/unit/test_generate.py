"""The generated files: written from the code, and found out when they are not as the code says."""

import importlib.util
import sys
from pathlib import Path

import pytest

from states import drawing
from states.errors import KeyturnError

FILES = [
    "diagrams/states.mmd",
    "diagrams/states.svg",
    "docs/reference/states.md",
    "docs/reference/errors.md",
    "docs/reference/settings.md",
    "docs/reference/command-line.md",
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
    """All files, each named; a second run finds nothing to write."""
    assert 0 == run(monkeypatch)
    assert FILES == capsys.readouterr().out.split()
    assert 0 == run(monkeypatch)
    assert "" == capsys.readouterr().out
    assert drawing.svg() == Path("diagrams/states.svg").read_text("utf-8")


def test_a_check_names_what_differs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The file that was edited by hand and the one that is missing, and no other; nothing is written."""
    run(monkeypatch)
    Path(FILES[1]).write_text("by hand", "utf-8")
    Path(FILES[3]).unlink()
    capsys.readouterr()
    assert 1 == run(monkeypatch, "--check")
    assert [FILES[1], FILES[3]] == [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert "by hand" == Path(FILES[1]).read_text("utf-8")


def test_a_check_of_fresh_files_is_silent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and not a word."""
    run(monkeypatch)
    capsys.readouterr()
    assert 0 == run(monkeypatch, "--check")
    assert ("", "") == capsys.readouterr()


def test_the_repository_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is checked in is what the code says."""
    monkeypatch.chdir(ROOT)
    assert 0 == run(monkeypatch, "--check")


def test_every_error_is_in_the_reference_once() -> None:
    """Each class has its row, under what to do next; only the root, which says nothing definite, has none."""
    reference = generate.generated()[Path("docs/reference/errors.md")]
    for kind in set(generate._family(KeyturnError)) - {KeyturnError}:
        assert 1 == reference.count(f"| `{kind.code}` | ")


def test_a_row_is_one_line() -> None:
    """Steps become line breaks within their cell, and no sentence breaks out of it."""
    reference = generate.generated()[Path("docs/reference/errors.md")]
    rows = [line for line in reference.splitlines() if line.startswith("| `")]
    assert {4} == {line.replace("\\|", "").count("|") for line in rows}
