"""Carries one rotation in this process, for a face that waits for its end."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from orchestrator.stop_request import StopRequest, is_between_sides
from persistence.store import Claim, Store
from states import preconditions
from states.errors import IllegalMove, KeyturnError, Stale
from states.next_action import Verb
from states.ports import Clock
from states.preconditions import goes_on
from states.rotation import Rotation
from states.timing import ATTENDED_WAIT

if TYPE_CHECKING:  # the faces import this module for `Claim`, also where they only read
    from orchestrator.engine import Engine

__all__ = ["Carry", "Claim"]

_POLL: Final = 0.2
"""Seconds between two looks at a rotation that another worker holds."""


class MakeEngine(Protocol):
    """Makes the engine that carries, with its leases renewed while the block runs."""

    def __call__(self, stop: StopRequest) -> AbstractContextManager["Engine"]:
        """``stop`` is asked between steps."""
        ...


class Carry:
    """Carries one rotation until it ends, is parked, or waits for longer than ``ATTENDED_WAIT``."""

    def __init__(self, store: Store, engine: MakeEngine, clock: Clock, *, worker: str, lease: float) -> None:
        """``worker`` is this process's name, ``lease`` is in seconds."""
        self._store = store
        self._engine = engine
        self._clock = clock
        self._worker = worker
        self._lease = lease

    def run(
        self,
        rotation: Rotation,
        claim: Claim | None,
        stop: StopRequest,
        on_change: Callable[[Rotation], None],
        *,
        at_once: bool = False,
    ) -> Rotation:
        """Carry ``rotation``; return it as it was left.

        Args:
            rotation: As it was read last.
            claim: This process's hold on it, or None where it has yet to be claimed.
            stop: Ends the waiting. The claim is released after the current step, or after the save where the rotation
                is between both sides.
            on_change: Called with each change that another worker made, while that one holds the rotation. Changes
                of this process are events.
            at_once: Carry it though it is postponed, once no other worker holds it.

        Raises IllegalMove where it cannot be carried ``at_once``: it is parked, has ended, waits for a person, or is
        held off because a write of the rotation before may still take effect.
        """
        if at_once and (refused := preconditions.why_not(Verb.CARRY, rotation, self._clock.now())):
            raise IllegalMove(f"Rotation {rotation.id} cannot be carried on: {refused}")
        with self._engine(stop) as engine:
            while claim or not stop.is_set():  # the engine runs a claim in any case, if only to release it
                claim = claim or self._claim(rotation, at_once=at_once)
                at_once = at_once and claim is None
                before = rotation.version
                try:
                    rotation = self._carry(engine, claim, stop) if claim else self._store.rotations.get(rotation.id)
                except Stale:
                    rotation = self._store.rotations.get(rotation.id)
                if claim is None and rotation.version != before:
                    on_change(rotation)
                claim = None
                wait = rotation.available_at - self._clock.now()
                if not goes_on(rotation) or (wait > ATTENDED_WAIT and not at_once):
                    break
                stop.wait(_POLL if at_once else max(wait.total_seconds(), _POLL))
        return rotation

    def _claim(self, rotation: Rotation, *, at_once: bool) -> Claim | None:
        claims, now = self._store.claims, self._clock.now()
        if at_once:
            return claims.claim_postponed(self._worker, rotation.id, lease=self._lease, now=now)
        return claims.claim(self._worker, lease=self._lease, now=now, rotation_id=rotation.id)

    def still_left(self, stop: StopRequest) -> list[Rotation]:
        """The rotations that this process left between both sides and no other has carried on since.

        As the store has them, or as this process last knew them where the store is not available.
        """
        left = stop.left()
        with suppress(KeyturnError):
            left = [self._store.rotations.get(rotation.id) for rotation in left]
        return [rotation for rotation in left if is_between_sides(rotation)]

    @staticmethod
    def _carry(engine: "Engine", claim: Claim, stop: StopRequest) -> Rotation:
        with stop.carrying(claim.rotation):
            return engine.run(claim)
