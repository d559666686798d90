"""The log's listener: turns events into log records."""

import logging
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Final

from orchestrator import events
from orchestrator.events import Event

_log = logging.getLogger("keyturn.rotation")

_MESSAGES: Final[Mapping[type[Event], tuple[int, str]]] = {
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
    """Log ``event`` with its rotation, connection and state, and its own fields."""
    level, message = _MESSAGES[type(event)]
    rotation = event.rotation
    record = {"rotation": rotation.id, "connection": rotation.connection, "state": rotation.state.value}
    for field in fields(event)[1:]:  # the first is the rotation
        value = getattr(event, field.name)
        record[_NAMES.get(field.name, field.name)] = value.value if isinstance(value, Enum) else value
    _log.log(logging.ERROR if record.get("outage") else level, message, extra=record)
