"""Other systems' words in our messages: shortened, and withheld where they may quote a secret."""

import re
from collections.abc import Iterable
from typing import Final

MOST_CHARACTERS: Final = 200

_PERHAPS_SECRET: Final = re.compile(r"-----BEGIN|[A-Za-z0-9+/=_.-]{40}")
"""A key, a token or a signature: nothing that is written for people has so long a word."""

_RUN: Final = re.compile(r"[A-Za-z0-9]+")
_PIECE: Final = 8
"""Letters and digits in a row that give a secret away: short enough for a piece of one, too long for mere chance."""


def quoted(text: str, sent: Iterable[str] = ()) -> str:
    """``text`` on one line and in quotes, at most 200 characters of it; or a note that it was withheld.

    ``sent`` are the secrets of the request that ``text`` answers: some systems put what they were sent into their
    error messages.
    """
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    shown = line[:MOST_CHARACTERS]
    if _PERHAPS_SECRET.search(line) or any(_repeats(shown, secret) for secret in sent):
        return "(withheld: it may quote a secret)"
    return f'"{shown}"'


def _repeats(text: str, secret: str) -> bool:
    """Whether ``text`` has ``secret`` or a piece of it. Escaping changes other characters than letters and digits."""
    if secret and secret in text:
        return True
    runs = _RUN.findall(secret)
    return any(run[at : at + _PIECE] in text for run in runs for at in range(len(run) - _PIECE + 1))
