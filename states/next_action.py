"""What a person may do with a rotation now, and what they should: derived from what is stored of it, and the time.

What only the two systems can tell is asked by whoever does it (states/recovery.py).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from states import table
from states.errors import ForeignRotation
from states.rotation import Ending, Rotation
from states.state import State


@dataclass(frozen=True, slots=True)
class Verb:
    """Something a person may do with a rotation."""

    name: str
    command: str
    """The command line; ``{id}`` stands for the rotation."""
    why_not: Callable[[Rotation, datetime], str]
    """Why it is not possible at that moment (UTC), as a sentence, or empty when it is."""
    looks: bool = False
    """Whether it has to know what OpenAir holds: where nobody else can look, a person tells."""

    def command_for(self, rotation: Rotation) -> str:
        """The command line for this rotation."""
        return self.command.format(id=rotation.id) + (_TOLD if self.looks and rotation.by_hand else "")


@dataclass(frozen=True, slots=True)
class Advice:
    """The next safe action."""

    sentence: str
    command: str
    """Empty when there is nothing to do."""


def _watch(rotation: Rotation, _now: datetime) -> str:
    return "" if rotation.is_open else "The rotation has ended."


def _park(rotation: Rotation, _now: datetime) -> str:
    if not rotation.is_open:
        return "The rotation has ended."
    return "It is parked already." if rotation.state is State.FAILED else ""


def _resume(rotation: Rotation, now: datetime) -> str:
    if refused := _is_parked(rotation):
        return refused
    # The candidate may be sent as often as need be, but not while its predecessor may still land on top of it.
    return _in_flight(rotation, now) if rotation.restoring_since else ""


def _confirm(rotation: Rotation, _now: datetime) -> str:
    return "" if rotation.awaits_person else "Nothing waits for a person."


def _restore(rotation: Rotation, now: datetime) -> str:
    if refused := _is_parked(rotation):
        return refused
    if not may_be_sent(rotation):
        return "NetSuite was never sent its certificate."
    if rotation.previous is None:
        return "There was no previous certificate."
    if not rotation.previous_key_kept:
        return "The previous certificate's private key was not kept."
    if now > rotation.previous.not_after:
        return f"The previous certificate expired on {rotation.previous.not_after:%Y-%m-%d}."
    # What an unfinished restore has on its way is the very certificate that is wanted.
    return "" if rotation.restoring_since else _in_flight(rotation, now)


def _adopt(rotation: Rotation, now: datetime) -> str:
    if refused := _is_parked(rotation):
        return refused
    if not _is_foreign(rotation):
        return "It was not parked because of somebody else's certificate."
    return _in_flight(rotation, now)


def _abandon(rotation: Rotation, now: datetime) -> str:
    if refused := _is_parked(rotation):
        return refused
    if _was_confirmed(rotation):
        return "NetSuite has proved that it holds its certificate."
    return _in_flight(rotation, now) if may_be_sent(rotation) else ""


def _is_parked(rotation: Rotation) -> str:
    if not rotation.is_open:
        return "The rotation has ended."
    return "" if rotation.state is State.FAILED else f"The rotation is {rotation.state}, not Failed."


def may_be_sent(rotation: Rotation) -> bool:
    """Whether NetSuite may have been sent the candidate."""
    if rotation.proofs.candidate is None:
        return False
    return rotation.doubt.since is not None or _was_confirmed(rotation)


def _was_confirmed(rotation: Rotation) -> bool:
    return "confirmation" in table.proofs_at(rotation.position)


def _is_foreign(rotation: Rotation) -> bool:
    return rotation.failure is not None and rotation.failure.code == ForeignRotation.code


def _in_flight(rotation: Rotation, now: datetime) -> str:
    until = rotation.doubt.in_flight_until
    if until is None or now > until:
        return ""
    return f"What was sent without an answer may still take effect, until {until:%Y-%m-%d %H:%M:%S} UTC."


_TOLD: Final = " --fingerprint SHA256"
_LOOKING: Final = re.compile(r"`keyturn rotation (?:restore|adopt) ID")
_ONLY_KNOWN: Final = (
    "Keyturn cannot look into this OpenAir, and NetSuite gives no certificate away: only one that Keyturn knows "
    "already can be adopted."
)
_COMMAND: Final = re.compile(r"`keyturn [^`]*`")
_GOING_ON: Final = re.compile(r"`keyturn rotation (resume|adopt|abandon) ")
_RESUMING: Final = re.compile(r"[,;]?\s+then run `keyturn rotation resume ID`")
_BY_ITSELF: Final = re.compile(r"(Nothing to do: )?Keyturn tries again by itself\.")

VERBS: Final = (
    Verb("watch", "keyturn rotation watch {id}", _watch),
    Verb("park", "keyturn rotation park {id}", _park),
    Verb("resume", "keyturn rotation resume {id}", _resume),
    Verb("confirm", "keyturn rotation confirm {id} --fingerprint SHA256", _confirm),
    Verb("restore", "keyturn rotation restore {id}", _restore, looks=True),
    Verb("adopt", "keyturn rotation adopt {id}", _adopt, looks=True),
    Verb("abandon", "keyturn rotation abandon {id}", _abandon),
)
"""Every verb on a rotation, with its precondition."""


_ENDED: Final = {
    None: "Nothing to do: both sides hold the new certificate.",
    Ending.ABANDONED: "Nothing to do: the rotation was abandoned, and NetSuite does not hold its certificate.",
    Ending.RESTORED: "Nothing to do: the rotation was given up, and both sides hold the previous certificate again.",
    Ending.ADOPTED: "Nothing to do: the rotation was given up for the certificate that both sides held by then.",
}


def why_not(verb: str, rotation: Rotation, now: datetime) -> str:
    """Why ``verb`` is not possible ``now`` (UTC), or empty when it is."""
    return next(each.why_not(rotation, now) for each in VERBS if each.name == verb)


def advise(rotation: Rotation, now: datetime) -> Advice:
    """The one next safe action ``now`` (UTC): one that is possible."""
    if not rotation.is_open:
        return Advice(_ENDED[rotation.ending], "")
    if rotation.restoring_since:
        unfinished = "Putting the previous certificate back was not finished."
        return _first_possible(("restore", "resume"), unfinished, rotation, now)
    if rotation.failure:
        sentence = resolve(_as_told(rotation.failure.next_action, rotation), rotation.id)
        wanted = tuple(dict.fromkeys(_GOING_ON.findall(sentence))) or ("resume",)
        if rotation.by_hand:  # going on helps whatever OpenAir holds
            wanted = tuple(sorted(wanted, key=lambda verb: verb != "resume"))
        return _first_possible(wanted, sentence, rotation, now)
    if rotation.awaits_person:
        return Advice(resolve(rotation.waiting_for, rotation.id), _command("watch", rotation))
    if rotation.waiting_for:
        again = f"{rotation.available_at:%Y-%m-%d %H:%M:%S} UTC"
        return Advice(f"Nothing to do: a worker tries again at {again}. {rotation.waiting_for}", "keyturn worker")
    return Advice("Nothing to do: a worker carries it on. Start one if none is running.", "keyturn worker")


def _as_told(sentence: str, rotation: Rotation) -> str:
    """``sentence`` with the option by which a person tells what OpenAir holds, where nobody else can look."""
    if not rotation.by_hand:
        return sentence
    sentence = _LOOKING.sub(lambda command: command[0] + _TOLD, sentence)
    return f"{sentence} {_ONLY_KNOWN}" if _is_foreign(rotation) else sentence


def _first_possible(verbs: tuple[str, ...], sentence: str, rotation: Rotation, now: datetime) -> Advice:
    """The first of ``verbs`` that is possible, after ``sentence`` and the reasons why those before it are not.

    The one that is advised first has the options that the sentence names; leave is not offered as a makeshift.
    """
    for verb in verbs:
        refused = why_not(verb, rotation, now)
        if not refused:
            named = re.search(f"`(keyturn rotation {verb} [^`]*)`", sentence) if verb == verbs[0] else None
            return Advice(sentence, named[1] if named else _command(verb, rotation))
        if refused not in sentence:
            sentence = f"{sentence} {refused}"
    return Advice(sentence, "")


def resolve(sentence: str, rotation_id: str) -> str:
    """Put the rotation's id in place of ``ID`` in the commands that ``sentence`` names, ready to paste."""
    return _COMMAND.sub(lambda command: re.sub(r"\bID\b", rotation_id, command[0]), sentence)


def for_a_command(next_action: str) -> str:
    """``next_action`` of an error that a command met: unlike a rotation, it is not repeated unless a person does so."""
    return _BY_ITSELF.sub("Repeat the command after a while.", next_action)


def outside_a_rotation(next_action: str) -> str:
    """``next_action`` of an error that no rotation met: without the advice to resume one, or to wait for it."""
    return for_a_command(_RESUMING.sub("", next_action))


def inside_a_rotation(next_action: str) -> str:
    """``next_action`` of an error that parked a rotation: that one is resumed, where a command would be repeated."""
    return next_action.replace("repeat the command", "run `keyturn rotation resume ID`")


def _command(name: str, rotation: Rotation) -> str:
    return next(verb for verb in VERBS if verb.name == name).command_for(rotation)
