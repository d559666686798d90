"""What can need a person, and what of a rotation does: what the status, the doctor and the alerts share."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from states.next_action import NextAction, Verb
from states.outage import Outage, outage_of
from states.preconditions import advise
from states.rotation import Rotation
from states.timing import UNATTENDED_AFTER


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
    EXPIRING = 9
    """The certificate in use ends, a step of days before that is reached, and nothing renews it in time."""
    SILENT_WORKER = 10
    """A worker's process lives, and has not noted so for a while: it hangs, was stopped, or is cut off."""
    OTHER_VERSION = 11
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


Found = tuple[Harm, datetime, str]
"""How harmful it is, since when (UTC), and the message."""


def concern_of(rotation: Rotation, now: datetime) -> Concern | None:
    """What needs a person about an open or closed rotation ``now`` (UTC): the most harmful of it, or None."""
    outage = outage_of(rotation)
    found = in_outage(outage, rotation, now) if outage else waiting(rotation, now)
    if not (found and rotation.is_open):
        return None
    harm, since, message = found
    return Concern(
        harm=harm,
        connection=rotation.connection,
        rotation=rotation.id,
        message=message,
        since=since,
        next_action=action_for(harm, rotation, now),
        outage=outage,
    )


def in_outage(outage: Outage, rotation: Rotation | None, now: datetime, tampered: str = "") -> Found:
    """What is so in an outage; ``tampered`` says what shows that the connection was changed outside Keyturn."""
    failed = rotation.failure.message if rotation and rotation.failure else ""
    broken = rotation.circumstances.broken if rotation else ""
    details = dict.fromkeys(each for each in (failed, broken, tampered) if each)  # each once
    return Harm.OUTAGE, outage.since, " ".join((f"{outage.sentence(now)}: {outage.reason}", *details))


def waiting(rotation: Rotation, now: datetime) -> Found | None:
    """What an open rotation waits for that causes no outage; None while it goes on by itself."""
    if broken := rotation.circumstances.broken:
        return Harm.TAMPERED, rotation.updated_at, broken
    if rotation.failure:
        message = f"Rotation {rotation.id} is parked in {rotation.position}: {rotation.failure.message}"
        return Harm.PARKED, rotation.failure.at, message
    if rotation.awaits_person:
        message = f"Rotation {rotation.id} waits for a person: {rotation.waiting_for}"
        return Harm.AWAITING_PERSON, rotation.updated_at, message
    since = max(rotation.available_at, rotation.updated_at)
    if now - since > UNATTENDED_AFTER:
        return Harm.LEFT_ALONE, since, f"No worker has carried rotation {rotation.id} since {minute(since)}."
    return None


def action_for(harm: Harm, rotation: Rotation, now: datetime) -> NextAction:
    """Return what to do next about a rotation that is found so harmful ``now`` (UTC)."""
    return NextAction(Verb.WORKER) if harm is Harm.LEFT_ALONE else advise(rotation, now)


def minute(at: datetime) -> str:
    """Return a moment as a message names it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
