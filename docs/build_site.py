"""Builds the documentation as a site in build/site: `make docs`. A link that leads nowhere fails the build.

The pages are docs/README.md and all pages that it leads to, with the files that they link. A code host shows them as
they are; in the site their links lead to the places that pages and files have there.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from os.path import relpath
from pathlib import Path
from typing import Final

import site_links

_ICON: Final = Path("orchestrator/console/assets/calm.svg")
START: Final = Path("docs/README.md")
SECTIONS: Final = {
    "tutorial": "Tutorial",
    "how-to": "How-to guides",
    "reference": "Reference",
    "explanation": "Explanation",
    "decisions": "Decisions",
    "project": "Project",
}
"""The title of each folder of the site that is in its navigation."""
_NUMBERED: Final = Path("decisions")
_LINK: Final = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_FENCE: Final = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)
_NOTE: Final = re.compile(r"\A<!--.*?-->\n+", re.DOTALL)
_LIST_AFTER_TEXT: Final = re.compile(r"^(?![-*|#>]\s|\d+\.\s)(\S.*\n)(?=(?:[-*]|1\.) )", re.MULTILINE)
"""A code host begins a list without an empty line before it; Python-Markdown does not."""


class Pages:
    """The pages of a tree, from the first one on, with links as the site has them."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self.texts: dict[Path, str] = {}
        """By the page's path in the tree, in the order in which they are found."""
        self.listings: set[Path] = set()
        """The pages that are made for folders without one."""
        self.files: set[Path] = set()
        """What pages link besides pages."""
        self.problems: list[str] = []
        waiting = [START]
        for page in waiting:  # it grows meanwhile
            if page not in self.texts:
                waiting += self._read(page)
        lost = {each.relative_to(self._root) for each in self._root.glob("docs/**/*.md")} - set(self.texts)
        self.problems += [f"{page}: no page leads to it" for page in sorted(lost)]

    def _read(self, page: Path) -> list[Path]:
        """Keep the page, and return those that it links."""
        linked: list[Path] = []

        def moved(match: re.Match[str]) -> str:
            path, sharp, anchor = match[0].partition("#")
            target = self._target(page, path)
            if target is None:
                return match[0]
            linked.append(target)
            return relpath(place(target), place(page).parent) + sharp + anchor

        parts = _FENCE.split(self._text(page))
        for number in range(0, len(parts), 2):  # between two blocks of code
            parts[number] = _LIST_AFTER_TEXT.sub(r"\1\n", _LINK.sub(moved, parts[number]))
        self.texts[page] = "".join(parts)
        self.files |= {target for target in linked if target.suffix != ".md"}
        return [target for target in linked if target.suffix == ".md"]

    def _target(self, page: Path, link: str) -> Path | None:
        """The path in the tree that is linked, of a folder that of its page; None for another site or this page."""
        full = (self._root / page.parent / link).resolve()
        if not link or ":" in link:
            return None
        if not (full.exists() and full.is_relative_to(self._root)):
            self.problems.append(f"{page}: {link} leads nowhere")
            return None
        return (full / "README.md" if full.is_dir() else full).relative_to(self._root)

    def _text(self, page: Path) -> str:
        file = self._root / page
        if file.is_file():
            return _NOTE.sub("", file.read_text("utf-8"))
        self.listings.add(page)
        files = sorted(each for each in file.parent.iterdir() if each.is_file())
        return f"# {page.parent.name.capitalize()}\n\n" + "".join(
            f"- [{_title(each)}]({each.name})\n" for each in files
        )


def _title(file: Path) -> str:
    """A page's heading, or a file's name."""
    return file.read_text("utf-8").partition("# ")[2].partition("\n")[0] if file.suffix == ".md" else file.name


def place(path: Path) -> Path:
    """Where the page or file of a path in the tree is in the site."""
    if path == START:
        return Path("index.md")
    if path.is_relative_to("docs"):
        return path.relative_to("docs")
    return Path("project" if path.suffix == ".md" else "files") / path


def navigation(pages: Pages) -> dict[str, list[str]]:
    """The pages of each section in the order in which they are found, the decisions by their numbers."""
    found = [place(page) for page in pages.texts if page not in pages.listings]
    decisions = sorted(page for page in found if page.is_relative_to(_NUMBERED))
    found = [page for page in found if page not in decisions] + [_NUMBERED / "README.md", *decisions]
    listed = {title: [page.as_posix() for page in found if page.parts[0] == name] for name, title in SECTIONS.items()}
    return {title: places for title, places in listed.items() if places}


def stage(pages: Pages, root: Path, folder: Path) -> None:
    """Write pages, files and the configuration for the site builder into ``folder``, which is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    for page, text in pages.texts.items():
        _made(folder / "pages" / place(page)).write_text(text, "utf-8")
    for file in pages.files:
        shutil.copy(root / file, _made(folder / "pages" / place(file)))
    shutil.copy(root / _ICON, folder / "pages" / "icon.svg")
    listed = ", ".join(f"{{ {json.dumps(title)} = {json.dumps(found)} }}" for title, found in navigation(pages).items())
    settings = (root / "docs" / "site.toml").read_text("utf-8")
    (folder / "zensical.toml").write_text(f"nav = [{listed}]\n{settings}", "utf-8")


def _made(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def build(root: Path, site: Path, builder: Path) -> Iterator[str]:
    """Build the site in ``site`` with Zensical as ``builder``; yield what is wrong with it. Safe to repeat."""
    pages = Pages(root)
    yield from pages.problems
    if pages.problems:
        return
    staged = site.with_name("site-source")
    stage(pages, root, staged)
    run = subprocess.run([builder, "build", "--strict"], cwd=staged, capture_output=True, text=True, check=False)
    if run.returncode:
        yield run.stdout + run.stderr
        return
    shutil.rmtree(site, ignore_errors=True)
    shutil.move(staged / "site", site)
    yield from site_links.problems(site)


def main() -> int:
    """Build the site of the tree that this file is in; return 1 where something is wrong."""
    root = Path(__file__).parents[1]
    site = root / "build" / "site"
    wrong = list(build(root, site, Path(sys.executable).with_name("zensical")))
    done = f"The site is in {site}. To read it: python3 -m http.server --bind 127.0.0.1 --directory {site}"
    print(*wrong or [done], sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
