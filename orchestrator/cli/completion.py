"""Completes connections' names and rotations' ids in a shell.

The shell asks at each press of TAB. So the answer comes within a moment or not at all, and it needs neither the vault
nor the other systems. No error is shown: the shell completes nothing then.
"""

import sys
from collections.abc import Callable, Iterable
from itertools import islice, pairwise
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext

    from orchestrator.bootstrap import Keyturn

_MOMENT: Final = 2.0
"""Seconds to wait for the database: a person at a prompt waits no longer."""
_MOST: Final = 200
"""The most candidates: more than fit on a screen help no one."""
Candidates = list[tuple[str, str]]
"""What can be typed, with a word about each."""


def forms(_context: "CompletionContext") -> Candidates:
    """The forms of the output."""
    return [
        ("table", "for people"),
        ("wide", "with more columns"),
        ("json", ""),
        ("yaml", ""),
        ("name", "one a line"),
        ("jsonpath=", "a template"),
    ]


def connections(context: "CompletionContext") -> Candidates:
    """The names of connections that begin with what was typed, each with its NetSuite account."""
    return _within_a_moment(lambda keyturn: _names(keyturn, context.incomplete))


def rotations(context: "CompletionContext") -> Candidates:
    """The names of connections, and the ids of open and of recent rotations, that begin with what was typed."""
    return _within_a_moment(
        lambda keyturn: [*_names(keyturn, context.incomplete), *_ids(keyturn, context.incomplete.upper())]
    )


def _names(keyturn: "Keyturn", begins: str) -> Candidates:
    found = ((each.name, each.netsuite.account) for each in keyturn.connections.all() if each.name.startswith(begins))
    return list(islice(found, _MOST))


def _ids(keyturn: "Keyturn", begins: str) -> Candidates:
    unfinished = [(each.id, each.connection, each.state) for each in keyturn.rotations.unfinished()]
    recent = [(each.id, each.connection, each.state) for each in keyturn.lists.rotations(limit=_MOST).items]
    about = {each: f"{connection}, {state}" for each, connection, state in (*unfinished, *recent)}
    return [(each, text) for each, text in about.items() if each.startswith(begins)]


def _within_a_moment(ask: "Callable[[Keyturn], Candidates]") -> Candidates:
    """Ask a Keyturn of these settings; return nothing where it does not answer within a moment."""
    found: Candidates = []
    # A daemon: it does not keep the process when the database is silent.
    asking = Thread(target=lambda: found.extend(_answer(ask)), daemon=True)
    asking.start()
    asking.join(_MOMENT)
    return list(found)


def _answer(ask: "Callable[[Keyturn], Candidates]") -> Iterable[tuple[str, str]]:
    from orchestrator.bootstrap import start  # noqa: PLC0415 - `forms` needs none of it
    from states.errors import KeyturnError  # noqa: PLC0415 - likewise

    try:
        keyturn = start(_config(sys.argv), level="critical")
        try:
            return ask(keyturn)
        finally:
            keyturn.close()
    except KeyturnError:
        return []


def _config(words: list[str]) -> Path | None:
    """The settings file that the command line names so far."""
    for word, following in pairwise(words):
        if word == "--config":
            return Path(following)
        if word.startswith("--config="):
            return Path(word.partition("=")[2])
    return None
