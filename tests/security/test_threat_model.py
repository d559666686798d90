"""The threat model names tests as its proofs, and they exist."""

import ast
import re
from pathlib import Path

PAGE = Path("docs/explanation/threat-model.md")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_test_that_is_named_exists() -> None:
    """Each test id in the threat model names a test of that file."""
    named = TEST.findall(PAGE.read_text("utf-8"))
    missing = [f"{file}::{name}" for file, name in named if name not in _tests(Path(file))]
    assert named
    assert [] == missing


def test_every_threat_has_a_proof() -> None:
    """Every row of a table of threats names a test, and every test id on the page is well-formed."""
    text = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| threat .*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    threats = [row for table in rows for row in table.splitlines()]
    assert threats
    assert [] == [row for row in threats if not TEST.search(row.rpartition(" | ")[2])]
    assert text.count("::") == len(TEST.findall(text))


def _tests(file: Path) -> set[str]:
    if not file.is_file():
        return set()
    found = ast.parse(file.read_text("utf-8")).body
    return {each.name for each in found if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")}
