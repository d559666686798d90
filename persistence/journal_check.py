"""Reading the journal, and checking it against the rotations. Each function works within the caller's transaction."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import bindparam, select

from persistence import mapping, models
from persistence.journal import ORIGIN, Entry, Head, verify
from states.errors import JournalBroken
from states.state import State

_r: Final = models.rotations
_j: Final = models.journal
_c: Final = models.connections
_before: Final = models.rotations.alias("before")

_ENTRIES: Final = select(_j).where(_j.c.rotation_id == bindparam("rotation_id")).order_by(_j.c.seq)
_ROTATIONS: Final = (
    select(
        _r.c.id.label("rotation"),
        _r.c.state.label("stands"),
        _r.c.follows,
        _r.c.journal_seq,
        _r.c.journal_hash,
        _before.c.journal_hash.label("after"),
        _j,
    )
    .select_from(_r.outerjoin(_before, _before.c.id == _r.c.follows).outerjoin(_j, _j.c.rotation_id == _r.c.id))
    .order_by(_r.c.id, _j.c.seq)
)
_ONE: Final = _ROTATIONS.where(_r.c.id == bindparam("id"))
_REMOVED: Final = (
    select(_c.c.name, _c.c.latest_rotation)
    .select_from(_c.outerjoin(_r, _r.c.id == _c.c.latest_rotation))
    .where(_c.c.latest_rotation.is_not(None), _r.c.id.is_(None))
    .order_by(_c.c.name)
    .limit(1)
)


def entries(tx: Transaction, rotation_id: str) -> list[Entry]:
    """A rotation's journal, in order."""
    return [mapping.to_entry(row) for row in tx.execute(_ENTRIES, {"rotation_id": rotation_id}).mappings()]


def check(tx: Transaction, rotation_id: str | None) -> int:
    """Check one rotation's journal or everybody's; return the number of entries. Raises JournalBroken."""
    query, wanted = (_ROTATIONS, {}) if rotation_id is None else (_ONE, {"id": rotation_id})
    found = tx.execution_options(yield_per=1000).execute(query, wanted).mappings()
    checked = sum(_check_one(list(group)) for _, group in groupby(found, key=itemgetter("rotation")))
    if rotation_id is None and (removed := tx.execute(_REMOVED).one_or_none()):
        raise JournalBroken(f"Rotation {removed.latest_rotation} of connection {removed.name} was removed.")
    return checked


def _check_one(journal: list[mapping.Row]) -> int:
    rotation = journal[0]
    if rotation["follows"] and rotation["after"] is None:
        raise JournalBroken(f"Rotation {rotation['follows']}, which {rotation['rotation']} follows, was removed.")
    return verify(
        _told(journal),
        rotation_id=rotation["rotation"],
        after=rotation["after"] or ORIGIN,
        head=Head(rotation["journal_seq"], rotation["journal_hash"]),
        state=State(rotation["stands"]),
    )


def _told(journal: list[mapping.Row]) -> Iterator[Entry]:
    """The entries; a rotation that has lost all of them is joined to a row of nothing."""
    return (mapping.to_entry(row) for row in journal if row["rotation_id"] is not None)
