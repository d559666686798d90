"""A request for a rotation, as a value."""

from dataclasses import dataclass, replace
from datetime import datetime

from states.connection import Connection, OnRefusal, OpenAirKind
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
    """What the rotation notes as its cause if the connection has a certificate; otherwise that of the initial
    set-up."""
    due_by: datetime | None = None
    """Refuse the request if the connection's schedule does not want a rotation by this moment (UTC). None: in any
    case."""
    follows: str | None = None
    """Refuse the request unless the connection's newest rotation is this one; empty for none. A person who saw an older
    one decided on what is over. None: in any case."""
    key: str = ""
    """By which the one who asks recognizes this request when its answer was lost; the journal keeps it."""
    on_refusal: OnRefusal | None = None
    """What to do when OpenAir does not take the certificate. None: what the connection's policy says for a scheduled
    rotation; park where a person asks, who watches it."""

    def rotation(self, connection: Connection, *, previous_key_kept: bool) -> Rotation:
        """Make the rotation that is requested, for ``connection``.

        The policy and the expected certificate are the connection's own: between reading a connection and requesting
        its rotation, a certificate can be completed or the policy edited. ``previous_key_kept`` says whether the
        current certificate's key is.
        """
        scheduled = connection.policy.on_refusal if self.cause.is_scheduled else OnRefusal.PARK
        return Rotation(
            id=self.id,
            connection=connection.name,
            cause=self.cause if connection.current else self.cause.at_set_up,
            actor=self.actor,
            reason=self.reason,
            policy=replace(connection.policy, on_refusal=self.on_refusal or scheduled),
            previous=connection.current,
            created_at=self.at,
            updated_at=self.at,
            available_at=self.at,
            circumstances=Circumstances(
                previous_key_kept=previous_key_kept, by_hand=connection.openair.kind is OpenAirKind.EXPORT
            ),
        )
