"""Links and file names in the documentation point to existing files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "diagrams/*.md", "suitescript/*.md", "verification/**/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts and path.name != "command-line.md"  # cyclopts writes it, with its own anchors
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FOLDERS = "states|persistence|orchestrator|simulator|suitescript|diagrams|docs|tests|verification|benchmarks"
FILE = re.compile(rf"`((?:{FOLDERS})/[\w./-]*\w/?)`")


def anchors(page: Path) -> set[str]:
    """Return the anchors that a code host makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_file_names_exist(page: Path) -> None:
    """Every relative link leads to a file, every anchor to a heading, and every named file exists."""
    text = CODE_BLOCK.sub("", page.read_text("utf-8"))
    wrong = [name for name in FILE.findall(text) if not (ROOT / name).exists()]
    for link in LINK.findall(text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert [] == wrong


def test_hostile_conditions_name_tests_that_exist() -> None:
    """Each test that the page on hostile conditions names exists."""
    page = (ROOT / "docs/explanation/hostile-conditions.md").read_text("utf-8")
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", page)
    assert named
    assert [] == [name for name in named if f"def {name}(" not in tests]
