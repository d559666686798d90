"""Other systems' words in our messages: shortened, and withheld where they may quote a secret."""

import re
from typing import Final

MOST_CHARACTERS: Final = 200

_PERHAPS_SECRET: Final = re.compile(r"-----BEGIN|[A-Za-z0-9+/=_.-]{40}")
"""A key, a token or a signature: nothing that is written for people has so long a word."""


def quoted(text: str) -> str:
    """``text`` on one line and in quotes, at most 200 characters of it; or a note that it was withheld."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    if _PERHAPS_SECRET.search(line):
        return "(withheld: it may quote a secret)"
    return f'"{line[:MOST_CHARACTERS]}"'
