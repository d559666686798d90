"""Next actions as buttons: which page carries a verb out, and what the button says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from orchestrator.views.next_actions import line as command_line
from states.next_action import NextAction, Verb

OF_ROTATION: Final[Mapping[Verb, str]] = {
    Verb.PARK: "Park",
    Verb.CARRY: "Try again now",
    Verb.RESUME: "Resume",
    Verb.BEGIN: "I am ready: begin",
    Verb.CONFIRM: "Confirm the save",
    Verb.RESTORE: "Restore the previous certificate",
    Verb.ADOPT: "Adopt the foreign certificate",
    Verb.ABANDON: "Abandon",
    Verb.WITHDRAW: "Withdraw the request",
}
"""The verbs on a rotation that have a page, with their buttons."""
_OPTIONS: Final = {
    "overwrite": "and replace the foreign certificate",
    "create_record": "and create the certificate record",
}
APPROVE: Final = "Approve:"
_LOOKS: Final = (Verb.EXPLAIN, Verb.WATCH, Verb.SHOW_ROTATION)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: a sentence, and where there is one a button and a command line."""

    verb: Verb
    text: str
    label: str
    href: str
    """Where the button leads; empty without one."""
    command: str


def steps(action: NextAction) -> list[Step]:
    """What to do next, in order, without the alternatives."""
    found = [_step(each) for each in _sequence(action)]
    return [each for each in found if each.text or each.href or each.command]


def alternatives(action: NextAction) -> list[list[Step]]:
    """What could be done instead."""
    return [steps(each) for each in action.alternatives]


def button(action: NextAction) -> Step | None:
    """The first step that has a button. What replaces another party's certificate is a choice, never the one button."""
    return None if action.replaces_others else next((each for each in steps(action) if each.href), None)


def _sequence(action: NextAction | None) -> Iterator[NextAction]:
    while action:
        yield action
        action = action.then


def _step(action: NextAction) -> Step:
    label, href = _target(action)
    text = action.because or ("Nothing to do." if action.verb is Verb.WAIT else "")
    return Step(action.verb, text.strip(), label, href, command_line(action))


def _target(action: NextAction) -> tuple[str, str]:
    options = action.options
    rotation, connection = options.get("rotation"), options.get("connection")
    if action.verb in OF_ROTATION and rotation:
        words = [OF_ROTATION[action.verb], *(text for name, text in _OPTIONS.items() if options.get(name))]
        given = {name: "1" for name in _OPTIONS if options.get(name)}
        if approves := options.get("approves"):
            words, given = [APPROVE, *words], {"approves": str(approves), **given}
        query = f"?{urlencode(given)}" if given else ""
        return " ".join(words), f"/rotations/{quote(str(rotation), safe='')}/{action.verb.value}{query}"
    if action.verb in _LOOKS and rotation:
        return "Look at the rotation", f"/rotations/{quote(str(rotation), safe='')}"
    if action.verb is Verb.ROTATE and connection:
        return "Generate new real-time import certificate", f"/connections/{quote(str(connection), safe='')}/rotate"
    if action.verb is Verb.SHOW_CONNECTION and connection:
        return "Look at the connection", f"/connections/{quote(str(connection), safe='')}"
    return "", ""
