"""A journal as data: its entries as JSON, and the states on a rotation's way with their times."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from orchestrator.views.values import Json, iso
from persistence.journal import POSTPONED, REQUEST, Entry
from states.state import State
from states.table import ACTIVE, NEXT, RESUME

PATH: Final = (*ACTIVE, State.COMPLETED)
"""The states of a rotation that completes."""


def entry_json(written: Entry) -> Json:
    """One journal entry: ``rotation``, ``seq``, ``at``, ``actor``, ``event``, ``from`` (null for the first), ``to``,
    ``attempt``, ``detail`` (evidence), ``previous_hash``, ``hash``.
    """
    return {
        "rotation": written.rotation_id,
        "seq": written.seq,
        "at": iso(written.at),
        "actor": written.actor,
        "event": written.event,
        "from": written.source.value if written.source else None,
        "to": written.target.value,
        "attempt": written.attempt,
        "detail": dict(written.detail),
        "previous_hash": written.previous_hash,
        "hash": written.hash,
    }


@dataclass(frozen=True, slots=True)
class Leg:
    """One state on the way."""

    state: State
    entered: datetime | None
    """When the rotation first got there (UTC), or None when it did not yet."""
    left: datetime | None
    """When it last went on from there (UTC), or None."""

    def spent(self, now: datetime) -> timedelta | None:
        """How long the rotation was there, up to ``now`` where it still is."""
        if self.entered is None or self.state is State.COMPLETED:
            return None
        return (self.left or now) - self.entered


def legs(journal: Sequence[Entry]) -> list[Leg]:
    """Every state of the path, in order."""
    entered: dict[State, datetime] = {}
    left: dict[State, datetime] = {}
    for entry in journal:
        if entry.target in PATH and entry.event != RESUME:
            entered.setdefault(entry.target, entry.at)
        if entry.source and entry.source in NEXT and entry.event == NEXT[entry.source].trigger:
            left[entry.source] = entry.at
    return [Leg(state, entered.get(state), left.get(state)) for state in PATH]


def last_postponement(journal: Sequence[Entry]) -> tuple[str, str]:
    """The code and message of the error for which the rotation was postponed last; empty where it was not.

    One that is held off from the beginning tells so in its first entry.
    """
    last = next((entry for entry in reversed(journal) if entry.event in (POSTPONED, REQUEST)), None)
    return (str(last.detail.get("code", "")), str(last.detail.get("message", ""))) if last else ("", "")
