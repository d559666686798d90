"""The room of the alerts: which last, what is still to be sent, and whose turn it is to send it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Text, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from persistence import alert_models, alert_rows, rotation_statements, rotation_writes
from persistence.clock import UtcDateTime, database_now, database_now_plus, seconds
from persistence.database import Database
from persistence.mapping import Row
from persistence.shared_commit import undo
from persistence.vault import Vault
from states import alert
from states.alert import Alert, Finding, Message
from states.silence import Silence

_a: Final = alert_models.alerts
_o: Final = alert_models.outbox
_s: Final = alert_models.senders
_LASTING: Final = alert_rows.LASTING.order_by(_a.c.began_at, _a.c.subject)
_UNSENT: Final = select(_o).where(alert_models.UNSENT).order_by(_o.c.number)
_HAS_UNSENT: Final = select(exists(select(_o.c.number).where(alert_models.UNSENT)))
_UNSENT_NUMBER: Final = select(func.count()).select_from(_o).where(alert_models.UNSENT)
_NEWEST: Final = select(_o).order_by(_o.c.number.desc())
_SILENCED: Final = (
    select(_o.c.silence, _o.c.delivered)
    .where(_o.c.alert == bindparam("of"), _o.c.seq < bindparam("before"), _o.c.silence.is_not(None))
    .order_by(_o.c.seq)
)
_NOTE: Final = update(_o).where(_o.c.number == bindparam("of"))
_FORGET: Final = delete(_o).where(_o.c.done_at < bindparam("before", type_=UtcDateTime()))
_FIRST_TURN: Final = insert(_s).values(id=1, until=database_now_plus(seconds("lease")))
_TAKE_TURN: Final = (
    update(_s)
    .where((_s.c.until <= database_now()) | (_s.c.holder == bindparam("by", type_=Text())))
    .values(holder=bindparam("by", type_=Text()), until=database_now_plus(seconds("lease")))
)
_END_TURN: Final = delete(_s).where(_s.c.holder == bindparam("by"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message, and how far it was sent."""

    number: int
    message: Message
    delivered: Sequence[str]
    """The routes whose receiver has it."""
    error: str
    """Why a receiver does not have it, or empty."""
    done_at: datetime | None
    """When it was sent on every route, given up, or silenced (UTC)."""
    silence: str | None
    """The id of the silence that kept it from being sent."""


class Alerts:
    """Alerts, and the messages about them."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def lasting(self) -> list[Alert]:
        """Return the alerts that last, the oldest first."""
        with self._database.reading() as tx:
            return [alert_rows.to_alert(row) for row in tx.execute(_LASTING).mappings()]

    def newest(self, limit: int) -> list[Stored]:
        """Return the newest messages, the newest first."""
        with self._database.reading() as tx:
            return [_stored(row) for row in tx.execute(_NEWEST.limit(limit)).mappings()]

    def has_unsent(self) -> bool:
        """Whether a message is still to be sent."""
        with self._database.reading() as tx:
            return bool(tx.execute(_HAS_UNSENT).scalar_one())

    def number_unsent(self) -> int:
        """Return how many messages are still to be sent."""
        with self._database.reading() as tx:
            return int(tx.execute(_UNSENT_NUMBER).scalar_one())

    def unsent(self, limit: int) -> list[Stored]:
        """Return up to ``limit`` messages that are still to be sent, in the order in which they became true."""
        with self._database.reading() as tx:
            return [_stored(row) for row in tx.execute(_UNSENT.limit(limit)).mappings()]

    def settle(
        self, subject: str, found: Finding | None, new_id: str, now: datetime, silences: Collection[Silence] = ()
    ) -> Message | None:
        """Begin, change, repeat or end the alert of ``subject``; return the message, if any. Safe to repeat.

        What one of the ``silences`` covers is not repeated.
        """
        with self._database.writing() as tx:
            reported = alert_rows.settle(tx, subject, found, new_id, now, silences)
            if reported is None:
                undo(tx)
            return reported

    def settle_rotation(
        self, rotation_id: str, new_id: str, now: datetime, silences: Collection[Silence] = ()
    ) -> Message | None:
        """Likewise, as the rotation demands by now, which no one changes meanwhile. Raises VaultLocked, SealBroken."""
        self._vault.unlock()
        with self._database.writing() as tx:
            rotation_statements.LOCK.first(tx, {"id": rotation_id})
            row = rotation_statements.LOCKED.first(tx, {"id": rotation_id})
            found = alert.of_rotation(rotation_writes.check(self._vault, row), now) if row else None
            reported = alert_rows.settle(tx, alert_rows.of_rotation(rotation_id), found, new_id, now, silences)
            if reported is None:
                undo(tx)
            return reported

    def take_turn(self, holder: str, *, lease: float) -> bool:
        """Take or keep the turn to send for ``lease`` seconds by the database's clock. Safe to repeat.

        Return whether the turn is ``holder``'s.
        """
        with self._database.writing() as tx:
            if tx.execute(_TAKE_TURN, {"by": holder, "lease": lease}).rowcount:
                return True
        try:
            with self._database.writing() as tx:
                tx.execute(_FIRST_TURN, {"holder": holder, "lease": lease})
        except IntegrityError:
            return False
        return True

    def end_turn(self, holder: str) -> None:
        """Let another process send. Safe to repeat."""
        with self._database.writing() as tx:
            tx.execute(_END_TURN, {"by": holder})

    def silencing_all_before(self, message: Message) -> str | None:
        """Return the id of a silence if silences kept all earlier messages of the alert from every receiver, or None.

        What is not known any more was sent.
        """
        with self._database.reading() as tx:
            rows = list(tx.execute(_SILENCED, {"of": message.alert, "before": message.seq}))
        unheard = [row.silence for row in rows if not row.delivered]
        return unheard[-1] if unheard and len(unheard) == message.seq - 1 else None

    def silence(self, number: int, silence_id: str, now: datetime) -> None:
        """Note that this silence keeps a message from being sent. Safe to repeat."""
        with self._database.writing() as tx:
            tx.execute(_NOTE.values(silence=silence_id, error="", done_at=now), {"of": number})

    def note(self, number: int, *, delivered: Collection[str], error: str, done_at: datetime | None) -> None:
        """Note how far a message was sent. Safe to repeat."""
        with self._database.writing() as tx:
            changed = {"delivered": sorted(delivered), "error": error, "done_at": done_at}
            tx.execute(_NOTE.values(**changed), {"of": number})

    def forget(self, before: datetime) -> None:
        """Remove the messages that were done ``before`` (UTC). Safe to repeat."""
        with self._database.writing() as tx:
            if not tx.execute(_FORGET, {"before": before}).rowcount:
                undo(tx)


def _stored(row: Row) -> Stored:
    return Stored(
        number=row["number"],
        message=alert_rows.to_message(row),
        delivered=row["delivered"],
        error=row["error"],
        done_at=row["done_at"],
        silence=row["silence"],
    )
