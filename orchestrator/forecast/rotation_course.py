"""One rotation, carried forward on a fake clock, through the rules of the engine: which step is next (states/table.py),
how long it is postponed (orchestrator/retry.py), when it is parked or restored (states/machine.py).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from orchestrator.retry import RESTORE, TABLE
from states import machine, preconditions, steps
from states.certificate import Certificate, validity
from states.errors import GaveUp, TryLater
from states.next_action import Verb
from states.rotation import Candidate, Ending, Receipt, Rotation
from states.state import State
from states.table import NEXT, Edge

STEP_TAKES: Final = timedelta(seconds=15)
"""How long each step takes where nothing fails. An assumption: with systems that answer at once, it is a second."""
_DOWN: Final = TryLater("The system is down.")


@dataclass(frozen=True, slots=True)
class Downtime:
    """A time in which NetSuite and OpenAir both refuse every request."""

    begins: datetime
    ends: datetime
    """Both UTC. From the second on, requests succeed again."""

    def contains(self, moment: datetime) -> bool:
        """Whether a request at ``moment`` (UTC) is refused."""
        return self.begins <= moment < self.ends


class Outcome(StrEnum):
    """How a rotation ends in the forecast."""

    COMPLETED = "completed"
    RESTORED = "restored"
    """OpenAir did not take the certificate, and the previous one was put back: the schedule tries again."""
    LEFT = "left"
    """It waits for a person. In the forecast no person acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A rotation as the forecast leaves it."""

    rotation: Rotation
    at: datetime
    """When it ended, or began to wait for a person (UTC)."""
    outcome: Outcome
    postponed: bool
    """Whether a step was postponed because the systems were down."""

    @property
    def skew(self) -> timedelta:
        """How long imports were refused; while a rotation waits for a person, up to when that began."""
        return self.rotation.skew(self.at) or timedelta()


def carry(rotation: Rotation, downtime: Downtime | None) -> Carried:
    """Carry ``rotation`` from its ``available_at`` on, until it ends or waits for a person."""
    postponed = False
    while preconditions.goes_on(rotation) and not rotation.awaits_person:
        rotation = _advance(rotation, downtime)
        edge, now = NEXT.get(rotation.state), rotation.available_at
        if edge is None or _is_for_person(edge, rotation):
            break
        assert edge.step
        policy = TABLE[edge.step]
        now += policy.mean_round
        if downtime and not downtime.contains(now):  # the last try of this round succeeds
            rotation = replace(rotation, available_at=now)
            continue
        postponed = True
        until = policy.next_try(rotation.tries, _DOWN, now)
        if until is None:
            rotation = machine.fail(rotation, GaveUp(_DOWN.message), now)
            break
        rotation = replace(rotation, tries=rotation.tries + 1, available_at=until)
    if rotation.state is State.COMPLETED:
        return Carried(rotation=rotation, at=rotation.available_at, outcome=Outcome.COMPLETED, postponed=postponed)
    return _restore(rotation, rotation.available_at, downtime, postponed=postponed)


def _is_for_person(edge: Edge, rotation: Rotation) -> bool:
    """Whether a person has to act: to be ready before the upload (states/readiness.py), or to save the certificate."""
    return rotation.circumstances.by_hand and (edge.begins_skew or edge.urgent)


def _advance(rotation: Rotation, downtime: Downtime | None) -> Rotation:
    """Make the moves of the steps that succeed one after another; the next one, if any, is refused or a person's.

    Their proofs are empty, so that states.machine would refuse them.
    """
    state, now, skew_from = rotation.state, rotation.available_at, rotation.skew_from
    proofs: dict[str, Any] = {}
    while (edge := NEXT.get(state)) and not _is_for_person(edge, rotation):
        if edge.step is not steps.generate_key and downtime and downtime.contains(now):
            break
        began, now = now, now + STEP_TAKES
        state = edge.target
        if edge.brings == "candidate":
            proofs[edge.brings] = _candidate(rotation, began)
        elif edge.begins_skew:
            skew_from = skew_from or now
        else:
            proofs[edge.brings] = Receipt("", now)
    if state is rotation.state:
        return rotation
    return replace(
        rotation,
        state=state,
        proofs=replace(rotation.proofs, **proofs),
        skew_from=skew_from,
        tries=0,
        available_at=now,
        closed_at=now if state is State.COMPLETED else None,
    )


def _candidate(rotation: Rotation, now: datetime) -> Candidate:
    not_before, not_after = validity(now, timedelta(days=rotation.policy.days))
    return Candidate(Certificate("", "", not_before, not_after), b"")


def _restore(rotation: Rotation, now: datetime, downtime: Downtime | None, *, postponed: bool) -> Carried:
    """Restore the previous certificate where Keyturn does so by itself; otherwise leave the rotation to a person."""
    left = Carried(rotation=rotation, at=now, outcome=Outcome.LEFT, postponed=postponed)
    if rotation.state is not State.FAILED or not preconditions.goes_on(rotation):
        return left
    while downtime and downtime.contains(now):
        until = RESTORE.next_try(rotation.tries, _DOWN, now)
        if until is None:
            return replace(left, at=now)
        rotation, now = replace(rotation, tries=rotation.tries + 1), until
    if preconditions.why_not(Verb.RESTORE, rotation, now):
        return replace(left, at=now)
    now += STEP_TAKES
    restored = replace(rotation, ending=Ending.RESTORED, closed_at=now)
    return Carried(rotation=restored, at=now, outcome=Outcome.RESTORED, postponed=postponed)
