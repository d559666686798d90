"""The log's listener: turns events into log records."""

import logging
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from orchestrator import events
from orchestrator.events import Event, RotationEvent
from orchestrator.log import OUTAGE
from states.outage import outage_of

_log = logging.getLogger("keyturn.rotation")

MESSAGES: Final[Mapping[type[Event], tuple[int, str]]] = {
    events.ConnectionSaved: (logging.INFO, "connection saved"),
    events.SignInRenewed: (logging.INFO, "sign-in renewed"),
    events.SignInNotRenewed: (logging.WARNING, "sign-in not renewed"),
    events.SignInRevoked: (logging.INFO, "former sign-in certificate revoked"),
    events.SignInNotRevoked: (logging.ERROR, "former sign-in certificate not revoked"),
    events.ConnectionRemoved: (logging.INFO, "connection removed"),
    events.ConnectionRenamed: (logging.INFO, "connection renamed"),
    events.AccountAdded: (logging.INFO, "account added"),
    events.AccountChanged: (logging.INFO, "account changed"),
    events.AccountRemoved: (logging.INFO, "account removed"),
    events.PersonSignedOut: (logging.INFO, "person signed out"),
    events.TokenAdded: (logging.INFO, "token added"),
    events.TokenRevoked: (logging.INFO, "token revoked"),
    events.Requested: (logging.INFO, "rotation requested"),
    events.Moved: (logging.INFO, "rotation moved"),
    events.OutcomeUnknown: (logging.WARNING, "answer lost"),
    events.Postponed: (logging.WARNING, "rotation postponed"),
    events.AwaitingPerson: (logging.WARNING, "rotation waits for a person"),
    events.Parked: (logging.ERROR, "rotation parked"),
    events.RestoredItself: (logging.ERROR, "previous certificate restored"),
    events.RestoreRefused: (logging.ERROR, "previous certificate not restored"),
    events.Resumed: (logging.INFO, "rotation resumed"),
    events.ApprovalAsked: (logging.WARNING, "approval asked for"),
    events.ApprovalWithdrawn: (logging.INFO, "approval withdrawn"),
    events.Begun: (logging.INFO, "rotation begun by a person"),
    events.Confirmed: (logging.INFO, "certificate confirmed by a person"),
    events.Closed: (logging.INFO, "rotation closed"),
    events.Sending: (logging.DEBUG, "request that writes will be sent"),
    events.Retrying: (logging.WARNING, "step will be tried again"),
    events.TakenOver: (logging.WARNING, "rotation was taken over"),
    events.LeaseLost: (logging.WARNING, "lease lost"),
    events.LeaseNotRenewed: (logging.ERROR, "lease not renewed"),
    events.WorkerDied: (logging.WARNING, "worker died"),
    events.AlertSent: (logging.INFO, "alert sent"),
    events.AlertNotSent: (logging.ERROR, "alert not sent"),
    events.SilenceAdded: (logging.WARNING, "silence added"),
    events.SilenceEnded: (logging.INFO, "silence ended"),
    events.Checkpointed: (logging.INFO, "journal checkpoint"),
}
"""Level and message of each event; during an outage the level is ERROR."""


_ABOUT: Final = ("rotation", "connection", "state")
"""The fields of every record about a rotation."""
_NAMES: Final = {"number": "try", "name": "named", "message": "message_id"}
"""Fields that are called otherwise in the log, whose records have a name and a message already."""


def field_names(kind: type[Event]) -> list[str]:
    """The fields of the records of one kind of event."""
    names = [_NAMES.get(field.name, field.name) for field in fields(kind)]
    return [*_ABOUT, *names[1:]] if issubclass(kind, RotationEvent) else names


def write(event: Event) -> None:
    """Log ``event`` with its fields; of a rotation its id, connection and state.

    A warning or an error about a rotation in an outage has the outage's sentence in the field ``imports``.
    """
    level, message = MESSAGES[type(event)]
    values = [getattr(event, field.name) for field in fields(event)]
    if isinstance(event, RotationEvent):
        rotation = event.rotation
        values = [rotation.id, rotation.connection, rotation.state, *values[1:]]
    plain = [value.value if isinstance(value, Enum) else value for value in values]
    record = dict(zip(field_names(type(event)), plain, strict=True))
    level = logging.ERROR if record.get("outage") else level
    if isinstance(event, RotationEvent) and level >= logging.WARNING and (outage := outage_of(event.rotation)):
        # Not at INFO: each rotation that goes well is in an outage for a moment.
        record = {OUTAGE: outage.sentence(datetime.now(UTC)), **record}
    _log.log(level, message, extra=record)
