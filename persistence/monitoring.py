"""The room of what monitoring asks and no other table has: counters, and when the schedule was last looked at.

Counters must never go back, survive restarts, and be the same whichever process is asked. So they are kept here, next
to the place in the feed (`journal_feed`) up to which they count. A process that counts further writes both in one
transaction, and only if no other process was first: each entry is counted once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Text, bindparam, select, text, update

from persistence import models
from persistence.clock import UtcDateTime
from persistence.database import Database
from persistence.journal_feed import Place

_t: Final = models.monitoring
_BEGIN: Final = text("INSERT INTO monitoring (id, place, counts) VALUES (1, '0', '{}') ON CONFLICT (id) DO NOTHING")
"""The row is made by who writes it first, and again where it was lost: then everything is counted again."""
_READ: Final = select(_t.c.place, _t.c.counts)
_REPLACE: Final = update(_t).where(_t.c.place == bindparam("before", type_=Text()))
_LAST_PASS: Final = select(_t.c.passed_at)
_NOTE_PASS: Final = update(_t).values(passed_at=bindparam("now", type_=UtcDateTime()))


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted, and how far."""

    place: Place
    counts: Mapping[str, float]
    """By the name of what is counted. A name that is missing was not counted yet."""


class Monitoring:
    """What monitoring asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counted(self) -> Counted:
        """Return what was counted so far."""
        with self._database.reading() as tx:
            row = tx.execute(_READ).first()
        return Counted(Place.parse(row.place), row.counts) if row else Counted(Place(0), {})

    def count(self, before: Counted, after: Counted) -> bool:
        """Store ``after`` in place of ``before``. Return False where another process was first: nothing is stored."""
        values = {"place": str(after.place), "counts": dict(after.counts)}
        with self._database.writing() as tx:
            tx.execute(_BEGIN)
            return tx.execute(_REPLACE, {"before": str(before.place), **values}).rowcount == 1

    def note_pass(self, now: datetime) -> None:
        """Note that everything that was due was started or postponed ``now`` (UTC)."""
        with self._database.writing() as tx:
            tx.execute(_BEGIN)
            tx.execute(_NOTE_PASS, {"now": now})

    def last_pass(self) -> datetime | None:
        """Return when everything that was due was last started (UTC); None before the first time."""
        with self._database.reading() as tx:
            passed_at: datetime | None = tx.execute(_LAST_PASS).scalar()
        return passed_at
