"""A request for a rotation, as a value."""

from dataclasses import dataclass
from datetime import datetime

from states.connection import Connection, OpenAirKind
from states.rotation import Cause, Circumstances, Rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for a new certificate. The store makes the rotation from it, for the connection as it is by then."""

    id: str
    """The id of the new rotation: the idempotency key of everything that it sends."""
    connection: str
    actor: str
    """Who asks: a person, a schedule."""
    at: datetime
    """When it is asked for (UTC)."""
    reason: str = ""
    cause: Cause = Cause.MANUAL
    """What the rotation notes as its cause if the connection has a certificate; otherwise it is the initial set-up."""

    def rotation(self, connection: Connection) -> Rotation:
        """Make the rotation that is requested, for ``connection``.

        The policy and the expected certificate are the connection's own: between reading a connection and requesting
        its rotation, a certificate can be completed or the policy edited.
        """
        return Rotation(
            id=self.id,
            connection=connection.name,
            cause=self.cause if connection.current else Cause.INITIAL,
            actor=self.actor,
            reason=self.reason,
            policy=connection.policy,
            previous=connection.current,
            created_at=self.at,
            updated_at=self.at,
            available_at=self.at,
            circumstances=Circumstances(by_hand=connection.openair.kind is OpenAirKind.EXPORT),
        )
