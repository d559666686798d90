"""The site builder builds a site that can be read without the internet, and stops at an anchor that does not exist."""

import os
import shutil
import sys
from pathlib import Path

import build_site
import pytest
from acceptance.documentation import ROOT

BUILDER = Path(f"{sys.prefix}-docs") / "bin" / "zensical"

pytestmark = pytest.mark.skipif(
    not BUILDER.exists() and os.environ.get("REQUIRE") != "all",
    reason="the site builder is missing (make docs installs it); REQUIRE=all makes this a failure",
)


def tree(root: Path, link: str) -> Path:
    """A small tree of documentation whose first page has the link."""
    for name in ("docs/site.toml", "orchestrator/console/assets/calm.svg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "docs" / "decisions").mkdir()
    (root / "docs" / "decisions" / "0001-first.md").write_text("# First\n\n## Context\n", "utf-8")
    (root / "docs" / "README.md").write_text(f"# Start\n\nSome\n- [a]({link})\n- [b](decisions/)\n", "utf-8")
    return root


def test_a_site_is_built(tmp_path: Path) -> None:
    """It has the pages, their search and a list of a folder, and loads nothing from another host."""
    site = tmp_path / "site"
    assert [] == list(build_site.build(tree(tmp_path, "decisions/0001-first.md#context"), site, BUILDER))
    assert "context" in (site / "search.json").read_text("utf-8")
    assert '<a href="0001-first.html">First</a>' in (site / "decisions" / "index.html").read_text("utf-8")


def test_an_anchor_that_does_not_exist_fails_the_build(tmp_path: Path) -> None:
    """The problem names the anchor, and there is no site."""
    problems = list(build_site.build(tree(tmp_path, "decisions/0001-first.md#gone"), tmp_path / "site", BUILDER))
    assert ["anchor does not exist"] == [text for text in ("anchor does not exist",) if text in "".join(problems)]
    assert not (tmp_path / "site").exists()
