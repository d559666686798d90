"""Starts rotations for programs, which may ask again because an answer was lost: the same request starts one only."""

from dataclasses import dataclass
from typing import Final

from orchestrator.operations.rotations import Rotations
from persistence.store import Store
from states.connection import OnRefusal
from states.errors import InvalidInput, RotationOpen, Stale, Unknown
from states.rotation import Rotation

REMEMBERED: Final = 20
"""In how many of a connection's newest rotations a key is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A program's request for a rotation."""

    connection: str
    actor: str
    reason: str
    key: str
    """The same for each repetition of this request, and for no other of this actor and connection."""
    version: int
    """The version of the connection that the program saw."""
    follows: str
    """The connection's newest rotation that the program saw; empty for none."""
    on_refusal: OnRefusal


class Starts:
    """Starts a rotation once, however often it is asked for."""

    def __init__(self, store: Store, rotations: Rotations) -> None:
        self._store = store
        self._rotations = rotations

    def start(self, wanted: Start) -> tuple[Rotation, bool]:
        """Request the rotation, or find the one that was requested with this key; return it, and whether it is new.

        Safe to repeat, and at the same time: the store refuses a request that does not follow what was seen, and the
        one that came first is found by its key. Raises NotFound, RotationOpen, Stale where the connection is not as
        it was seen, InvalidInput where the key was used for another request, Unknown where the database went away and
        the rotation is not found.
        """
        if earlier := self._earlier(wanted):
            return earlier, False
        if self._store.connections.get(wanted.connection).version != wanted.version:
            raise Stale(f"Connection {wanted.connection} was changed meanwhile; no rotation was requested.")
        try:
            made = self._rotations.request(
                wanted.connection,
                actor=wanted.actor,
                reason=wanted.reason,
                follows=wanted.follows,
                key=wanted.key,
                on_refusal=wanted.on_refusal,
            )
        except (RotationOpen, Stale, Unknown):
            if earlier := self._earlier(wanted):
                return earlier, False
            raise
        return made, True

    def _earlier(self, wanted: Start) -> Rotation | None:
        for rotation in self._store.rotations.newest(connection=wanted.connection, limit=REMEMBERED):
            if rotation.actor == wanted.actor and self._key_of(rotation) == wanted.key:
                if (rotation.reason, rotation.policy.on_refusal) != (wanted.reason, wanted.on_refusal):
                    raise InvalidInput(f"This key was used for another request, which started rotation {rotation.id}.")
                return rotation
        return None

    def _key_of(self, rotation: Rotation) -> object:
        entries = self._store.journal.of(rotation.id)
        return entries[0].detail.get("idempotency_key") if entries else None  # none: they were removed
