"""What can need a person: the shape that the status, the doctor and the alerts share."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from states.next_action import NextAction
from states.outage import Outage


class Harm(IntEnum):
    """What can need a person, the most harmful first. The names are stable codes."""

    OUTAGE = 1
    """Imports are refused, or may be."""
    TAMPERED = 2
    """A connection or its open rotation was changed outside Keyturn, which does nothing more for it."""
    PARKED = 3
    """A rotation is Failed and open: it waits for a decision."""
    AWAITING_PERSON = 4
    """A rotation waits until a person saved the exported certificate in OpenAir."""
    OVERDUE = 5
    """Less than seven days are left, and no rotation is open."""
    NO_WORKER = 6
    """Something is claimable or scheduled, and no process carries rotations."""
    LEFT_ALONE = 7
    """A rotation is due or under way, and no worker has touched it for a day."""
    DUE = 8
    """A certificate is due that no schedule rotates."""
    SILENT_WORKER = 9
    """A worker's process lives, and has not noted so for a while: it hangs, was stopped, or is cut off."""
    OTHER_VERSION = 10
    """A worker runs another version of Keyturn than this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing that needs a person."""

    harm: Harm
    connection: str | None
    """None where it is about the whole installation."""
    rotation: str | None
    """The id of the open rotation that it is about, if any."""
    message: str
    """What is so, and since when, as sentences; of an outage first that one."""
    since: datetime
    """UTC."""
    next_action: NextAction
    outage: Outage | None = None
