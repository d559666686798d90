"""The joins that make a whole rotation and a whole connection, which several rooms read.

Rotations are read with Core: a claim reads one before every step. Each function works within the caller's transaction.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Select, bindparam, select

from persistence import models, rotation_mapping
from persistence.clock import database_now
from states.durations import in_words
from states.errors import NotFound
from states.next_action import NextAction, Verb, by_hand
from states.rotation import Rotation

_r: Final = models.rotations
_c: Final = models.connections
_previous: Final = models.certificates.alias("previous")
_candidate: Final = models.certificates.alias("candidate")
_current: Final = models.certificates.alias("current")
_CERTIFICATE: Final = ("pem", "not_before", "not_after")

ROTATION: Final = select(
    _r,
    *(_previous.c[name].label(f"previous_{name}") for name in _CERTIFICATE),
    _previous.c.sealed_key.is_not(None).label("previous_key_kept"),
    *(_candidate.c[name].label(f"candidate_{name}") for name in (*_CERTIFICATE, "sealed_key")),
    _c.c.openair["kind"].as_string().label("openair_kind"),
).select_from(
    _r.outerjoin(_previous, _previous.c.fingerprint == _r.c.previous_fingerprint)
    .outerjoin(_candidate, _candidate.c.fingerprint == _r.c.candidate_fingerprint)
    .outerjoin(_c, _c.c.name == _r.c.connection)
)
"""Everything that makes a rotation."""

CONNECTION: Final = select(_c, *(_current.c[name].label(f"current_{name}") for name in _CERTIFICATE)).select_from(
    _c.outerjoin(_current, _current.c.fingerprint == _c.c.current_fingerprint)
)
"""Everything that makes a connection."""

CURRENT_KEY_KEPT: Final = _current.c.sealed_key.is_not(None).label("current_key_kept")
"""Whether the private key of CONNECTION's certificate is kept."""

_ID_LENGTH: Final = 26
_PREFIX_LENGTH: Final = 6
"""So many characters of an id are enough, where no other id begins so."""
_CANDIDATES: Final = 10
"""So many rotations are named where several ids begin alike."""

_NOW: Final = select(database_now())
_BY_ID: Final = ROTATION.where(_r.c.id == bindparam("id"))
_NEWEST: Final = ROTATION.where(
    _r.c.id == select(_c.c.latest_rotation).where(_c.c.name == bindparam("connection")).scalar_subquery()
)
"""By what the connection says. Ids are made before the request waits for the connection, so that of two machines' that
meet, the rotation that was stored last may have the lower id."""
_BY_PREFIX: Final = (
    ROTATION.where(_r.c.id.between(bindparam("first"), bindparam("last"))).order_by(_r.c.id.desc()).limit(_CANDIDATES)
)
_OPEN: Final = ROTATION.with_only_columns(
    *(column for column in ROTATION.selected_columns if column.key != _r.c.begun_at.key)
).where(_r.c.connection == bindparam("connection"), models.OPEN)
"""Without the newest column: a connection is corrected before the migration that asks for it can be applied."""


def rotations(tx: Transaction, query: Select[Any], **parameters: object) -> list[Rotation]:
    """Read the rotations of ``query``, which selects what ROTATION does."""
    return [rotation_mapping.to_rotation(row) for row in tx.execute(query, parameters).mappings()]


def open_rotation(tx: Transaction, connection: str) -> Rotation | None:
    """Read the connection's open rotation, under way or parked; None without one."""
    return next(iter(rotations(tx, _OPEN, connection=connection)), None)


def find_rotation(tx: Transaction, wanted: str) -> Rotation:
    """Read the rotation that a person means: by its id, by its connection's name, or by the beginning of its id.

    Raises NotFound.
    """
    found = rotations(tx, _BY_ID, id=wanted) or rotations(tx, _NEWEST, connection=wanted)
    if not found and _PREFIX_LENGTH <= len(wanted) < _ID_LENGTH:
        begins = wanted.upper()
        # Padded with the least and the greatest character of an id, the prefix is a range in every collation.
        first, last = begins.ljust(_ID_LENGTH, "0"), begins.ljust(_ID_LENGTH, "Z")
        found = rotations(tx, _BY_PREFIX, first=first, last=last)
    if not found:
        raise _not_found(tx, wanted)
    if len(found) > 1:
        now: datetime = tx.execute(_NOW).scalar_one()
        candidates = ", ".join(_described(each, now) for each in found)
        more = " and perhaps more" if len(found) == _CANDIDATES else ""
        message = f"Several rotations begin with {wanted}: {candidates}{more}."
        raise NotFound(message, next_action=by_hand("Give more of the id, or the connection's name."))
    return found[0]


def _described(rotation: Rotation, now: datetime) -> str:
    """A rotation by what tells it from others: id, connection, state and age."""
    parked = ", parked" if rotation.failure and rotation.is_open else ""
    age = in_words(now - rotation.created_at)
    return f"{rotation.id} ({rotation.connection}, {rotation.state}{parked}, {age} old)"


def _not_found(tx: Transaction, wanted: str) -> NotFound:
    if tx.execute(select(_c.c.name).where(_c.c.name == wanted, models.IN_USE)).first():
        rotate = NextAction(Verb.ROTATE, {"connection": wanted})
        return NotFound(f"Connection {wanted} has no rotation yet.", next_action=rotate)
    short = len(wanted) < _PREFIX_LENGTH
    needed = f" Of an id at least {_PREFIX_LENGTH} characters are needed." if short else ""
    return NotFound(f"There is no rotation {wanted}.{needed}")
