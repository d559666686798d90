"""The words for a rotation's way and for its journal's entries."""

from datetime import datetime
from typing import Final

from orchestrator.views import formatting
from orchestrator.views.journal import Folded
from orchestrator.views.values import iso
from persistence.journal import APPROVAL_ASKED, APPROVAL_WITHDRAWN, POSTPONED, REQUEST, UNKNOWN, Entry
from states.outage import outage_of
from states.rotation import Rotation
from states.state import State
from states.summary import RotationSummary
from states.table import ABANDON, ADOPT, FAIL, RESTORE, RESTORING, RESUME

STEPS: Final = {
    "generate_key": "generate the key",
    "upload_to_netsuite": "upload to NetSuite",
    "save_to_openair": "save to OpenAir",
    "verify": "verify both sides",
}
"""The steps, by their names in the transition table, as people read them."""
_SAID: Final = {
    RESTORING: "putting the previous certificate back into NetSuite begun",
    ABANDON: "abandoned",
    RESTORE: "both systems hold the previous certificate again: restored",
    ADOPT: "both systems hold the foreign certificate: adopted",
}
"""What happened to a parked rotation, in words."""
_ON_APPROVAL: Final = {
    APPROVAL_ASKED: "approval to {verb} it asked for",
    APPROVAL_WITHDRAWN: "request for approval to {verb} it withdrawn",
}


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


def state(rotation: RotationSummary) -> str:
    """The state for a list. Failed says what it means: ``Failed, outage``, ``Failed, parked``, ``Failed, restored``."""
    if rotation.state is not State.FAILED:
        return rotation.state.value
    return f"{rotation.state}, {rotation.ending or ('outage' if outage_of(rotation) else 'parked')}"


def line(entry: Entry, before: Entry | None, connection: str) -> str:
    """One journal entry as one line of text: when, whose, which state, and what brought it there."""
    return "  ".join((str(iso(entry.at)), connection, entry.rotation_id, entry.target, describe(entry, before)))


def describe(entry: Entry, before: Entry | None) -> str:
    """What moved the rotation there, in a few words; ``before`` is the entry before this one."""
    detail, because = entry.detail, _because(entry)
    if entry.event == REQUEST:
        held_off = f", not begun before {_until(entry)}" if because else ""
        return f"{detail.get('cause')}, asked by {entry.actor}{held_off}{because}"
    if entry.event == FAIL:
        return f"parked{because}"
    if entry.event == POSTPONED:
        return f"postponed until {_until(entry)}{because}"
    if entry.event == UNKNOWN:
        return f"{_unanswered(entry)}{because}"
    if entry.source is entry.target or before is None or entry.event == RESUME:
        asked = f", as {detail['asked_by']} had asked" if "asked_by" in detail else ""
        return f"{_said(entry)} by {entry.actor}{asked}{because}"
    return f"after {formatting.span(entry.at - before.at)}{because}"


def _unanswered(entry: Entry) -> str:
    """What is not known of a write: its answer was lost, or said that it ended."""
    write = entry.detail.get("write")
    if "until" in entry.detail:
        return f"answer to the {write} lost, it may take effect until {_until(entry)}"
    return f"the {write} was ended before it changed anything"


def _said(entry: Entry) -> str:
    if entry.detail.get("ready"):
        return "readiness to save the certificate in OpenAir confirmed"
    if entry.event in _ON_APPROVAL:
        return _ON_APPROVAL[entry.event].format(verb=entry.detail.get("verb"))
    return _SAID.get(entry.event) or entry.event.replace("_", " ")


def times(folded: Folded) -> str:
    """How often an entry's event happened in a row: `` (15 times since 2026-11-23 20:15:03 UTC)``; empty for once."""
    return f" ({folded.times} times since {formatting.moment(folded.since)})" if folded.times > 1 else ""


def remark(entry: Entry) -> str:
    """The reason that the entry gives, what was seen when a doubt was settled, and what another system could not do,
    as sentences; or empty.
    """
    lists = (entry.detail.get("looks"), entry.detail.get("warnings"))
    parts = [entry.detail.get("message"), *(each for found in lists if isinstance(found, list) for each in found)]
    return " ".join(str(each) for each in parts if each)


def _until(entry: Entry) -> str:
    return formatting.moment(datetime.fromisoformat(str(entry.detail["until"])))


def _because(entry: Entry) -> str:
    code, reason = entry.detail.get("code"), remark(entry)
    return (f" [{code}]" if code else "") + (f": {reason}" if reason else "")
