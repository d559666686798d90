"""A second person's approval of what closes a parked rotation: the request for it, and what is wrong with approving it.

A request is an entry of the rotation's journal. It is pending while it is the last one: each later change of the
rotation ends it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from states.errors import (
    ApprovalDiffers,
    ApprovalExpired,
    ApprovalMissing,
    ApprovalPending,
    SamePerson,
)
from states.next_action import NextAction, Value, Verb
from states.timing import APPROVED_WITHIN

APPROVABLE: Final = (Verb.RESTORE, Verb.ADOPT, Verb.ABANDON)
"""The verbs that close a parked rotation: what an installation can ask two people for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person wants to be done: the same for the one who asks and the one who approves."""

    verb: Verb
    overwrite: bool = False
    fingerprint: str = ""
    """What a person read in OpenAir, in plain form; empty where Keyturn reads it itself."""

    def to_data(self) -> dict[str, object]:
        """Return it in JSON's types."""
        return {"verb": self.verb.value, "overwrite": self.overwrite, "fingerprint": self.fingerprint}

    @classmethod
    def from_data(cls, data: Mapping[str, object]) -> "Wanted":
        """Read what ``to_data`` returned. Raises ValueError or KeyError for anything else."""
        return cls(
            verb=Verb(str(data["verb"])), overwrite=data["overwrite"] is True, fingerprint=str(data["fingerprint"])
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """A person's request that another one approves what they want."""

    rotation: str
    number: int
    """That of its journal entry: an approval names it."""
    wanted: Wanted
    version: int
    """The rotation's version since the request."""
    actor: str
    reason: str
    at: datetime
    """UTC."""

    @property
    def expires_at(self) -> datetime:
        """From when on it cannot be approved any more (UTC)."""
        return self.at + APPROVED_WITHIN

    def is_valid(self, now: datetime) -> bool:
        """Whether it can be approved at ``now`` (UTC). One from a clock that is ahead lasts no longer for that."""
        return abs(now - self.at) < APPROVED_WITHIN

    @property
    def sentence(self) -> str:
        """Who asks for what, and why."""
        return f"{self.actor} asks to {self.wanted.verb} it: “{self.reason}”. Another person has to approve that."

    @property
    def action(self) -> NextAction:
        """The verb with which another person approves it."""
        options: dict[str, Value] = {"rotation": self.rotation, "approves": str(self.number)}
        if self.wanted.overwrite:
            options["overwrite"] = True
        if self.wanted.fingerprint:
            options["fingerprint"] = None  # the approver reads it in OpenAir, too
        return NextAction(self.wanted.verb, options, because=self.sentence)

    def advice(self, *others: NextAction) -> NextAction:
        """What can be done about it: approve it or take it back, or one of the ``others``.

        What replaces another party's certificate is a choice: the next safe action is to look at both systems.
        """
        approve, rest = self.action, (NextAction(Verb.WITHDRAW, {"rotation": self.rotation}), *others)
        if not approve.replaces_others:
            return replace(approve, alternatives=rest)
        look = f"{self.sentence} It may replace another party's certificate: look at both systems first."
        return NextAction(Verb.DOCTOR, because=look, alternatives=(replace(approve, because=""), *rest))

    @property
    def evidence(self) -> dict[str, object]:
        """What the journal keeps of it where the rotation is closed."""
        return {"approves": self.number, "asked_by": self.actor, "asked_because": self.reason}


def check_request(pending: ApprovalRequest | None, now: datetime) -> None:
    """Raise ApprovalPending where another request waits: it is approved or withdrawn first."""
    if pending and pending.is_valid(now):
        raise ApprovalPending(pending.sentence, next_action=pending.advice())


def check_approval(
    pending: ApprovalRequest | None, number: int, wanted: Wanted, *, rotation: str, actor: str, now: datetime
) -> ApprovalRequest:
    """Return the pending request, which ``actor`` approves by its ``number``.

    Raises ApprovalMissing where that request does not wait (any more), ApprovalExpired, ApprovalDiffers where something
    else was asked for, SamePerson.
    """
    again = NextAction(wanted.verb, {"rotation": rotation}, because="Ask for it again, if it is still wanted.")
    if pending is None or pending.number != number:
        message = f"Request {number} of rotation {rotation} does not wait for approval: the rotation was changed since."
        raise ApprovalMissing(message, next_action=pending.advice() if pending else again)
    if not pending.is_valid(now):
        message = f"{pending.actor}'s request is of {pending.at:%Y-%m-%d %H:%M} UTC, and expired after 24 hours."
        raise ApprovalExpired(message, next_action=again)
    if pending.wanted != wanted:
        message = f"{pending.actor} did not ask for this: {_described(pending.wanted)}, and not {_described(wanted)}."
        raise ApprovalDiffers(message, next_action=pending.advice())
    if pending.actor.casefold() == actor.casefold():
        message = f"{pending.actor} asked for it, so that someone else has to approve it."
        raise SamePerson(message, next_action=NextAction(Verb.WITHDRAW, {"rotation": rotation}))
    return pending


def _described(wanted: Wanted) -> str:
    words = [wanted.verb.value]
    words += ["replacing any certificate"] if wanted.overwrite else []
    words += [f"with {wanted.fingerprint} in OpenAir"] if wanted.fingerprint else []
    return " ".join(words)
