"""Typed events: what happened to rotations and connections, published once, where it happens.

The engine, the step attempts, the retries, the leases and the operations publish to one ``Listener``; the composition
root passes them ``Bus.publish``. The log (``event_log``) and the live view of the command line listen.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from states.access import Role
from states.ports import Write
from states.rotation import Cause, Ending, Rotation

_log = logging.getLogger("keyturn.events")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class ConnectionSaved(Event):
    """A person added a connection, or changed its settings or secrets."""

    connection: str
    version: int
    """Of the connection as it was stored; 0 when it was added."""
    actor: str


@dataclass(frozen=True, slots=True)
class SignInRenewed(Event):
    """Keyturn signs in to NetSuite with another key and certificate from now on."""

    connection: str
    certificate_id: str
    not_after: datetime
    """When the certificate ends (UTC)."""
    former_id: str
    """The certificate that it replaces."""
    revoke_at: datetime
    """When the former certificate is revoked (UTC)."""
    actor: str


@dataclass(frozen=True, slots=True)
class SignInNotRenewed(Event):
    """The schedule could not renew a sign-in that ends soon, or revoke a former one; it tries again a day later."""

    connection: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class SignInRevoked(Event):
    """A former sign-in certificate is valid in NetSuite no more."""

    connection: str
    certificate_id: str
    actor: str


@dataclass(frozen=True, slots=True)
class SignInNotRevoked(Event):
    """A former sign-in certificate is still valid in NetSuite, and Keyturn no longer tries to revoke it."""

    connection: str
    certificate_id: str


@dataclass(frozen=True, slots=True)
class ConnectionRemoved(Event):
    """A person removed a connection: its settings, secrets and private keys were destroyed."""

    connection: str
    version: int
    """Of the connection when it was removed."""
    actor: str


@dataclass(frozen=True, slots=True)
class ConnectionRenamed(Event):
    """A person gave a connection another name; its rotations go with it."""

    connection: str
    """Its name from now on."""
    before: str
    """The name that it had."""
    version: int
    """Of the connection as it was stored."""
    actor: str


@dataclass(frozen=True, slots=True)
class TokenAdded(Event):
    """A person made a token for the API."""

    name: str
    role: Role
    expires: datetime
    """UTC."""
    actor: str


@dataclass(frozen=True, slots=True)
class TokenRevoked(Event):
    """A person revoked a token for the API."""

    name: str
    actor: str


@dataclass(frozen=True, slots=True)
class AccountAdded(Event):
    """A person made an account for the console."""

    name: str
    role: Role
    actor: str


@dataclass(frozen=True, slots=True)
class AccountChanged(Event):
    """A person gave an account another role or password."""

    name: str
    what: str
    """The new role, or ``password``."""
    actor: str


@dataclass(frozen=True, slots=True)
class AccountRemoved(Event):
    """A person removed an account."""

    name: str
    actor: str


@dataclass(frozen=True, slots=True)
class PersonSignedOut(Event):
    """An administrator ended the sessions of a person who had signed in by OpenID Connect."""

    name: str
    actor: str


@dataclass(frozen=True, slots=True)
class RotationEvent(Event):
    """Something that happened to a rotation."""

    rotation: Rotation
    """The rotation as the publisher last read or stored it."""


@dataclass(frozen=True, slots=True)
class Changed(RotationEvent):
    """A change of the rotation that is stored by now; ``rotation`` is what was stored."""


@dataclass(frozen=True, slots=True)
class Requested(Changed):
    """A person or the schedule asked for the rotation."""

    actor: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Moved(Changed):
    """A step succeeded; ``rotation`` is in the state that it leads to."""

    step: str
    seconds: float
    """How long the step took, with its retries."""


@dataclass(frozen=True, slots=True)
class OutcomeUnknown(Changed):
    """A request that writes was sent and its answer lost; the rotation is in doubt."""

    write: Write
    code: str


@dataclass(frozen=True, slots=True)
class Postponed(Changed):
    """A step failed and is scheduled again."""

    code: str
    until: datetime
    outage: bool


@dataclass(frozen=True, slots=True)
class AwaitingPerson(Changed):
    """The rotation waits until a person saved the exported certificate in OpenAir."""

    code: str


@dataclass(frozen=True, slots=True)
class Parked(Changed):
    """The rotation is Failed and waits for a person."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class RestoredItself(Changed):
    """OpenAir did not take the certificate, and Keyturn restored the previous one: both systems hold that again."""

    code: str
    reason: str
    """Why OpenAir did not take it."""
    next_try: datetime
    """When the next automatic rotation begins at the earliest (UTC)."""


@dataclass(frozen=True, slots=True)
class RestoreRefused(Changed):
    """Keyturn could not restore the previous certificate by itself: the rotation waits for a person."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ApprovalAsked(Changed):
    """A person asked for another one's approval to close the parked rotation."""

    verb: str
    actor: str


@dataclass(frozen=True, slots=True)
class ApprovalWithdrawn(Changed):
    """The request for approval was withdrawn."""

    actor: str


@dataclass(frozen=True, slots=True)
class Resumed(Changed):
    """A person took the parked rotation back to the state that it failed from."""

    actor: str


@dataclass(frozen=True, slots=True)
class Begun(Changed):
    """A person said that they are ready to save the certificate in OpenAir: the upload to NetSuite begins."""

    actor: str


@dataclass(frozen=True, slots=True)
class Confirmed(Changed):
    """A person confirmed that OpenAir holds the exported certificate."""

    actor: str


@dataclass(frozen=True, slots=True)
class Closed(Changed):
    """The parked rotation was ended, by a person or by a restore that Keyturn did by itself."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class Sending(RotationEvent):
    """A request that writes is about to be sent to another system; its result is not stored yet."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Retrying(RotationEvent):
    """A try inside a step failed and is repeated after a wait."""

    step: str
    number: int
    """Which try failed, from 1."""
    wait_seconds: float
    code: str
    outage: bool


@dataclass(frozen=True, slots=True)
class TakenOver(RotationEvent):
    """This worker lost the rotation to another one, or let it go because nothing more could be stored."""


@dataclass(frozen=True, slots=True)
class LeaseLost(RotationEvent):
    """The lease ran out before it was renewed, so another worker may have the rotation."""


@dataclass(frozen=True, slots=True)
class LeaseNotRenewed(RotationEvent):
    """A renewal failed; harmless unless it fails until the lease runs out."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerDied(Event):
    """Another worker was found dead; its leases ended, so that its rotations can be claimed."""

    worker: str
    rotations: tuple[str, ...]
    """The ids of those that it held."""


@dataclass(frozen=True, slots=True)
class AlertSent(Event):
    """A receiver has a message about an alert."""

    message: str
    """The message's id."""
    route: str
    kind: str
    phase: str
    connection: str | None


@dataclass(frozen=True, slots=True)
class AlertNotSent(Event):
    """A receiver did not take a message about an alert; it is sent again, unless it is given up."""

    message: str
    route: str
    kind: str
    phase: str
    connection: str | None
    code: str
    reason: str
    given_up: bool


@dataclass(frozen=True, slots=True)
class SilenceAdded(Event):
    """A person silenced alerts for a while."""

    silence: str
    """Its id."""
    kind: str | None
    """None for all kinds but critical ones."""
    connection: str | None
    """None for all connections."""
    until: datetime
    """UTC."""
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class SilenceEnded(Event):
    """A person ended a silence before its time."""

    silence: str
    """Its id."""
    actor: str


@dataclass(frozen=True, slots=True)
class Checkpointed(Event):
    """The whole journal at one moment was noted: keep this record where the database's users cannot write."""

    number: int
    at: datetime
    """By the database's clock (UTC)."""
    entries: int
    rotations: int
    head: str
    code: str
    """The vault's authentication code of all of the above."""
    line: str
    """All of the above in one word; `journal verify --against` finds it in any text."""


Listener = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """The listener for events that no one listens to."""


class Bus:
    """Passes each event to every listener, in the publisher's thread; safe to share between threads."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners
        self._lock = threading.Lock()

    def publish(self, event: Event) -> None:
        """Call every listener. A listener that fails is logged: it must not stop a rotation."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - it is logged with its traceback
                _log.exception("event listener failed", extra={"event": type(event).__name__})

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Call ``listener`` for every event while the block runs."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not listener)
