"""The verbs that close a parked rotation: *restore*, *adopt* and *abandon*.

Where the installation asks for two people, the first one's verb only notes a request, and the rotation is returned
open; the second one's names that request in ``approves``, and is done (`operations.approvals`). Then they raise, too,
and nothing was changed: InvalidInput without a reason, ApprovalPending, ApprovalMissing, ApprovalExpired,
ApprovalDiffers, SamePerson.
"""

from contextlib import suppress

from orchestrator.adapters.openair_manual import resume_with_candidate, with_persons_reading
from orchestrator.events import Closed, Listener, ignore
from orchestrator.leases import LeaseRenewer
from orchestrator.operations import clock_repair
from orchestrator.operations.approvals import Approvals, By
from orchestrator.restoration import Restoration, evidence
from persistence.store import Store
from states import due, machine, preconditions, recovery
from states.approval import Wanted
from states.certificate import plain
from states.errors import Drift, IllegalMove, KeyturnError
from states.next_action import Verb
from states.ports import Clock, Connect, Ports
from states.rotation import Absence, Confirmation, Rotation
from states.table import ABANDON, ADOPT


class Recovery:
    """What people do with a parked rotation that is not resumed."""

    def __init__(
        self,
        store: Store,
        connect: Connect,
        clock: Clock,
        approvals: Approvals,
        *,
        lease: float,
        listener: Listener = ignore,
    ) -> None:
        """``connect`` gives a connection's ports by name; ``lease`` is in seconds."""
        self._store = store
        self.approvals = approvals
        self._connect = connect
        self._clock = clock
        self._lease = lease
        self._listener = listener

    def restore(
        self,
        rotation_id: str,
        *,
        actor: str,
        reason: str = "",
        overwrite: bool = False,
        seen: str = "",
        version: int | None = None,
        approves: int | None = None,
    ) -> Rotation:
        """Put the previous certificate back into NetSuite, check that both systems hold it, and close the rotation.

        The candidate's key is destroyed. The previous certificate stays the connection's current one, due when it was.
        ``overwrite`` allows replacing any certificate that NetSuite holds. OpenAir is only read; ``seen`` is the
        fingerprint that it shows, where only a person can look (adapters.openair_manual). Safe to repeat.

        Raises, and nothing was changed: NotFound; Stale while another holds the rotation, or when it is not at
        ``version`` (None: any) any more; InvalidInput for a
        ``seen`` that is missing or needless; IllegalMove, Drift, ForeignRotation, CannotSign, CertificateRecordMissing
        where it would not help; TryLater or Refused when a system or the vault cannot be asked, or this machine has no
        thread to spare. Raises RestoreUnfinished once the certificate may have been sent.
        """
        parked, by = (
            self._possible(Verb.RESTORE, rotation_id, version),
            By(actor=actor, reason=reason, approves=approves),
        )
        wanted = Wanted(verb=Verb.RESTORE, overwrite=overwrite, fingerprint=plain(seen))
        if self.approvals.must_ask(parked, wanted, approves):
            with_persons_reading(parked, self._connect(parked.connection), seen)
            return self.approvals.ask(parked, wanted, by)
        approved = self.approvals.approve(parked, wanted, by)
        with LeaseRenewer(self._store, lease=self._lease, listener=self._listener) as leases:
            # The renewer starts first: where its thread cannot start, nothing is held.
            claim = self._store.claims.hold(actor, parked, lease=self._lease)
            with leases.renewing(claim):
                try:
                    ports = with_persons_reading(parked, self._connect(parked.connection), seen)
                    restoration = Restoration(
                        self._store, claim, self._clock, lease=self._lease, listener=self._listener
                    )
                    return restoration.run(ports, {"reason": reason, **approved}, overwrite=overwrite)
                except BaseException:
                    with suppress(KeyturnError):  # else the lease runs out
                        self._store.claims.release(claim)
                    raise

    def adopt(
        self,
        rotation_id: str,
        *,
        actor: str,
        reason: str = "",
        seen: str = "",
        version: int | None = None,
        approves: int | None = None,
    ) -> Rotation:
        """Accept a foreign certificate that both systems hold, and close the rotation.

        It becomes the connection's current certificate, without a key of ours, and its due moment is drawn. The keys of
        the candidate and of the previous certificate are destroyed. Changes nothing in either system. ``seen`` as for
        restoring.

        Raises NotFound; InvalidInput; Stale when the rotation was changed since ``version``; IllegalMove, Drift,
        CannotSign, CertificateRecordMissing where it is not so; TryLater or Refused when a system cannot be asked.
        """
        before, by = self._possible(Verb.ADOPT, rotation_id, version), By(actor=actor, reason=reason, approves=approves)
        wanted = Wanted(verb=Verb.ADOPT, fingerprint=plain(seen))
        ports = with_persons_reading(before, self._connect(before.connection), seen)
        if self.approvals.must_ask(before, wanted, approves):
            return self.approvals.ask(before, wanted, by)
        approved = self.approvals.approve(before, wanted, by)
        proof = _agreement(before, ports)
        after = machine.adopt(before, proof, self._clock.now())
        is_new = before.previous is None or before.previous.fingerprint != proof.fingerprint
        closed = self._store.rotations.write(
            before,
            after,
            event=ADOPT,
            actor=actor,
            detail={"reason": reason, **approved, **evidence(proof)},
            adopted=proof.certificate if is_new else None,
            due_at=due.draw_due_at(proof.certificate, ports.random.fraction()),
            confirmed=proof.fingerprint if before.circumstances.by_hand else None,
        )
        self._publish_closed(closed)
        return closed

    def abandon(
        self,
        rotation_id: str,
        *,
        actor: str,
        reason: str = "",
        version: int | None = None,
        approves: int | None = None,
    ) -> Rotation:
        """Close a parked rotation whose candidate NetSuite does not hold, and destroy the candidate's key.

        Its connection is free for another rotation then. NetSuite is asked twice where there is a candidate: only a
        signature shows that it does not hold it. Nothing is changed there.

        Raises NotFound; Stale when the rotation was changed since ``version``; IllegalMove where NetSuite holds the
        candidate, may hold it, or may still be given it; TryLater or Refused when it cannot be asked.
        """
        before, wanted = self._possible(Verb.ABANDON, rotation_id, version), Wanted(verb=Verb.ABANDON)
        by = By(actor=actor, reason=reason, approves=approves)
        if self.approvals.must_ask(before, wanted, approves):
            return self.approvals.ask(before, wanted, by)
        approved = self.approvals.approve(before, wanted, by)
        absence = self._absence(before) if before.proofs.candidate else None
        after = machine.abandon(before, self._clock.now(), absence)
        detail = {"reason": reason, **approved, **(absence.evidence if absence else {})}
        closed = self._store.rotations.write(before, after, event=ABANDON, actor=actor, detail=detail)
        self._publish_closed(closed)
        return closed

    def _publish_closed(self, rotation: Rotation) -> None:
        assert rotation.ending
        self._listener(Closed(rotation, rotation.ending))

    def _absence(self, rotation: Rotation) -> Absence:
        return recovery.find_absence(rotation, self._connect(rotation.connection))

    def _possible(self, verb: Verb, rotation_id: str, version: int | None) -> Rotation:
        now = self._clock.now()
        rotation = clock_repair.current(self._store, rotation_id, now, version)
        if refused := preconditions.why_not(verb, rotation, now):
            raise IllegalMove(f"{verb.capitalize()} is not possible for rotation {rotation.id}: {refused}")
        return rotation


def _agreement(rotation: Rotation, ports: Ports) -> Confirmation:
    """NetSuite's proof that it holds what OpenAir holds; where only a person sees that, with advice for them."""
    try:
        return recovery.find_agreement(rotation, ports)
    except Drift as error:
        if rotation.circumstances.by_hand:
            error.next_action = resume_with_candidate(rotation)
        raise
