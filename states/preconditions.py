"""What a person can do with a rotation now, and what is best: derived from what is stored of it, and the time.

What only the two systems can answer is asked when it is done (states/recovery.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from states import table
from states.errors import ForeignRotation
from states.next_action import NextAction, Verb, by_hand
from states.rotation import Ending, Rotation
from states.state import State


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


PRECONDITIONS: Final[Mapping[Verb, Callable[[Rotation, datetime], str]]] = {
    Verb.WATCH: _watch,
    Verb.PARK: _park,
    Verb.RESUME: _resume,
    Verb.CONFIRM: _confirm,
    Verb.RESTORE: _restore,
    Verb.ADOPT: _adopt,
    Verb.ABANDON: _abandon,
}
"""Every verb on a rotation, with what refuses it: a sentence, or an empty string where it is possible."""

_ENDED: Final = {
    None: "Both sides hold the new certificate.",
    Ending.ABANDONED: "The rotation was abandoned, and NetSuite does not hold its certificate.",
    Ending.RESTORED: "The rotation was given up, and both sides hold the previous certificate again.",
    Ending.ADOPTED: "The rotation was given up for the certificate that both sides held by then.",
}
_ONLY_KNOWN: Final = (
    "Keyturn cannot read this OpenAir, and NetSuite gives no certificate away: only a certificate that Keyturn knows "
    "already can be adopted."
)


def why_not(verb: Verb, rotation: Rotation, now: datetime) -> str:
    """Why ``verb`` is not possible ``now`` (UTC), as a sentence, or empty when it is."""
    return PRECONDITIONS[verb](rotation, now)


def action_for(verb: Verb, rotation: Rotation) -> NextAction:
    """``verb`` on ``rotation``, with the options that it needs."""
    return _complete(NextAction(verb), rotation)


def advise(rotation: Rotation, now: datetime) -> NextAction:
    """The next safe action ``now`` (UTC), and its alternatives: each of them is possible."""
    if not rotation.is_open:
        return NextAction(Verb.WAIT, because=_ENDED[rotation.ending])
    if rotation.restoring_since:
        unfinished = NextAction(Verb.RESTORE, because="Putting the previous certificate back was not finished.")
        advised = _possible((unfinished, NextAction(Verb.RESUME)), rotation, now)
        return _complete(replace(advised, alternatives=()), rotation)
    if rotation.failure:
        choices = rotation.failure.next_action.choices
        if rotation.by_hand:  # resuming helps whatever OpenAir holds
            choices = tuple(sorted(choices, key=lambda each: each.leads_to(Verb.RESUME), reverse=True))
        return _complete(_possible(choices, rotation, now), rotation)
    if rotation.awaits_person:
        return _complete(by_hand(rotation.waiting_for, NextAction(Verb.CONFIRM)), rotation)
    return NextAction(Verb.WORKER, because=_goes_on(rotation, now))


def _goes_on(rotation: Rotation, now: datetime) -> str:
    if not rotation.waiting_for:
        return "A worker carries the rotation on."
    when = f"at {rotation.available_at:%Y-%m-%d %H:%M:%S} UTC" if rotation.available_at > now else "now"
    return f"A worker tries again {when}. {rotation.waiting_for}"


def _possible(choices: tuple[NextAction, ...], rotation: Rotation, now: datetime) -> NextAction:
    """The first of ``choices`` that is possible, with the reasons why those before it are not; the others after it.

    Where none is possible, there is nothing to do but to wait.
    """
    reasons: list[str] = []
    for place, choice in enumerate(choices):
        refused = _refused(choice, rotation, now)
        if not refused:
            others = tuple(each for each in choices[place + 1 :] if not _refused(each, rotation, now))
            return _after(reasons, choice, others)
        reasons += [each for each in (choice.because, refused) if each and each not in reasons]
    return NextAction(Verb.WAIT, because=" ".join(reasons))


def _after(reasons: list[str], choice: NextAction, others: tuple[NextAction, ...]) -> NextAction:
    """``choice``, after the ``reasons`` why better ones are not possible, and ``others``."""
    if reasons and choice.verb is Verb.RESUME and choice.options:
        # Permission to overwrite is no way round a wait: looking again is safe, and comes first.
        choice, others = NextAction(Verb.RESUME), (choice, *others)
    return replace(choice, because=" ".join([*reasons, choice.because]).strip(), alternatives=others)


def _refused(choice: NextAction, rotation: Rotation, now: datetime) -> str:
    verbs = [each.verb for each in choice.walk() if each.verb in PRECONDITIONS]
    return next((refused for verb in verbs if (refused := why_not(verb, rotation, now))), "")


def _complete(action: NextAction, rotation: Rotation) -> NextAction:
    """``action`` on ``rotation``, with the fingerprint where a person reads it from OpenAir."""

    def add(each: NextAction) -> NextAction:
        if each.verb is Verb.CONFIRM:
            made = rotation.proofs.candidate.fingerprint if rotation.proofs.candidate else None
            return replace(each, options={**each.options, "fingerprint": made})
        if not (rotation.by_hand and each.verb in (Verb.RESTORE, Verb.ADOPT)):
            return each
        reason = _ONLY_KNOWN if each.verb is Verb.ADOPT else ""
        because = f"{each.because} {reason}".strip()
        return replace(each, options={**each.options, "fingerprint": None}, because=because)

    return action.mapped(add).about(rotation=rotation.id, connection=rotation.connection)
