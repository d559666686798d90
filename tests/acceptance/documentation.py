"""The commands that README and docs show, and the output that they show for them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    {
        *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "suitescript/README.md")),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("verification/*/README.md"),
    }
    - {ROOT / "docs/reference/command-line.md"}  # generated from the application itself
)
ELLIPSIS = "…"

_BLOCK = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PROMPT = r"(?:\$ |ExecStart=|[*/\d]+ \* \* \* \*\s+root\s+)?"  # of a terminal, a systemd unit, a crontab
_SHOWN = re.compile(rf"^{_PROMPT}(?:/\S*/)?((?:keyturn|make|python|pytest) .+)$")
_MENTIONED = re.compile(r"`((?:keyturn|make|python) [^`]+)`")
_REMARK = re.compile(r"\s{2,}.*| # .*| >\S.*")
"""The rest of a command's line: an explanation, a comment, a redirection."""


@dataclass(frozen=True)
class Command:
    """One command that a page shows."""

    page: str
    words: tuple[str, ...]
    is_whole: bool
    """False for a command that the text only mentions or abbreviates: arguments may be missing."""

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


@dataclass
class Step:
    """A line typed at a prompt, and the output that the page shows below it."""

    typed: str
    output: list[str] = field(default_factory=list)


def commands() -> list[Command]:
    """Return every command on every page once."""
    return list(dict.fromkeys(command for page in PAGES for command in _of(page)))


def steps(page: Path) -> list[Step]:
    """Return the lines that a reader types at the prompts of ``page``, in order."""
    found: list[Step] = []
    for block in _blocks(page.read_text("utf-8")):
        prompted = False
        for line in block:
            if line.startswith("$ "):
                found.append(Step(line.removeprefix("$ ")))
                prompted = True
            elif prompted:
                found[-1].output.append(line)
    return found


def _of(page: Path) -> Iterator[Command]:
    text = page.read_text("utf-8")
    name = str(page.relative_to(ROOT))
    for block in _blocks(text):
        for line in block:
            if match := _SHOWN.match(line):
                yield _command(name, match[1], is_whole=True)
    for match in _MENTIONED.finditer(_BLOCK.sub("", text)):
        yield _command(name, match[1], is_whole=False)


def _blocks(text: str) -> list[list[str]]:
    """Return the lines of each fenced block, with continued lines joined."""
    return [re.sub(r"\\\n\s*", "", block).splitlines() for block in _BLOCK.findall(text)]


def _command(page: str, text: str, *, is_whole: bool) -> Command:
    words = shlex.split(_REMARK.sub("", text))
    abbreviated = words[-1] == ELLIPSIS
    return Command(page, tuple(words[:-1] if abbreviated else words), is_whole and not abbreviated)
