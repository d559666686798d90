"""A rotation's way through the states, read from its journal: when it got where, and how long that took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from orchestrator.cli import formatting
from persistence.journal import POSTPONED, REQUEST, UNKNOWN, Entry
from states.rotation import Rotation
from states.state import State
from states.table import ABANDON, ACTIVE, ADOPT, FAIL, NEXT, RESTORE, RESTORING, RESUME

PATH: Final = (*ACTIVE, State.COMPLETED)
"""The states of a rotation that goes well."""

_SAID: Final = {
    RESTORING: "putting the previous certificate back into NetSuite begun",
    ABANDON: "abandoned",
    RESTORE: "both sides hold the previous certificate again: restored",
    ADOPT: "both sides hold somebody else's certificate: adopted",
}
"""What happened to a parked rotation, in words."""


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


def put_off(journal: Sequence[Entry]) -> tuple[str, str]:
    """The code and message of the error for which the rotation was put off last; empty where it was not.

    One that is held off from the beginning tells so in its first entry.
    """
    last = next((entry for entry in reversed(journal) if entry.event in (POSTPONED, REQUEST)), None)
    return (str(last.detail.get("code", "")), str(last.detail.get("message", ""))) if last else ("", "")


def summary(rotation: Rotation, now: datetime) -> str:
    """What the way took: ``Completed in 1.93 s, skew 0.31 s``, with the attempts where there were several."""
    if rotation.failure and rotation.is_open:
        return f"Parked in {rotation.position} after {formatting.span(rotation.failure.at - rotation.created_at)}"
    took = formatting.span((rotation.closed_at or now) - rotation.created_at)
    how = rotation.ending.capitalize() if rotation.ending else rotation.state
    ended = f"Still {rotation.state} after {took}" if rotation.is_open else f"{how} in {took}"
    attempts = f", {rotation.attempt} attempts" if rotation.attempt > 1 else ""
    skew = rotation.skew(now)
    return ended + (f", skew {formatting.span(skew)}" if skew is not None else "") + attempts


def line(entry: Entry, before: Entry | None, connection: str) -> str:
    """One journal entry as one line of text: when, whose, which state, and what brought it there."""
    return "  ".join((str(formatting.iso(entry.at)), connection, entry.rotation_id, entry.target, told(entry, before)))


def told(entry: Entry, before: Entry | None) -> str:
    """What brought the rotation there, in a few words; ``before`` is the entry before this one."""
    detail, because = entry.detail, _because(entry)
    if entry.event == REQUEST:
        held_off = f", not begun before {_until(entry)}" if because else ""
        return f"{detail.get('cause')}, asked by {entry.actor}{held_off}{because}"
    if entry.event == FAIL:
        return f"parked{because}"
    if entry.event == POSTPONED:
        return f"put off until {_until(entry)}{because}"
    if entry.event == UNKNOWN:
        return f"answer to the {detail.get('write')} lost, it may take effect until {_until(entry)}{because}"
    if entry.source is entry.target or before is None or entry.event == RESUME:
        return f"{_SAID.get(entry.event) or entry.event.replace('_', ' ')} by {entry.actor}{because}"
    return f"after {formatting.span(entry.at - before.at)}{because}"


def remark(entry: Entry) -> str:
    """The reason that the entry gives and what was seen when a doubt was settled, as sentences; or empty."""
    looks = entry.detail.get("looks")
    told = [entry.detail.get("message"), *(looks if isinstance(looks, list) else ())]
    return " ".join(str(each) for each in told if each)


def _until(entry: Entry) -> str:
    return formatting.moment(datetime.fromisoformat(str(entry.detail["until"])))


def _because(entry: Entry) -> str:
    code, told = entry.detail.get("code"), remark(entry)
    return (f" [{code}]" if code else "") + (f": {told}" if told else "")
