"""The journal as a list: across rotations, the newest entry first, each entry checked as it is read.

What is checked of one entry is its own code and its place in the chain. `journal_check` checks whole journals.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, tuple_
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from persistence import mapping, models
from persistence.clock import ILLEGIBLE
from persistence.journal import ORIGIN, RENAMED, Entry, Head, Neighbours, finding, renamed
from persistence.read_model import EXAMINED, Page
from states.errors import InvalidInput
from states.state import State

_Journal = models.Journal
_Rotation = models.Rotations
_Before = aliased(models.Journal, name="before")
_Next = aliased(models.Journal, name="following")
_Followed = aliased(models.Rotations, name="followed")
_j: Final = models.journal
_r: Final = models.rotations

_Query = Select[*tuple[Any, ...]]

_CHECKED: Final[_Query] = (
    select_columns(
        _Journal,
        col(_Rotation.connection).label("connection"),
        col(_Rotation.follows).label("follows"),
        col(_Rotation.journal_seq).label("last_seq"),
        col(_Rotation.journal_hash).label("last_hash"),
        col(_Followed.journal_hash).label("followed_hash"),
        col(_Before.hash).label("before_hash"),
        col(_Before.target).label("before_target"),
        col(_Next.seq).label("next_seq"),
    )
    .join(_Rotation, col(_Rotation.id) == col(_Journal.rotation_id))
    .outerjoin(_Followed, col(_Followed.id) == col(_Rotation.follows))
    .outerjoin(
        _Before,
        and_(col(_Before.rotation_id) == col(_Journal.rotation_id), col(_Before.seq) == col(_Journal.seq) - 1),
    )
    .outerjoin(
        _Next, and_(col(_Next.rotation_id) == col(_Journal.rotation_id), col(_Next.seq) == col(_Journal.seq) + 1)
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFilter:
    """Which entries to list; without any, all."""

    connection: str | None = None
    rotation: str | None = None
    """A rotation's whole id."""
    event: str = ""
    """By its present name."""
    actor: str = ""
    """A part of the name, in either case."""
    since: datetime | None = None
    """From this moment (UTC) on."""


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """An entry, and what its check found."""

    connection: str
    entry: Entry
    finding: str | None
    """What is wrong with it; empty where it is as it was written, None where that is not known without the key."""


def page(
    session: Session,
    wanted: JournalFilter,
    after: str | None,
    limit: int,
    is_authentic: Callable[[Entry], bool] | None,
) -> Page[CheckedEntry]:
    """Return up to ``limit`` entries. Where no index knows the answer, EXAMINED entries at most are looked at."""
    keys, residual = _newest(wanted, _place(after) if after else None)
    examined = _ordered(keys, keys.selected_columns).limit(EXAMINED if residual else limit + 1).subquery("examined")
    query = _CHECKED.join(
        examined, and_(examined.c.rotation_id == col(_Journal.rotation_id), examined.c.seq == col(_Journal.seq))
    ).where(*residual)
    rows = session.execute(_ordered(query, _j.c).limit(limit + 1)).all()
    items = [_checked(row, is_authentic) for row in rows]
    if len(items) > limit:
        return Page(items[:limit], _cursor(items[limit - 1].entry))
    if not residual:
        return Page(items, None)
    last = session.execute(_ordered(keys, keys.selected_columns).limit(1).offset(EXAMINED - 1)).one_or_none()
    return Page(items, f"{last.at.isoformat()}~{last.rotation_id}~{last.seq}" if last else None)


def of(session: Session, rotation_id: str, is_authentic: Callable[[Entry], bool] | None) -> list[CheckedEntry]:
    """Return one rotation's whole journal, in order."""
    query = _CHECKED.where(col(_Journal.rotation_id) == rotation_id).order_by(col(_Journal.seq))
    return [_checked(row, is_authentic) for row in session.execute(query)]


def _newest(
    wanted: JournalFilter, before: tuple[datetime, str, int] | None
) -> tuple[_Query, list[ColumnElement[bool]]]:
    """The keys to examine, in no order, and the conditions that no index knows."""
    # With the lower bound that always is, the index is searched and not scanned.
    keys = select_columns(_j.c.at, _j.c.rotation_id, _j.c.seq).where(_j.c.at >= (wanted.since or ILLEGIBLE))
    if before is not None:
        keys = keys.where(tuple_(_j.c.at, _j.c.rotation_id, _j.c.seq) < before)
    others = list(_others(wanted))
    if wanted.rotation is None and wanted.connection is None:
        return keys, others
    if wanted.rotation is not None:
        keys = keys.where(_j.c.rotation_id == wanted.rotation)
    if wanted.connection is not None:
        keys = keys.where(_j.c.rotation_id.in_(select_columns(_r.c.id).where(_r.c.connection == wanted.connection)))
    # One connection's entries are few. An offset keeps the database from looking for them in the order of time, which
    # is the order of the entries of all connections.
    few = keys.where(*others).offset(0).subquery("few")
    return select_columns(few.c.at, few.c.rotation_id, few.c.seq), []


def _others(wanted: JournalFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.event:
        former = [name for name, present in RENAMED.items() if present == wanted.event]
        yield _j.c.event.in_([wanted.event, *former])
    if wanted.actor:
        yield _j.c.actor.icontains(wanted.actor, autoescape=True)


def _ordered(query: _Query, columns: Any) -> _Query:
    return query.order_by(columns.at.desc(), columns.rotation_id.desc(), columns.seq.desc())


def _cursor(entry: Entry) -> str:
    return f"{entry.at.isoformat()}~{entry.rotation_id}~{entry.seq}"


def _place(cursor: str) -> tuple[datetime, str, int]:
    """The place in the list that ``cursor`` names. Raises InvalidInput."""
    at, _, rest = cursor.partition("~")
    rotation_id, _, seq = rest.partition("~")
    try:
        moment = datetime.fromisoformat(at)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)), rotation_id, int(seq)
    except (ValueError, OverflowError):
        raise InvalidInput("This is no place in the journal.") from None


def _checked(row: Any, is_authentic: Callable[[Entry], bool] | None) -> CheckedEntry:
    stored = row[0]
    entry = mapping.from_entry(stored)
    if is_authentic is None:
        return CheckedEntry(row.connection, renamed(entry), None)
    found = finding(entry, _around(row, entry), is_authentic)
    return CheckedEntry(row.connection, renamed(entry), found)


def _around(row: Any, entry: Entry) -> Neighbours:
    if entry.seq == 1:
        hash_before = row.followed_hash if row.follows else ORIGIN
        reached = None
    else:
        hash_before = row.before_hash
        reached = State(row.before_target) if row.before_target else None
    return Neighbours(
        before=Head(entry.seq - 1, hash_before) if hash_before else None,
        reached=reached,
        head=Head(row.last_seq, row.last_hash),
        has_next=row.next_seq is not None,
    )
