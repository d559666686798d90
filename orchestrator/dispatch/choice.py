"""Chooses the dispatcher of a permanent worker: the queue on PostgreSQL, where it can be used."""

import logging
from typing import Final, Literal

from persistence.hints import Hints
from states.errors import InvalidSettings
from states.next_action import REPEAT, NextAction, Verb, by_hand

_log: Final = logging.getLogger("keyturn.worker")

Choice = Literal["auto", "embedded", "procrastinate"]
"""What the setting worker.dispatcher says."""


def uses_queue(choice: Choice, hints: Hints, name: str) -> bool:
    """Whether the worker takes its work from the queue. ``name`` is this process's own.

    Where it cannot, on PostgreSQL, the log says why. Raises InvalidSettings where the setting asks for the queue in
    vain, and TryLater.
    """
    if choice == "embedded" or (choice == "auto" and not hints.is_possible):
        return False
    refused = _why_not(hints, name)
    if refused is None:
        return True
    if choice == "procrastinate":
        raise refused
    _log.info("worker without the queue", extra={"reason": refused.message})
    return False


def _why_not(hints: Hints, name: str) -> InvalidSettings | None:
    """Why the queue cannot be used; None where it can."""
    if not hints.is_possible:
        return InvalidSettings(
            "The dispatcher procrastinate needs PostgreSQL.",
            next_action=by_hand("Correct the setting worker.dispatcher, or store.url."),
        )
    try:
        from orchestrator.dispatch.procrastinate import VERSION  # noqa: PLC0415 - an extra, and only where it is used
    except ImportError:
        return InvalidSettings(
            "The dispatcher procrastinate needs the package procrastinate.",
            next_action=NextAction(Verb.INSTALL_EXTRA, {"extra": "postgresql"}, then=REPEAT),
        )
    if (found := hints.version()) != VERSION:
        return InvalidSettings(
            f"The database has no queue of Procrastinate {VERSION}: {found or 'there is none'}.",
            next_action=by_hand("Let this role make a schema in the database.", NextAction(Verb.INIT, then=REPEAT)),
        )
    if hints.is_pooled(name):
        return InvalidSettings(
            "The database's sessions are pooled, so that no worker would hear of a hint.",
            next_action=by_hand("Let store.url name the server itself, or a pool of whole sessions."),
        )
    return None
