"""A journal as data: its entries as JSON, and the states on a rotation's way with their times."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from orchestrator.views.values import Json, iso
from persistence.checkpoint import Checkpoint
from persistence.journal import POSTPONED, REQUEST, TAKEN_OVER, UNKNOWN, Entry
from states.state import State
from states.table import ACTIVE, NEXT, RESUME

_GROUP: Final = 3
"""The most entries of one try that change no state."""
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


def checkpoint_json(made: Checkpoint) -> Json:
    """A checkpoint: ``number``, ``at``, ``entries``, ``rotations``, ``head``, ``code``, and all of it as ``line``."""
    return {
        "number": made.number,
        "at": iso(made.at),
        "entries": made.entries,
        "rotations": made.rotations,
        "head": made.head,
        "code": made.code,
        "line": made.line,
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


def warnings_in(journal: Sequence[Entry]) -> list[str]:
    """What another system could not do during the rotation, such as remove a key's file: each sentence once."""
    found = (entry.detail.get("warnings") for entry in journal)
    return list(dict.fromkeys(str(each) for warnings in found if isinstance(warnings, list) for each in warnings))


@dataclass(frozen=True, slots=True)
class Folded:
    """One entry, or the last of several that say the same."""

    entry: Entry
    before: Entry | None
    """The entry before this one in the journal; None for the first."""
    times: int
    """How often the same happened in a row."""
    since: datetime
    """When it happened first (UTC)."""


def folded(journal: Sequence[Entry]) -> list[Folded]:
    """The journal with repetitions folded: of a note, or a group of notes, that repeats in a row the last is kept.

    A group is what one try writes: a lost answer, a take-over and the postponement that follows.
    """
    shown: list[Folded] = []
    place = 0
    while place < len(journal):
        size, times = _repetition(journal, place)
        last = place + size * (times - 1)
        for offset in range(size):
            index = last + offset
            before = journal[index - 1] if index else None
            shown.append(Folded(journal[index], before, times, journal[place + offset].at))
        place += size * times
    return shown


def _repetition(journal: Sequence[Entry], place: int) -> tuple[int, int]:
    """How many entries the group at ``place`` has that repeats most, and how often it comes; 1 and 1 for none."""
    best = (1, 1)
    for size in range(1, _GROUP + 1):
        group = [_same(entry) for entry in journal[place : place + size]]
        if len(group) < size or None in group:
            break
        times = 1
        while [_same(entry) for entry in journal[place + size * times : place + size * (times + 1)]] == group:
            times += 1
        if times > 1 and size * times > best[0] * best[1]:
            best = (size, times)
    return best


def _same(entry: Entry) -> tuple[str, str, State, object] | None:
    """What two notes must have in common to be folded; None for an entry that is never folded."""
    if entry.event not in (POSTPONED, TAKEN_OVER, UNKNOWN):
        return None
    return entry.rotation_id, entry.event, entry.target, entry.detail.get("code")
