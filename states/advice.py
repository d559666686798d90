"""What a person may do with a rotation now, and what they should: derived from its state alone."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from states import table
from states.rotation import Rotation
from states.state import State


@dataclass(frozen=True, slots=True)
class Verb:
    """Something a person may do with a rotation."""

    name: str
    command: str
    """The command line; ``{id}`` stands for the rotation."""
    why_not: Callable[[Rotation], str]
    """Why it is not possible now, as a sentence, or empty when it is."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The next safe action."""

    sentence: str
    command: str
    """Empty when there is nothing to do."""


def _watch(rotation: Rotation) -> str:
    return "" if rotation.is_open else "The rotation has ended."


def _resume(rotation: Rotation) -> str:
    if not rotation.is_open:
        return "The rotation has ended."
    return "" if rotation.state is State.FAILED else f"The rotation is {rotation.state}, not Failed."


def _confirm(rotation: Rotation) -> str:
    return "" if rotation.awaits_person else "Nothing waits for a person."


def _abandon(rotation: Rotation) -> str:
    if refused := _resume(rotation):
        return refused
    if rotation.doubt_since or "confirmation" in table.proofs_at(rotation.position):
        return "NetSuite may hold its certificate already."
    return ""


_RESUMING: Final = re.compile(r"[,;]?\s+then run `keyturn rotation resume ID`")

VERBS: Final = (
    Verb("watch", "keyturn rotation watch {id}", _watch),
    Verb("resume", "keyturn rotation resume {id}", _resume),
    Verb("confirm", "keyturn rotation confirm {id} --fingerprint SHA256", _confirm),
    Verb("abandon", "keyturn rotation abandon {id}", _abandon),
)
"""Every verb on a rotation, with its precondition."""


def why_not(verb: str, rotation: Rotation) -> str:
    """Why ``verb`` is not possible now, or empty when it is."""
    return next(each.why_not(rotation) for each in VERBS if each.name == verb)


def advise(rotation: Rotation) -> Advice:
    """The one next safe action."""
    if rotation.state is State.COMPLETED:
        return Advice("Nothing to do: both sides hold the new certificate.", "")
    if not rotation.is_open:
        return Advice("Nothing to do: the rotation was closed.", "")
    if rotation.failure:
        return Advice(
            rotation.failure.next_action.replace("resume ID", f"resume {rotation.id}"), _command("resume", rotation)
        )
    if rotation.awaits_person:
        return Advice(rotation.waiting_for, _command("watch", rotation))
    if rotation.waiting_for:
        again = f"{rotation.available_at:%Y-%m-%d %H:%M:%S} UTC"
        return Advice(f"Nothing to do: a worker tries again at {again}. {rotation.waiting_for}", "keyturn worker")
    return Advice("Nothing to do: a worker carries it on. Start one if none is running.", "keyturn worker")


def outside_a_rotation(next_action: str) -> str:
    """``next_action`` of an error that no rotation met: without the advice to resume one."""
    return _RESUMING.sub("", next_action)


def _command(name: str, rotation: Rotation) -> str:
    return next(verb.command for verb in VERBS if verb.name == name).format(id=rotation.id)
