"""The verbs on a rotation, as pages and programs ask for them: how each is rehearsed, and how it is done."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.operations.approvals import By
from orchestrator.operations.carriers import Carriers
from orchestrator.operations.recovery import Recovery
from orchestrator.operations.rehearsal import Rehearsal, Rehearsals
from orchestrator.operations.rotations import Rotations
from orchestrator.stop_request import StopRequest
from states.approval import APPROVABLE, Wanted
from states.certificate import plain
from states.errors import IllegalMove
from states.next_action import Verb
from states.preconditions import why_not
from states.rotation import Rotation

_log = logging.getLogger("keyturn.verbs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a verb is done. Each verb knows some of them."""

    create_record: bool = False
    overwrite: bool = False
    fingerprint: str = ""
    """The SHA-256 of the certificate that a person sees in OpenAir."""
    approves: int | None = None
    """The number of the request that is approved; None where no one's is."""

    def wanted(self, verb: Verb) -> Wanted:
        """What two people have to agree on, of those that the verb knows."""
        fingerprint = "" if verb is Verb.ABANDON else plain(self.fingerprint)
        return Wanted(verb=verb, overwrite=verb is Verb.RESTORE and self.overwrite, fingerprint=fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks for a verb, and on what they decided."""

    actor: str
    reason: str
    version: int
    """The rotation's version that they saw."""

    def by(self, options: Options) -> By:
        """Who asks, or approves."""
        return By(actor=self.actor, reason=self.reason, approves=options.approves)


class Verbs:
    """Every verb on a rotation that a person or a program may ask for, except to watch and to explain."""

    def __init__(
        self,
        rotations: Rotations,
        recovery: Recovery,
        rehearsals: Rehearsals,
        carriers: Carriers,
        stop: StopRequest,
    ) -> None:
        self.rotations = rotations
        self.recovery = recovery
        self.rehearsals = rehearsals
        self.carriers = carriers
        self._stop = stop

    def rehearse(self, verb: Verb, rotation_id: str, options: Options) -> Rehearsal:
        """Say what the verb would do now; only the reads are made. Raises what the verb would raise."""
        return _ACTS[verb].rehearse(self.rehearsals, rotation_id, options)

    def do(self, verb: Verb, rotation_id: str, options: Options, asked: Asked) -> Rotation:
        """Do it, and return the rotation as it was stored.

        What is being sent is finished before this process ends. Raises NotFound, Stale where the rotation is not at
        the version that was seen any more, and what the verb raises.
        """
        before = self.rotations.show(rotation_id, version=asked.version)
        with self._stop.carrying(before):
            return _ACTS[verb].do(self, before, options, asked)

    def begin(self, verb: Verb, rotation_id: str, options: Options, asked: Asked) -> Rotation:
        """Do it as `do` does, without waiting for other systems: return the rotation as it was stored by then.

        A verb that asks them goes on in a thread of this process. What it changes is in the journal; why it was not
        done, the carriers know. Raises NotFound, Stale, IllegalMove where it is not possible, or another verb is under
        way; Exhausted; and what a verb raises that asks no other system.
        """
        if verb not in REMOTE:
            return self.do(verb, rotation_id, options, asked)
        before, approvals = self.rotations.show(rotation_id, version=asked.version), self.recovery.approvals
        if approvals.must_ask(before, options.wanted(verb), options.approves):  # which only stores the request
            return self.do(verb, before.id, options, asked)
        if refused := why_not(verb, before, self.rotations.now()):
            raise IllegalMove(f"{verb.capitalize()} is not possible for rotation {before.id}: {refused}")
        # Refused at once; the verb looks again, at the version that it acts on.
        approvals.approve(before, options.wanted(verb), asked.by(options))
        self.carriers.begin(verb, before, asked.actor, lambda: self.do(verb, before.id, options, asked))
        return before


@dataclass(frozen=True, slots=True)
class _Act:
    rehearse: Callable[[Rehearsals, str, Options], Rehearsal]
    do: Callable[[Verbs, Rotation, Options, Asked], Rotation]


def _carry(verbs: Verbs, before: Rotation, _options: Options, asked: Asked) -> Rotation:
    carried = verbs.carriers.carry(before, asked.actor)
    # It changes nothing by itself, so no journal entry says who wanted it.
    _log.info("carry asked for", extra={"rotation": carried.id, "actor": asked.actor, "reason": asked.reason})
    return carried


def _resume(verbs: Verbs, before: Rotation, options: Options, asked: Asked) -> Rotation:
    return verbs.rotations.resume(
        before.id,
        actor=asked.actor,
        reason=asked.reason,
        create_record=options.create_record,
        overwrite=options.overwrite,
        version=asked.version,
    )


def _restore(verbs: Verbs, before: Rotation, options: Options, asked: Asked) -> Rotation:
    return verbs.recovery.restore(
        before.id, overwrite=options.overwrite, seen=options.fingerprint, **_closing(options, asked)
    )


def _closing(options: Options, asked: Asked) -> dict[str, Any]:
    """What every verb that closes a rotation is given."""
    return {
        "actor": asked.actor,
        "reason": asked.reason,
        "version": asked.version,
        "approves": options.approves,
    }


_ACTS: Final[Mapping[Verb, _Act]] = {
    Verb.PARK: _Act(
        lambda rehearsals, rotation, _: rehearsals.park(rotation),
        lambda verbs, before, _, asked: verbs.rotations.park(
            before.id, actor=asked.actor, reason=asked.reason, version=asked.version
        ),
    ),
    Verb.CARRY: _Act(lambda rehearsals, rotation, _: rehearsals.carry(rotation), _carry),
    Verb.RESUME: _Act(
        lambda rehearsals, rotation, options: rehearsals.resume(
            rotation, create_record=options.create_record, overwrite=options.overwrite
        ),
        _resume,
    ),
    Verb.BEGIN: _Act(
        lambda rehearsals, rotation, _: rehearsals.begin(rotation),
        lambda verbs, before, _, asked: verbs.rotations.begin(
            before.id, actor=asked.actor, reason=asked.reason, version=asked.version
        ),
    ),
    Verb.CONFIRM: _Act(
        lambda rehearsals, rotation, options: rehearsals.confirm(rotation, options.fingerprint),
        lambda verbs, before, options, asked: verbs.rotations.confirm(
            before.id, options.fingerprint, actor=asked.actor, reason=asked.reason, version=asked.version
        ),
    ),
    Verb.RESTORE: _Act(
        lambda rehearsals, rotation, options: rehearsals.restore(
            rotation, overwrite=options.overwrite, seen=options.fingerprint
        ),
        _restore,
    ),
    Verb.ADOPT: _Act(
        lambda rehearsals, rotation, options: rehearsals.adopt(rotation, seen=options.fingerprint),
        lambda verbs, before, options, asked: verbs.recovery.adopt(
            before.id, seen=options.fingerprint, **_closing(options, asked)
        ),
    ),
    Verb.ABANDON: _Act(
        lambda rehearsals, rotation, _: rehearsals.abandon(rotation),
        lambda verbs, before, options, asked: verbs.recovery.abandon(before.id, **_closing(options, asked)),
    ),
    Verb.WITHDRAW: _Act(
        lambda rehearsals, rotation, _: rehearsals.withdraw(rotation),
        lambda verbs, before, _, asked: verbs.recovery.approvals.withdraw(
            before.id, actor=asked.actor, reason=asked.reason, version=asked.version
        ),
    ),
}
"""How each verb is rehearsed and done."""
REMOTE: Final = APPROVABLE
"""The verbs that ask the other systems before they are done; the others only store a decision."""
VERBS: Final = tuple(_ACTS)
"""The verbs that can be asked for here."""
