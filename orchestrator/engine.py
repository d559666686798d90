"""Runs a claimed rotation: step → move → store, until no step is due.

The engine does not know what a step does (states/steps.py), which moves are legal (states/machine.py) or how they are
stored (persistence/store.py). It decides what follows a step's result: the next step, a postponement, or parking.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from orchestrator import events, retry
from orchestrator.events import Listener, ignore
from orchestrator.leases import LeaseRenewer
from orchestrator.restoration import Restoration
from orchestrator.retry import RETRIED, RetriedStep
from orchestrator.step_attempt import StepAttempt
from persistence.journal import POSTPONED, RESTORE_REFUSED
from persistence.store import Claim, Store
from states import due, machine, preconditions
from states.errors import (
    AwaitingPerson,
    DataKeyRetired,
    GaveUp,
    HeldOff,
    IllegalMove,
    InternalError,
    KeyturnError,
    Stale,
    Tampered,
    TryLater,
)
from states.next_action import Verb
from states.ports import Clock, Connect, Ports
from states.rotation import Proof, Rotation
from states.shortage import shortage
from states.state import State
from states.table import FAIL, NEXT, Edge
from states.timing import WAIT_FOR_PERSON

_log = logging.getLogger("keyturn.engine")

_NO_EVIDENCE: Final[Mapping[str, object]] = {}


class Engine:
    """Runs rotations, one at a time for each caller; safe to share between threads."""

    def __init__(
        self,
        store: Store,
        connect: Connect,
        leases: LeaseRenewer,
        clock: Clock,
        *,
        stopping: Callable[[Rotation], bool] = lambda _: False,
        listener: Listener = ignore,
    ) -> None:
        """``connect`` gives a connection's ports by name; ``stopping`` is asked between steps and tries
        whether the rotation is to be released now.

        ``listener`` receives an event for the result of each step, after that is stored.
        """
        self._store = store
        self._connect = connect
        self._leases = leases
        self._clock = clock
        self._stopping = stopping
        self._listener = listener

    def run(self, claim: Claim) -> Rotation:
        """Carry the rotation to its end, or until it is postponed, parked, or this process is asked to stop.

        Returns the rotation as it was left. Raises Stale when another worker took it over, TryLater or Unknown when the
        database went away: the claim is released then, or its lease runs out.
        """
        with self._leases.renewing(claim):
            try:
                return self._carry(claim)
            except Stale:
                self._listener(events.TakenOver(claim.rotation))
                raise

    def _carry(self, claim: Claim) -> Rotation:
        try:
            ports = self._ports(claim.rotation)
        except (TryLater, OSError, MemoryError):  # the database or this machine: not the rotation's fault
            self._store.claims.release(claim)
            raise
        except Exception as error:  # noqa: BLE001 - parked with its type, never swallowed
            known = _known(error, claim.rotation)
            if claim.rotation.state is State.FAILED:
                return self._restore_later(claim, known)
            return self._park(claim, claim.rotation, known).rotation
        if claim.rotation.state is State.FAILED:
            return self._restore(claim, ports)
        while edge := NEXT.get(claim.rotation.state):
            if self._stopping(claim.rotation):
                self._store.claims.release(claim)
                break
            try:
                claim, goes_on = self._run_step(claim, edge, ports)
            except DataKeyRetired:  # the vault's data key was changed after a new private key was sealed: make another
                continue
            if not goes_on:
                break
        return claim.rotation

    def _ports(self, rotation: Rotation) -> Ports:
        if broken := rotation.circumstances.broken:
            raise Tampered(broken)
        return self._connect(rotation.connection)

    def _run_step(self, claim: Claim, edge: Edge, ports: Ports) -> tuple[Claim, bool]:
        """Run the step that is due and store its result; return whether the rotation goes on at once."""
        attempt = StepAttempt(self._store, claim, self._clock, lease=self._leases.lease, listener=self._listener)
        step = RetriedStep(edge, ports, attempt, stopping=self._stopping)
        began = self._clock.now()
        try:
            proof = step.run()
        except Stale:
            raise
        except AwaitingPerson as error:
            return self._wait_for_person(attempt, error), False
        except RETRIED as error:
            return self._postpone_step(attempt, attempt.claim.rotation, step, error), False
        except KeyturnError as error:
            return self._park(attempt.claim, attempt.claim.rotation, error, attempt.evidence), False
        except Exception as error:  # noqa: BLE001 - postponed or parked with its type, never swallowed
            # The machine is short of something, or this is a bug. What the step had sent by then is unknown.
            known = _known(error, claim.rotation)
            doubtful = attempt.claim.rotation.with_doubt(began, self._clock.now())
            if lacking := shortage(error):
                return self._postpone_step(attempt, doubtful, step, lacking), False
            return self._park(attempt.claim, doubtful, known, attempt.evidence), False
        return self._advance(attempt, edge, proof, ports, began), True

    def _advance(self, attempt: StepAttempt, edge: Edge, proof: Proof, ports: Ports, began: datetime) -> Claim:
        now = self._clock.now()
        after = machine.advance(attempt.given, edge, proof, now)
        completed = after.state is State.COMPLETED
        due_at = None
        if completed:
            assert after.proofs.candidate
            due_at = due.draw_due_at(after.proofs.candidate.certificate, ports.random.fraction())
        seconds = round((now - began).total_seconds(), 3)
        advanced = self._store.rotations.advance(
            attempt.claim,
            after,
            event=edge.trigger,
            detail={**proof.evidence, **attempt.evidence, "seconds": seconds},
            lease=0 if completed else self._leases.lease,
            due_at=due_at,
        )
        self._listener(events.Moved(advanced.rotation, edge.trigger, seconds))
        return advanced

    def _postpone_step(self, attempt: StepAttempt, rotation: Rotation, step: RetriedStep, error: KeyturnError) -> Claim:
        """Schedule the step again, or park the rotation when the step's retry policy gives up."""
        if rotation.awaits_person:
            return self._wait_on(attempt, rotation, error, outage=step.edge.urgent)
        until = step.policy.next_try(rotation.tries, error, self._clock.now())
        if until is None or _is_hopeless(rotation, error):
            return self._park(attempt.claim, rotation, _gave_up(rotation, error), attempt.evidence)
        return self._postpone(attempt.claim, rotation, error, until, evidence=attempt.evidence, outage=step.edge.urgent)

    def _postpone(
        self,
        claim: Claim,
        rotation: Rotation,
        error: KeyturnError,
        until: datetime,
        *,
        outage: bool,
        evidence: Mapping[str, object] = _NO_EVIDENCE,
    ) -> Claim:
        after = replace(rotation, tries=rotation.tries + 1, available_at=until, awaits_person=False)
        postponed = self._store_note(claim, after, error, evidence)
        self._listener(events.Postponed(postponed.rotation, error.code, until, outage))
        return postponed

    def _wait_for_person(self, attempt: StepAttempt, error: AwaitingPerson) -> Claim:
        rotation = attempt.claim.rotation
        after = replace(rotation, available_at=self._clock.now() + WAIT_FOR_PERSON, awaits_person=True)
        claim = self._store_note(attempt.claim, after, error, attempt.evidence)
        self._listener(events.AwaitingPerson(claim.rotation, error.code))
        return claim

    def _wait_on(self, attempt: StepAttempt, rotation: Rotation, error: KeyturnError, *, outage: bool) -> Claim:
        """Let a rotation that waits for a person go on to wait.

        That a system is away when it is looked at changes nothing about that, however long it lasts: the person can
        still do their part, and only from then on the step's retry policy counts.
        """
        until = self._clock.now() + WAIT_FOR_PERSON
        after = replace(rotation, available_at=until)
        claim = self._store_note(attempt.claim, after, error, attempt.evidence, waiting_for=rotation.waiting_for)
        self._listener(events.Postponed(claim.rotation, error.code, until, outage))
        return claim

    def _store_note(
        self,
        claim: Claim,
        after: Rotation,
        error: KeyturnError,
        evidence: Mapping[str, object],
        event: str = POSTPONED,
        waiting_for: str = "",
    ) -> Claim:
        detail = {"code": error.code, "message": error.message, "until": after.available_at.isoformat()}
        return self._store.rotations.advance(
            claim,
            replace(after, waiting_for=waiting_for or error.message, updated_at=self._clock.now()),
            event=event,
            detail={**detail, **evidence},
        )

    def _park(
        self, claim: Claim, rotation: Rotation, error: KeyturnError, evidence: Mapping[str, object] = _NO_EVIDENCE
    ) -> Claim:
        """Park the rotation: the reason and the next safe action are stored, and an event raises the alarm."""
        after = machine.fail(rotation, error, self._clock.now())
        assert after.failure
        detail = {"code": error.code, "message": error.message, "next": after.failure.next_action.to_data()}
        parked = self._store.rotations.advance(claim, after, event=FAIL, detail={**detail, **evidence})
        self._listener(events.Parked(parked.rotation, error.code, error.message))
        return parked

    # --- restoring the previous certificate where OpenAir did not take the new one

    def _restore(self, claim: Claim, ports: Ports) -> Rotation:
        """Restore the previous certificate by the code that a person runs; postpone it, or leave it to a person."""
        failure = claim.rotation.failure
        assert failure
        restoration = Restoration(self._store, claim, self._clock, lease=self._leases.lease, listener=self._listener)
        try:
            _ensure_restorable(claim.rotation, self._clock.now())
            restored = restoration.run(ports, {"reason": f"{failure.code}: {failure.message}"}, tries_again=True)
        except Stale:
            raise
        except Exception as error:  # noqa: BLE001 - postponed or left to a person with its type, never swallowed
            return self._restore_later(restoration.claim, shortage(error) or _known(error, claim.rotation))
        assert restored.closed_at
        assert restored.previous
        next_try = due.retry_at(restored.previous, restored.closed_at)
        self._listener(events.RestoredItself(restored, failure.code, failure.message, next_try))
        return restored

    def _restore_later(self, claim: Claim, error: KeyturnError) -> Rotation:
        """Postpone the restore; leave it to a person where it does not help, or its retry policy gives up."""
        if error.code in preconditions.FOR_A_PERSON:
            return self._leave_to_person(claim, error)
        # What a system refuses now, such as a sign-in, a person may correct: the outage then ends by itself.
        policy = retry.RESTORE if isinstance(error, RETRIED) else retry.REFUSED_RESTORE
        until = policy.next_try(claim.rotation.tries, error, self._clock.now())
        if until is None:
            return self._leave_to_person(claim, _gave_up(claim.rotation, error))
        return self._postpone(claim, claim.rotation, error, until, outage=True).rotation

    def _leave_to_person(self, claim: Claim, error: KeyturnError) -> Rotation:
        """Let the rotation wait for a person: the previous certificate cannot be restored, or does not help."""
        after = replace(claim.rotation, awaits_person=True, available_at=self._clock.now())
        left = self._store_note(claim, after, error, _NO_EVIDENCE, RESTORE_REFUSED).rotation
        self._listener(events.RestoreRefused(left, error.code, error.message))
        return left


def _is_hopeless(rotation: Rotation, error: KeyturnError) -> bool:
    """Whether ``error`` postponed the step before, and is one that is not worth the whole retry policy."""
    limit = error.gives_up_after if isinstance(error, TryLater) else None
    return limit is not None and rotation.tries >= limit and rotation.waiting_for == error.message


def _gave_up(rotation: Rotation, error: KeyturnError) -> GaveUp:
    return GaveUp(f"Gave up after {rotation.tries + 1} rounds of tries. The last error: {error.message}")


def _ensure_restorable(rotation: Rotation, now: datetime) -> None:
    """Raise HeldOff while a write is in flight, by this worker's clock, IllegalMove where restoring is not possible."""
    if refused := preconditions.why_not(Verb.RESTORE, rotation, now):
        until = rotation.doubt.in_flight_until
        raise HeldOff(refused) if until and until >= now else IllegalMove(refused)


def _known(error: Exception, rotation: Rotation) -> KeyturnError:
    """``error`` as a KeyturnError. Of an unexpected one only the type is shown: its text may hold a secret.

    The log has the traceback, with secrets redacted.
    """
    if isinstance(error, KeyturnError):
        return error
    about = {"rotation": rotation.id, "connection": rotation.connection, "state": rotation.state.value}
    _log.exception("step broke", extra=about)
    return InternalError(f"Keyturn itself failed ({type(error).__name__}); the log has the details.")
