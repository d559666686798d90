"""Checks a built site: its links lead to files and anchors that it has, and it loads nothing from elsewhere."""

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

_ELSEWHERE: Final = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//")
"""In a stylesheet."""


class _Page(HTMLParser):
    """The anchors, links and loaded files of one page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors = {""}
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        self.anchors |= {of[name] for name in ("id", "name") if name in of}
        self.links += [of["href"]] if tag == "a" and "href" in of else []
        self.loaded += [of["href"]] if tag == "link" and "href" in of else []
        self.loaded += [of["src"]] if "src" in of else []


def problems(site: Path) -> Iterator[str]:
    """Yield each link that leads nowhere, and all that a page would load from another host."""
    pages = {file.resolve(): _Page(file) for file in sorted(site.rglob("*.html"))}
    for file, page in pages.items():
        for link in page.links + page.loaded:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                if link in page.loaded and url.scheme != "data":
                    yield f"{file.relative_to(site.resolve())}: loads {link}"
            elif not _leads(site.resolve(), file, unquote(url.path), unquote(url.fragment), pages):
                yield f"{file.relative_to(site.resolve())}: {link} leads nowhere"
    for file in sorted(site.rglob("*.css")):
        if _ELSEWHERE.search(file.read_text("utf-8")):
            yield f"{file.relative_to(site)}: loads from elsewhere"


def _leads(site: Path, page: Path, path: str, anchor: str, pages: dict[Path, _Page]) -> bool:
    target = (site / path.lstrip("/") if path.startswith("/") else page.parent / path).resolve() if path else page
    target = target / "index.html" if target.is_dir() else target
    return target.is_relative_to(site) and target.is_file() and (target not in pages or anchor in pages[target].anchors)
