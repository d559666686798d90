"""Puts the previous certificate of a parked rotation back into NetSuite: for a person who restores it, and for the
engine where OpenAir does not take the new one.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from orchestrator.events import Closed, Listener, Sending
from orchestrator.step_attempt import warned
from persistence.store import Claim, Store
from states import due, machine, recovery
from states.errors import KeyturnError, RestoreUnfinished, Stale
from states.ports import Clock, Ports
from states.rotation import Confirmation, PrivateKey, Rotation
from states.table import RESTORE, RESTORING
from states.timing import INSTALL_WITHIN


class Restoration:
    """One restore of a parked rotation, by the worker or person that holds it and renews the lease meanwhile."""

    def __init__(self, store: Store, claim: Claim, clock: Clock, *, lease: float, listener: Listener) -> None:
        """``lease`` is in seconds; ``listener`` receives the event of the ending."""
        self.claim = claim
        """The rotation as the holder last wrote it."""
        self._store = store
        self._clock = clock
        self._lease = lease
        self._listener = listener
        self._warnings: list[str] = []
        """What NetSuite could not do."""

    def run(
        self, ports: Ports, why: Mapping[str, object], *, overwrite: bool = False, tries_again: bool = False
    ) -> Rotation:
        """Put the previous certificate back, check that both systems hold it, and close the rotation. Safe to repeat.

        Args:
            ports: The connection's systems.
            why: The reason, and who approved it, for the journal.
            overwrite: Whether any certificate that NetSuite holds may be replaced.
            tries_again: Whether the connection's next automatic rotation is postponed by a day (states.due.retry_at).

        Raises, and nothing was changed: as states.recovery.find_previous; Stale; SealBroken, VaultLocked. Raises
        RestoreUnfinished once the certificate may have been sent.
        """
        key = self._previous_key(ports)
        proof = recovery.find_previous(self.claim.rotation, ports, may_overwrite=overwrite)
        if proof:
            return self._close(proof, why, tries_again=tries_again)
        before = machine.restoring(self.claim.rotation, self._clock.now())
        # Written down before it is sent: the next holder of the rotation knows that the certificate may be in flight.
        detail = {**why, "overwrite": overwrite}
        self.claim = self._store.rotations.advance(
            self.claim, before, event=RESTORING, detail=detail, lease=self._lease
        )
        with _unfinished():
            self._store.claims.ensure_held(self.claim)
            self._listener(Sending(self.claim.rotation, before.updated_at))
            deadline = before.updated_at + INSTALL_WITHIN
            proof = recovery.put_previous_back(
                self.claim.rotation, key, ports, deadline=deadline, warn=self._warnings.append
            )
            return self._close(proof, why, tries_again=tries_again)

    def _previous_key(self, ports: Ports) -> PrivateKey:
        previous = self.claim.rotation.previous
        assert previous
        kept = self._store.rotations.kept_key(previous)
        assert kept, "nothing destroys the key while the rotation is held"
        maker, candidate = kept
        return ports.keys.open(maker, candidate)

    def _close(self, proof: Confirmation, why: Mapping[str, object], *, tries_again: bool) -> Rotation:
        now = self._clock.now()
        after = machine.restore(self.claim.rotation, proof, now)
        closed = self._store.rotations.advance(
            self.claim,
            after,
            event=RESTORE,
            detail={**why, **evidence(proof), **warned(self._warnings)},
            due_at=due.retry_at(proof.certificate, now) if tries_again else None,
            confirmed=proof.fingerprint if after.circumstances.by_hand else None,
        ).rotation
        assert closed.ending
        self._listener(Closed(closed, closed.ending))
        return closed


@contextmanager
def _unfinished() -> Iterator[None]:
    """Turn errors into RestoreUnfinished: from here on the certificate may have been sent."""
    try:
        yield
    except Stale:
        raise
    except KeyturnError as error:
        raise RestoreUnfinished(f"Putting the previous certificate back is not finished: {error.message}") from error


def evidence(proof: Confirmation) -> dict[str, object]:
    """What the journal keeps of the proof, and how long the certificate is valid."""
    return {**proof.evidence, "not_after": proof.certificate.not_after.isoformat()}
