"""The log's listener: turns events into log records."""

import logging
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Final

from orchestrator import events
from orchestrator.events import Event
from states.rotation import Rotation

_log = logging.getLogger("keyturn.rotation")

_MESSAGES: Final[Mapping[type[Event], tuple[int, str]]] = {
    events.ConnectionSaved: (logging.INFO, "connection saved"),
    events.Requested: (logging.INFO, "rotation requested"),
    events.Moved: (logging.INFO, "rotation moved"),
    events.OutcomeUnknown: (logging.WARNING, "answer lost"),
    events.Postponed: (logging.WARNING, "rotation postponed"),
    events.AwaitingPerson: (logging.WARNING, "rotation waits for a person"),
    events.Parked: (logging.ERROR, "rotation parked"),
    events.Resumed: (logging.INFO, "rotation resumed"),
    events.Confirmed: (logging.INFO, "certificate confirmed by a person"),
    events.Closed: (logging.INFO, "rotation closed"),
    events.Retrying: (logging.WARNING, "step will be tried again"),
    events.TakenOver: (logging.WARNING, "rotation was taken over"),
    events.LeaseLost: (logging.WARNING, "lease lost"),
    events.LeaseNotRenewed: (logging.ERROR, "lease not renewed"),
}
"""Level and message of each event; during an outage the level is ERROR."""


_NAMES: Final = {"number": "try"}


def write(event: Event) -> None:
    """Log ``event`` with its fields; of a rotation its id, connection and state."""
    level, message = _MESSAGES[type(event)]
    record: dict[str, object] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, Rotation):
            record |= {"rotation": value.id, "connection": value.connection, "state": value.state.value}
        else:
            record[_NAMES.get(field.name, field.name)] = value.value if isinstance(value, Enum) else value
    _log.log(logging.ERROR if record.get("outage") else level, message, extra=record)
