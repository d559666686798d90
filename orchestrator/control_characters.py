r"""Escapes control characters, for output and the log.

What another system or a person named may hold them, to move a terminal's cursor, to hide what follows, or to forge a
line of the log.
"""

import re
from typing import Final

_CONTROL: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
"""Control characters except the line feed, marks that change the direction of writing, invisible characters, and halves
of characters, which no encoding can write."""


def visible(text: str) -> str:
    r"""Return ``text`` with each control character escaped, such as ESC as \x1b; a tab becomes a space."""
    return _CONTROL.sub(lambda found: " " if found[0] == "\t" else repr(found[0])[1:-1], text)


def escape_json(text: str) -> str:
    r"""Return the JSON ``text`` with each control character as \uXXXX: a JSON reader reads the same."""
    return _CONTROL.sub(_json_escape, text)


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")  # JSON escapes UTF-16, so some characters take two
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
