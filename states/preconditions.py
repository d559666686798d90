"""What a person can do with a rotation now, and what is best. Both follow from the stored rotation and the time.

Conditions that only NetSuite or OpenAir can answer are checked by the verb itself (states/recovery.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from states import table
from states.approval import APPROVABLE
from states.connection import OnRefusal
from states.errors import (
    CannotSign,
    CertificateRecordMissing,
    Drift,
    ForeignRotation,
    IllegalMove,
    JournalBroken,
    ParkedByPerson,
    Tampered,
)
from states.next_action import LOOK_AGAIN, NextAction, Verb, by_hand
from states.rotation import Ending, Failure, Rotation
from states.state import State


def _watch(rotation: Rotation, _now: datetime) -> str:
    return "" if rotation.is_open else "The rotation has ended."


def _park(rotation: Rotation, _now: datetime) -> str:
    if not rotation.is_open:
        return "The rotation has ended."
    return "It is parked already." if rotation.state is State.FAILED else ""


def _carry(rotation: Rotation, now: datetime) -> str:
    if not rotation.is_open:
        return "The rotation has ended."
    if rotation.failure:
        return "It is parked: resume it."
    if rotation.awaits_person:
        return "It waits for a person."
    if rotation.state is State.REQUESTED and rotation.available_at > now:
        # A new rotation waits because a write of the one before may still take effect: that wait is about safety.
        return f"It has not begun: it is held off until {rotation.available_at:%Y-%m-%d %H:%M:%S} UTC."
    return ""


def _resume(rotation: Rotation, now: datetime) -> str:
    if refused := _is_usable(rotation):
        return refused
    # Sending the candidate again is safe, but not while the previous certificate may still replace it.
    return _in_flight(rotation, now) if rotation.restoring_since else ""


def _begin(rotation: Rotation, _now: datetime) -> str:
    is_next = rotation.awaits_person and rotation.state is table.BEFORE_UPLOAD
    return "" if is_next else "Its upload does not wait for a person."


def _confirm(rotation: Rotation, _now: datetime) -> str:
    is_next = rotation.awaits_person and rotation.state in table.AFTER_UPLOAD
    return "" if is_next else "No certificate in OpenAir waits for a person's confirmation."


def _restore(rotation: Rotation, now: datetime) -> str:
    # The write in flight of an unfinished restore installs the certificate that this restore wants.
    return _restore_at_last(rotation, now) or ("" if rotation.restoring_since else _in_flight(rotation, now))


def _restore_at_last(rotation: Rotation, now: datetime) -> str:
    """Why restoring is not possible, even when nothing is in flight any more."""
    if refused := _is_usable(rotation):
        return refused
    if not may_be_sent(rotation):
        return "No upload of its certificate is recorded, so there is nothing to put back."
    if rotation.previous is None:
        return "There was no previous certificate."
    if not rotation.circumstances.previous_key_kept:
        return "The previous certificate's private key was not kept."
    if now > rotation.previous.not_after:
        return f"The previous certificate expired on {rotation.previous.not_after:%Y-%m-%d}."
    return ""


def _adopt(rotation: Rotation, now: datetime) -> str:
    if refused := _is_usable(rotation):
        return refused
    if not _is_foreign(rotation):
        return "It was not parked because of a foreign certificate."
    return _in_flight(rotation, now)


def _abandon(rotation: Rotation, now: datetime) -> str:
    if refused := _is_parked(rotation):
        return refused
    # What a changed rotation says of its proofs decides nothing: NetSuite is asked.
    if _was_confirmed(rotation) and not rotation.circumstances.broken:
        return "NetSuite has proved that it holds its certificate."
    return _in_flight(rotation, now) if may_be_sent(rotation) else ""


def _withdraw(rotation: Rotation, _now: datetime) -> str:
    return "" if rotation.circumstances.approval else "No request waits for approval."


def _is_parked(rotation: Rotation) -> str:
    if not rotation.is_open:
        return "The rotation has ended."
    return "" if rotation.state is State.FAILED else f"The rotation is {rotation.state}, not Failed."


def _is_usable(rotation: Rotation) -> str:
    if rotation.is_open and rotation.circumstances.broken:
        return "It was changed outside Keyturn, so that it can only be abandoned."
    return _is_parked(rotation)


def may_be_sent(rotation: Rotation) -> bool:
    """Whether NetSuite may have been sent the candidate."""
    if rotation.proofs.candidate is None:
        return False
    return rotation.doubt.since is not None or _was_confirmed(rotation)


def _was_confirmed(rotation: Rotation) -> bool:
    return "confirmation" in table.proofs_at(rotation.position)


def restores_itself(rotation: Rotation, now: datetime) -> bool:
    """Whether Keyturn may restore the previous certificate of a parked rotation by itself, now or after the hold-off.

    The policy allows it, imports may be refused, and what parked the rotation is no one's decision and leaves both
    systems readable. That OpenAir holds the previous certificate is read when it is restored.
    """
    return (
        rotation.failure is not None
        and rotation.failure.code not in FOR_A_PERSON
        and rotation.position in (table.BEFORE_UPLOAD, table.OUTAGE)
        and rotation.policy.on_refusal is OnRefusal.RESTORE
        and not rotation.circumstances.by_hand
        and not rotation.circumstances.broken
        and not _restore_at_last(rotation, now)
    )


def goes_on(rotation: Rotation) -> bool:
    """Whether a worker carries the rotation on: it has a step left, or Keyturn restores the previous certificate."""
    return rotation.is_open and (rotation.state is not State.FAILED or not rotation.awaits_person)


def is_urgent(rotation: Rotation) -> bool:
    """Whether imports may be refused until a worker carries the rotation on."""
    return goes_on(rotation) and rotation.state in (table.OUTAGE, State.FAILED)


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
    Verb.CARRY: _carry,
    Verb.RESUME: _resume,
    Verb.BEGIN: _begin,
    Verb.CONFIRM: _confirm,
    Verb.RESTORE: _restore,
    Verb.ADOPT: _adopt,
    Verb.ABANDON: _abandon,
    Verb.WITHDRAW: _withdraw,
}
"""Every verb on a rotation, with its precondition: returns the reason against it, or an empty string."""

FOR_A_PERSON: Final = frozenset(
    {ParkedByPerson.code, JournalBroken.code, Tampered.code, IllegalMove.code}
    | {ForeignRotation.code, Drift.code, CertificateRecordMissing.code, CannotSign.code}
)
"""The errors after which a person decides: a person parked the rotation, or another party changed what is stored or
what a system holds. Restoring would be refused, would not help, or would hide that."""

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
    """Return why ``verb`` is not possible ``now`` (UTC), as a sentence; empty if it is possible."""
    return PRECONDITIONS[verb](rotation, now)


def action_for(verb: Verb, rotation: Rotation) -> NextAction:
    """Return the action for ``verb`` on ``rotation``, with the options that it needs."""
    return _complete(NextAction(verb), rotation)


def advise(rotation: Rotation, now: datetime) -> NextAction:
    """Return the next safe action ``now`` (UTC) and its alternatives. Each of them is possible."""
    if not rotation.is_open:
        return NextAction(Verb.WAIT, because=_ENDED[rotation.ending])
    if rotation.failure:
        return _with_approval(_advise_parked(rotation, rotation.failure, now), rotation, now)
    if rotation.awaits_person:
        verb = Verb.BEGIN if rotation.state is table.BEFORE_UPLOAD else Verb.CONFIRM
        return _complete(by_hand(rotation.waiting_for, NextAction(verb)), rotation)
    is_postponed = rotation.available_at > now and not why_not(Verb.CARRY, rotation, now)
    at_once = (NextAction(Verb.CARRY),) if is_postponed else ()
    return _complete(NextAction(Verb.WORKER, because=_goes_on(rotation, now), alternatives=at_once), rotation)


def _advise_parked(rotation: Rotation, failure: Failure, now: datetime) -> NextAction:
    if rotation.circumstances.broken:
        # Why it was parked does not matter any more: what that error advises may not be possible, or not help.
        return _complete(_possible(Tampered.next_action.resuming().choices, rotation, now), rotation)
    if goes_on(rotation):
        when = f" at {rotation.available_at:%Y-%m-%d %H:%M:%S} UTC" if rotation.available_at > now else ""
        because = f"A worker restores the previous certificate{when}. {rotation.waiting_for}".strip()
        return NextAction(Verb.WORKER, because=because)
    if rotation.restoring_since:
        unfinished = NextAction(Verb.RESTORE, because="Putting the previous certificate back was not finished.")
        advised = _possible((unfinished, NextAction(Verb.RESUME)), rotation, now)
        return _complete(replace(advised, alternatives=()), rotation)
    choices = _with_restore(rotation, failure)
    if rotation.circumstances.by_hand:  # Keyturn cannot read OpenAir, and resuming helps in every case
        choices = tuple(sorted(choices, key=lambda each: each.leads_to(Verb.RESUME), reverse=True))
    choices = _safe_first(choices)
    return _complete(_possible(choices, rotation, now), rotation)


def _with_approval(action: NextAction, rotation: Rotation, now: datetime) -> NextAction:
    """Return the action of the person who approves what another one asked for; ``action`` where no request waits.

    What else is advised is what could be done instead, except what would need an approval of its own.
    """
    asked = rotation.circumstances.approval
    if asked is None or not asked.is_valid(now) or why_not(asked.wanted.verb, rotation, now):
        return action
    others = tuple(each for each in action.choices if not any(map(each.leads_to, APPROVABLE)))
    return _complete(asked.advice(*others), rotation)


def _goes_on(rotation: Rotation, now: datetime) -> str:
    if not rotation.waiting_for:
        return "A worker carries the rotation on."
    when = f"at {rotation.available_at:%Y-%m-%d %H:%M:%S} UTC" if rotation.available_at > now else "now"
    return f"A worker tries again {when}. {rotation.waiting_for}"


def _with_restore(rotation: Rotation, failure: Failure) -> tuple[NextAction, ...]:
    """Return what the failure advises and, in an outage, what ends it where OpenAir cannot be corrected soon.

    Restoring asks both systems: where the connection has to be edited or OpenAir to consent first, restoring would be
    refused for the same reason.
    """
    choices = failure.next_action.choices
    is_edited_first = any(map(failure.next_action.leads_to, (Verb.EDIT_CONNECTION, Verb.AUTHORIZE)))
    if rotation.position is not table.OUTAGE or failure.code in FOR_A_PERSON or is_edited_first:
        return choices
    return (*choices, NextAction(Verb.RESTORE, because="To end the outage now, restore the previous certificate."))


def _safe_first(choices: tuple[NextAction, ...]) -> tuple[NextAction, ...]:
    """Return ``choices`` so that none comes first that replaces another party's certificate: a look again does then."""
    if not choices[0].replaces_others:
        return choices
    return (LOOK_AGAIN, *sorted(choices, key=lambda each: each.replaces_others))


def _possible(choices: tuple[NextAction, ...], rotation: Rotation, now: datetime) -> NextAction:
    """Return the first possible choice, the reasons against earlier ones, and the other possible ones as alternatives.

    If none is, return WAIT with the reasons; for a changed rotation, to abandon it when nothing is in flight any more.
    """
    reasons: list[str] = []
    for place, choice in enumerate(choices):
        if not (refused := _refused(choice, rotation, now)):
            others = tuple(each for each in choices[place + 1 :] if not _refused(each, rotation, now))
            return _after(reasons, choice, others)
        reasons += [each for each in (choice.because, refused) if each and each not in reasons]
    because = " ".join(reasons)
    is_broken = rotation.circumstances.broken
    return by_hand(because, NextAction(Verb.ABANDON)) if is_broken else NextAction(Verb.WAIT, because=because)


def _after(reasons: list[str], choice: NextAction, others: tuple[NextAction, ...]) -> NextAction:
    """Return ``choice`` with the ``reasons`` against better ones, and ``others`` as alternatives."""
    if reasons and choice.verb is Verb.RESUME and choice.options:
        # A permission to overwrite must not replace a wait: a plain resume only looks again, so it comes first.
        choice, others = NextAction(Verb.RESUME), (choice, *others)
    return replace(choice, because=" ".join(filter(None, [*reasons, choice.because])), alternatives=others)


def _refused(choice: NextAction, rotation: Rotation, now: datetime) -> str:
    verbs = [each.verb for each in choice.walk() if each.verb in PRECONDITIONS]
    return next((refused for verb in verbs if (refused := why_not(verb, rotation, now))), "")


def _complete(action: NextAction, rotation: Rotation) -> NextAction:
    """Return ``action`` about ``rotation``, with the fingerprint option if a person reads OpenAir."""

    def add(each: NextAction) -> NextAction:
        if each.verb is Verb.CONFIRM:  # the fingerprint is the person's to read in OpenAir: it is never filled in
            return replace(each, options={**each.options, "fingerprint": None})
        if not (rotation.circumstances.by_hand and each.verb in (Verb.RESTORE, Verb.ADOPT)):
            return each
        reason = _ONLY_KNOWN if each.verb is Verb.ADOPT else ""
        because = " ".join(filter(None, [each.because, reason]))
        return replace(each, options={**each.options, "fingerprint": None}, because=because)

    return action.mapped(add).about(rotation=rotation.id, connection=rotation.connection)
