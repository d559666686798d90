"""The read model: pages of rotations and connections, for lists.

A page costs the same however large the store is. An index gives the rows in order, from the cursor on; nothing counts,
sorts or looks through a table. Each function works within the caller's transaction.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    TextClause,
    and_,
    false,
    func,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy import Connection as Transaction

from persistence import mapping, models, rotation_mapping
from states import ids
from states.state import State
from states.summary import ConnectionSummary, RotationSummary

T = TypeVar("T")


class Only(StrEnum):
    """Which rotations, by whether they have ended."""

    OPEN = "open"
    """Under way or parked."""
    PARKED = "parked"
    """Waits for a person."""


EXAMINED: Final = 500
"""How many rows a page examines at most where no index knows the answer."""

_r: Final = models.rotations
_c: Final = models.connections
_previous: Final = models.certificates.alias("previous")
_candidate: Final = models.certificates.alias("candidate")
_current: Final = models.certificates.alias("current")
_DATES: Final = ("not_before", "not_after")
_Keys = Select[str] | CompoundSelect[str]
_Conditions = list[ColumnElement[bool] | TextClause]
_UNSEEN: Final = frozenset(
    (
        *("policy", "follows", "worker", "fence", "lease_until", "journal_seq", "journal_hash"),
        *("confirmation_fingerprint", "challenge", "signature", "asked_at", "saved_fingerprint"),
        *("verified_fingerprint", "verified_at", "may_create_record", "may_overwrite", "begun_at"),
    )
)
"""What only a rotation's steps need."""

_ROTATION: Final = [
    *(column for column in _r.c if column.key not in _UNSEEN),
    *(_previous.c[name].label(f"previous_{name}") for name in _DATES),
    *(_candidate.c[name].label(f"candidate_{name}") for name in _DATES),
    _c.c.openair["kind"].as_string().label("openair_kind"),
]
_CONNECTION: Final = [*_c.c, *(_current.c[name].label(f"current_{name}") for name in _DATES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationFilter:
    """Which rotations to list; without any, all."""

    connection: str | None = None
    states: Collection[State] = ()
    only: Only | None = None
    text: str = ""
    """A part of the id, the connection's name, the actor, the reason or the failure's code, in either case."""
    since: datetime | None = None
    """Those that were requested at this moment (UTC) or later."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list."""

    items: list[T]
    following: str | None
    """The cursor of the next page, or None at the end of the list.

    A page can have fewer items than were asked for, or none, and still have a next one: where a filter is not what an
    index is ordered by, a page examines EXAMINED rows at most, so that it is never slow.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFilter:
    """Which connections to list; without any, all."""

    text: str = ""
    """A part of the name, the NetSuite account or OpenAir's base URL, in either case."""
    names: Collection[str] | None = None
    """Only those of these names; None: any."""


def rotation_page(tx: Transaction, wanted: RotationFilter, after: str | None, limit: int) -> Page[RotationSummary]:
    """The newest rotations first: ids sort by the time of their making."""
    keys, residual = _newest(wanted, after)
    examined = keys.limit(EXAMINED if residual else limit + 1).subquery("examined")
    query = (
        select(*_ROTATION)
        .select_from(
            examined.join(_r, _r.c.id == examined.c.key)
            .outerjoin(_previous, _previous.c.fingerprint == _r.c.previous_fingerprint)
            .outerjoin(_candidate, _candidate.c.fingerprint == _r.c.candidate_fingerprint)
            .outerjoin(_c, _c.c.name == _r.c.connection)
        )
        .where(*residual)
        .order_by(_r.c.id.desc())
        .limit(limit + 1)
    )
    items = [rotation_mapping.to_rotation_summary(row) for row in tx.execute(query).mappings()]
    if len(items) > limit:
        return Page(items[:limit], items[limit - 1].id)
    return Page(items, _last_examined(tx, keys) if residual else None)


def rotation_count(tx: Transaction, wanted: RotationFilter) -> int:
    """How many rotations are wanted."""
    keys, residual = _newest(wanted, None)
    examined = keys.order_by(None).subquery("examined")
    query = select(func.count()).select_from(examined.join(_r, _r.c.id == examined.c.key)).where(*residual)
    return tx.execute(query).scalar_one()


def connection_page(
    tx: Transaction, wanted: ConnectionFilter, after: str | None, limit: int
) -> Page[ConnectionSummary]:
    """Connections by name."""
    account, url = _c.c.netsuite["account"].as_string(), _c.c.openair["url"].as_string()
    residual = _contains(wanted.text, _c.c.name, account, url)
    keys = select(_c.c.name.label("key")).where(_c.c.name > (after or ""), models.IN_USE).order_by(_c.c.name)
    if wanted.names is not None:
        keys = keys.where(_c.c.name.in_(wanted.names))
    examined = keys.limit(EXAMINED if residual else limit + 1).subquery("examined")
    query = (
        select(*_CONNECTION)
        .select_from(
            examined.join(_c, _c.c.name == examined.c.key).outerjoin(
                _current, _current.c.fingerprint == _c.c.current_fingerprint
            )
        )
        .where(*residual)
        .order_by(_c.c.name)
        .limit(limit + 1)
    )
    items = [mapping.to_connection_summary(row) for row in tx.execute(query).mappings()]
    if len(items) > limit:
        return Page(items[:limit], items[limit - 1].name)
    return Page(items, _last_examined(tx, keys) if residual else None)


def connections_until(tx: Transaction, until: datetime, by_hand: datetime) -> list[ConnectionSummary]:
    """The connections whose certificate expires, or whose automatic rotation begins, before ``until`` (UTC).

    And those that no schedule rotates, whose certificate expires before ``by_hand`` (UTC).
    """
    expires = _current.c.not_after
    ends = or_(expires < until, and_(models.AUTOMATIC, _c.c.due_at < until), and_(models.BY_HAND, expires < by_hand))
    query = (
        select(*_CONNECTION)
        .select_from(_c.outerjoin(_current, _current.c.fingerprint == _c.c.current_fingerprint))
        .where(models.IN_USE, ends)
        .order_by(_c.c.name)
    )
    return [mapping.to_connection_summary(row) for row in tx.execute(query).mappings()]


def _newest(wanted: RotationFilter, after: str | None) -> tuple[_Keys, _Conditions]:
    """The ids to examine, in the order of an index, and the conditions that this index does not know."""
    # With the lower bound that always is, every index is searched and none is scanned.
    bounds = [_r.c.id >= (ids.first_at(wanted.since) if wanted.since else "")]
    if after is not None:
        bounds.append(_r.c.id < after)
    narrowed = select(_r.c.id.label("key")).where(*bounds)
    text = _contains(wanted.text, _r.c.id, _r.c.connection, _r.c.actor, _r.c.reason, _r.c.failure_code)
    if wanted.connection is not None:
        states: _Conditions = [_r.c.state.in_([state.value for state in wanted.states])] if wanted.states else []
        ended: _Conditions = [models.OPEN] if wanted.only else []
        parked: _Conditions = [_r.c.state == State.FAILED.value] if wanted.only is Only.PARKED else []
        return _ordered(narrowed.where(_r.c.connection == wanted.connection)), [*states, *ended, *parked, *text]
    if wanted.states or wanted.only:
        # An index is ordered by id within one state: several states are as many searches, merged.
        ranges = [narrowed.where(_r.c.state == state.value, which) for state, which in _ranges(wanted)]
        return _ordered(union_all(*ranges) if ranges else narrowed.where(false())), text
    return _ordered(narrowed), text


def _ranges(wanted: RotationFilter) -> Iterator[tuple[State, TextClause]]:
    """The ranges of the two indexes by state in which wanted rotations are."""
    for state in State:
        if (wanted.states and state not in wanted.states) or (wanted.only is Only.PARKED and state is not State.FAILED):
            continue
        if state is not State.COMPLETED:
            yield state, models.OPEN
        if state in (State.COMPLETED, State.FAILED) and not wanted.only:
            yield state, models.CLOSED


def _ordered(keys: _Keys) -> _Keys:
    return keys.order_by(literal_column("key").desc())


def _contains(text: str, *columns: ColumnElement[Any]) -> _Conditions:
    return [or_(*(column.icontains(text, autoescape=True) for column in columns))] if text else []


def _last_examined(tx: Transaction, keys: _Keys) -> str | None:
    """The last key that a full page examines; None where there are fewer, so that the list ends here."""
    last: str | None = tx.execute(keys.limit(1).offset(EXAMINED - 1)).scalar_one_or_none()
    return last
