"""Quotes other systems' texts in our messages: shortened, and withheld if they may quote a secret."""

import re
from collections.abc import Iterable
from typing import Final

MAX_CHARACTERS: Final = 200

_SECRET_LIKE: Final = re.compile(r"-----BEGIN|[A-Za-z0-9+/=_.-]{40}")
"""A key, a token or a signature: no text for people has so long a word."""

_RUN: Final = re.compile(r"[A-Za-z0-9]+")
_SHORTEST_PIECE: Final = 8
"""How many letters and digits in a row reveal a secret: few enough for a part of it, too many for coincidence."""


def quote(text: str, sent: Iterable[str] = ()) -> str:
    """Return the first 200 characters of ``text`` on one line in quotes, or a note that it was withheld.

    ``sent`` are the secrets in the request that ``text`` answers: some systems repeat the request in their error
    messages.
    """
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    shown = line[:MAX_CHARACTERS]
    if _SECRET_LIKE.search(line) or may_quote(shown, sent):
        return "(withheld: it may quote a secret)"
    return f'"{shown}"'


def may_quote(text: str, sent: Iterable[str]) -> bool:
    """Whether ``text`` holds one of the secrets that were ``sent``, or a part of one."""
    return any(_has_piece_of(text, secret) for secret in sent)


def _has_piece_of(text: str, secret: str) -> bool:
    """Whether ``text`` holds ``secret`` or a part of it.

    Compares runs of letters and digits, because escaping (in URLs, JSON, XML) changes the other characters only.
    """
    if secret and secret in text:
        return True
    runs = _RUN.findall(secret)
    return any(run[at : at + _SHORTEST_PIECE] in text for run in runs for at in range(len(run) - _SHORTEST_PIECE + 1))
