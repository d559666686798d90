"""Writes alerts and the messages about them, within the caller's transaction.

The transaction that changes a rotation has locked its row, and so has any other that writes about the same rotation:
the messages about one rotation are numbered in the order in which they become true.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import bindparam, delete, exists, insert, select, update

from persistence import alert_models
from persistence.journal import Entry
from persistence.mapping import NOT_OURS, Row
from states import alert
from states.alert import Alert, Finding, Kind, Message, Phase
from states.next_action import NextAction, Verb
from states.rotation import Rotation
from states.silence import Silence, covering

_a: Final = alert_models.alerts
_o: Final = alert_models.outbox
_LAST_SILENCED: Final = exists().where(_o.c.alert == _a.c.id, _o.c.seq == _a.c.reported, _o.c.silence.is_not(None))
LASTING: Final = select(_a, _LAST_SILENCED.label("was_silenced"))
"""Alerts, and whether a silence kept the last message about each from being sent."""
_OF: Final = LASTING.where(_a.c.subject == bindparam("of"))
_BEGIN: Final = insert(_a)
_REPORTED: Final = update(_a).where(_a.c.subject == bindparam("of"))
_END: Final = delete(_a).where(_a.c.subject == bindparam("of"))
_TELL: Final = insert(_o)


def of_rotation(rotation_id: str) -> str:
    """The subject of alerts about a rotation."""
    return f"rotation {rotation_id}"


def note(tx: Transaction, before: Rotation, after: Rotation, entry: Entry) -> None:
    """Write what is to be reported of a move, or of a note in the journal; mostly nothing."""
    now = after.updated_at
    found = alert.of_rotation(after, now)
    new_id = f"{after.id}-{entry.seq}"
    if found or alert.of_rotation(before, now):
        settle(tx, of_rotation(after.id), found, new_id, now)
    if restored := alert.restored_itself(before, after, now):
        tell(tx, Message(alert=f"{new_id}-restored", seq=1, phase=Phase.HAPPENED, finding=restored, at=now))


def settle(
    tx: Transaction,
    subject: str,
    found: Finding | None,
    new_id: str,
    now: datetime,
    silences: Collection[Silence] = (),
) -> Message | None:
    """Begin, change, repeat or end the alert of ``subject`` as ``found`` demands; return what is reported, if anything.

    ``new_id`` is the alert's if it begins; None for ``found`` ends it. What one of the ``silences`` covers is not
    repeated. Safe to repeat.
    """
    row = tx.execute(_OF, {"of": subject}).mappings().first()
    if row is None:
        if found is None:
            return None
        began = {"subject": subject, "id": new_id, "finding": found.to_data(), "began_at": now}
        tx.execute(_BEGIN, {**began, "reported": 1, "reported_at": now})
        return tell(tx, Message(alert=new_id, seq=1, phase=Phase.BEGAN, finding=found, at=now))
    lasting = to_alert(row)
    is_silenced = found is not None and covering(silences, found.kind, found.connection) is not None
    phase = lasting.phase(found, now, is_silenced=is_silenced)
    if phase is None:
        return None
    if found is None:
        tx.execute(_END, {"of": subject})
    else:
        changed = {"finding": found.to_data(), "reported": lasting.reported + 1, "reported_at": now}
        tx.execute(_REPORTED.values(**changed), {"of": subject})
    reported = found or alert.ended(lasting.finding, now)
    return tell(tx, Message(alert=lasting.id, seq=lasting.reported + 1, phase=phase, finding=reported, at=now))


def tell(tx: Transaction, message: Message) -> Message:
    """Write a message, for the sender to send; return it."""
    values = {
        "alert": message.alert,
        "seq": message.seq,
        "phase": message.phase.value,
        "connection": message.finding.connection,
        "finding": message.finding.to_data(),
        "at": message.at,
        "delivered": [],
        "error": "",
    }
    tx.execute(_TELL, values)
    return message


def to_alert(row: Row) -> Alert:
    """The alert of a row."""
    return Alert(
        id=row["id"],
        subject=row["subject"],
        finding=_finding(row, row["began_at"]),
        began_at=row["began_at"],
        reported=row["reported"],
        reported_at=row["reported_at"],
        was_silenced=bool(row["was_silenced"]),
    )


def to_message(row: Row) -> Message:
    """The message of a row."""
    return Message(
        alert=row["alert"],
        seq=row["seq"],
        phase=Phase(row["phase"]),
        finding=_finding(row, row["at"]),
        at=row["at"],
    )


def _finding(row: Row, at: datetime) -> Finding:
    """What a row says. One that Keyturn never wrote is reported as such, and keeps no other from being reported."""
    try:
        return Finding.from_data(row["finding"])
    except (*NOT_OURS, AttributeError):
        return Finding(
            kind=Kind.TAMPERED,
            connection=None,
            rotation=None,
            code=None,
            message="An alert was changed outside Keyturn, and cannot be read.",
            since=at,
            next_action=NextAction(Verb.DOCTOR),
        )
