"""Writes JSON's types as YAML, in block style.

Keyturn writes YAML and reads none, so it does without a library: any JSON string is a YAML string, too
(https://yaml.org/spec/1.2.2/#12-relation-to-json).
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
"""Text that needs no quotes: it begins with a letter, and holds nothing that YAML gives a meaning."""
_WORDS: Final = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))
"""Text that some readers take for something else."""


def to_yaml(data: Any, *, ascii_only: bool = False) -> str:
    """Return ``data`` as a YAML document without its markers; ``ascii_only`` escapes all other characters."""
    return "\n".join(_lines(data, ascii_only=ascii_only))


def _lines(data: Any, *, ascii_only: bool) -> Iterator[str]:
    if isinstance(data, dict) and data:
        for name, value in data.items():
            key, below = _scalar(str(name), ascii_only=ascii_only), list(_lines(value, ascii_only=ascii_only))
            if not _is_block(value):
                yield f"{key}: {below[0]}"
                continue
            yield f"{key}:"
            yield from (f"  {line}" for line in below)
    elif isinstance(data, list) and data:
        for value in data:
            first, *more = _lines(value, ascii_only=ascii_only)
            yield f"- {first}"
            yield from (f"  {line}" for line in more)
    else:
        yield _scalar(data, ascii_only=ascii_only)


def _is_block(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _scalar(value: Any, *, ascii_only: bool) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(
        each if each.isprintable() and (each.isascii() or not ascii_only) else _escaped(each) for each in quoted
    )


def _escaped(character: str) -> str:
    """Escape a character; unlike JSON, YAML has no pairs of escapes for one."""
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004 - the last of four digits
