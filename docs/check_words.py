"""Finds the words of docs/words.toml in code and prose: `python docs/check_words.py`. Exits with 1 if it finds any.

Run it from the root of the repository. It reads the tracked *.py, *.md, *.js and *.pml files.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

KINDS = (".py", ".md", ".js", ".pml")
GAP = r"(?:[\s_-]|(?<=\n)[ \t]*(?:#|//|\*)[ \t]?)+"
"""Between two words of a phrase: a space, an underscore, a hyphen, or a line break and the next comment's mark."""


class Finding(NamedTuple):
    """A refused word in a file."""

    path: str
    line: int
    word: str
    advice: str


def find_words(path: str, text: str, rules: dict[str, Any]) -> Iterator[Finding]:
    """Yield each refused word in `text` that no exception of `rules` allows."""
    allowed = [each["text"] for each in rules.get("exceptions", []) if each["file"] == path]
    for fragment in allowed:
        text = text.replace(fragment, re.sub(r"[^\n]", "~", fragment))
    for pattern, advice in rules["words"].items():
        expression = rf"(?<![A-Za-z])(?:{pattern.replace(' ', GAP)})(?![a-z])"
        for match in re.finditer(expression, text, re.IGNORECASE):
            yield Finding(path, text.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), advice)


def stale_exceptions(rules: dict[str, Any], root: Path) -> Iterator[str]:
    """Yield each exception whose text is no longer in its file."""
    for each in rules.get("exceptions", []):
        path = root / each["file"]
        if not path.is_file() or each["text"] not in path.read_text(encoding="utf-8"):
            yield f"docs/words.toml: an exception no longer applies: {each['file']}: {each['text']}"


def tracked_files(root: Path) -> list[str]:
    """Return the tracked files to read, relative to `root`."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)
    return sorted(name for name in listed.stdout.decode().split("\0") if name.endswith(KINDS))


def main(root: Path) -> int:
    """Check the tree below `root`; returns the exit code."""
    rules = tomllib.loads((root / "docs" / "words.toml").read_text(encoding="utf-8"))
    lines = list(stale_exceptions(rules, root))
    for name in tracked_files(root):
        path = root / name
        if path.is_file():  # tracked, but deleted in the working tree
            found = find_words(name, path.read_text(encoding="utf-8"), rules)
            lines += [f"{each.path}:{each.line}: '{each.word}': write {each.advice}" for each in sorted(found)]
    print(*lines, sep="\n", end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
