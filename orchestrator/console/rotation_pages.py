"""The pages on rotations: the list, and one rotation alive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestrator.console import actions
from orchestrator.console.context import Console
from orchestrator.console.forms import Form
from orchestrator.console.rendering import Shown
from orchestrator.operations.lists import Only, RotationFilter
from orchestrator.operations.rotations import Explanation
from orchestrator.views import timeline
from orchestrator.views.journal import Folded, folded, legs
from states.durations import in_words
from states.errors import InvalidInput
from states.next_action import NextAction
from states.outage import Outage, outage_of
from states.preconditions import goes_on
from states.rotation import Rotation
from states.state import State

if TYPE_CHECKING:
    from orchestrator.console.pages import Pages

_PAGE: Final = 50
_LONGEST: Final = 200
_CHIPS: Final = {
    "": ("All", RotationFilter()),
    "open": ("Open", RotationFilter(only=Only.OPEN)),
    "parked": ("Parked", RotationFilter(only=Only.PARKED)),
    "outage": ("UploadedToNetSuite", RotationFilter(states=(State.UPLOADED_TO_NETSUITE,))),
    "completed": ("Completed", RotationFilter(states=(State.COMPLETED,))),
    "failed": ("Failed", RotationFilter(states=(State.FAILED,))),
}


def add(pages: "Pages") -> None:
    """Add the pages."""
    from orchestrator.console.pages import QUICK  # noqa: PLC0415 - it imports what the pages need

    pages.add("/rotations", rotations)
    pages.add("/rotations/{rotation}", rotation, subject="rotation", pace=QUICK)


def rotations(console: Console, _subject: str, query: Form) -> Shown:
    """Make the page with all rotations, or with those that its address asks for; the newest first."""
    keyturn = console.keyturn
    text, after, chip = query.text("q", _LONGEST), query.text("after", _LONGEST), query.text("group", _LONGEST)
    if chip not in _CHIPS:
        raise InvalidInput(f"There is no group {chip!r} of rotations.")
    chosen = _CHIPS[chip][1]
    wanted = RotationFilter(states=chosen.states, only=chosen.only, text=text)
    values = {
        "page": keyturn.lists.rotation_page(wanted, after=after or None, limit=_PAGE),
        "chips": [(key, label) for key, (label, _) in _CHIPS.items()],
        "group": chip,
        "text": text,
        "is_first": not after,
        "now": keyturn.rotations.now(),
    }
    return Shown("rotations.html", "Rotations · Keyturn", values)


def rotation(console: Console, rotation_id: str, query: Form) -> Shown:
    """Make the page of one rotation. With ``ask``, both systems are asked what they hold now."""
    keyturn = console.keyturn
    explanation = keyturn.rotations.explain(rotation_id)
    now, found = keyturn.rotations.now(), explanation.rotation
    findings = {each.entry.seq: each.finding for each in keyturn.lists.checked_journal(found.id)}
    outage = outage_of(found)
    values = {
        "rotation": found,
        "outage": outage,
        "now": now,
        "summary": timeline.summary(found, now),
        "way": _way(explanation, now),
        "entries": [_entry(each, findings) for each in reversed(folded(explanation.journal))],
        "changed": [seq for seq, finding in findings.items() if finding],
        "action": explanation.next_action,
        "verbs": _verbs(explanation),
        "is_moving": goes_on(found),
        "workers": keyturn.workers.alive() if goes_on(found) else (),
        "request": found.circumstances.approval,
        "sides": keyturn.health.sides(found.connection) if query.is_ticked("ask") else None,
    }
    return Shown("rotation.html", _title(found, outage, now), values)


def _title(found: Rotation, outage: Outage | None, now: datetime) -> str:
    if outage:
        return f"● {in_words(now - outage.since)} outage · {found.connection}"
    state = "parked" if found.failure and found.is_open else found.ending or found.state
    return f"{found.connection}: {state} · Keyturn"


@dataclass(frozen=True, slots=True)
class _Place:
    """One state on the way."""

    state: State
    mark: str
    """How it is drawn: ``done``, ``current``, ``failed`` (from there), ``ahead``."""
    entered: datetime | None
    spent: timedelta | None


def _way(explanation: Explanation, now: datetime) -> Sequence[_Place]:
    found = explanation.rotation
    places = []
    for leg in legs(explanation.journal):
        if leg.state is found.position:
            mark = "failed" if found.failure else "done" if leg.state is State.COMPLETED else "current"
        else:
            mark = "done" if leg.entered and leg.left else "ahead"
        until = found.failure.at if found.failure else now
        places.append(_Place(leg.state, mark, leg.entered, leg.spent(until)))
    return places


def _entry(each: Folded, findings: Mapping[int, str | None]) -> dict[str, Any]:
    """One entry of the timeline, with its evidence, and what its check found."""
    entry = each.entry
    finding = findings.get(entry.seq)
    return {
        "entry": entry,
        "text": timeline.describe(entry, each.before) + timeline.times(each),
        "finding": finding,
        "tone": "bad" if finding or (entry.target is State.FAILED and not entry.detail.get("reason")) else "good",
        "reason": entry.detail.get("reason") or "",
        "evidence": [(name, _plain(value)) for name, value in entry.detail.items()],
    }


def _plain(value: object) -> str:
    return "; ".join(str(each) for each in value) if isinstance(value, list) else str(value)


def _verbs(explanation: Explanation) -> list[tuple[NextAction, str, actions.Step | None]]:
    """Every verb that the next action does not have: possible with its button, or the reason against it."""
    advised = {step.href for each in explanation.next_action.choices for step in actions.steps(each) if step.href}
    found = []
    for action, why_not in explanation.verbs:
        step = actions.button(action)
        if action.verb in actions.OF_ROTATION and (step is None or step.href not in advised):
            found.append((action, why_not, step))
    return found
