"""Finding rotations. Each function works within the caller's transaction."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Select, bindparam, select

from persistence import mapping, models
from states.certificate import Certificate
from states.errors import NotFound
from states.next_action import by_hand
from states.rotation import Candidate, Rotation
from states.state import State

_r: Final = models.rotations
_c: Final = models.connections
_previous: Final = models.certificates.alias("previous")
_candidate: Final = models.certificates.alias("candidate")

_ID_LENGTH: Final = 26
_PREFIX_LENGTH: Final = 6
"""So many characters of an id are enough, where no other id begins so."""

FULL: Final = select(
    _r,
    *(_previous.c[name].label(f"previous_{name}") for name in ("pem", "not_before", "not_after")),
    _previous.c.sealed_key.is_not(None).label("previous_key_kept"),
    *(_candidate.c[name].label(f"candidate_{name}") for name in ("pem", "not_before", "not_after", "sealed_key")),
    _c.c.openair["kind"].as_string().label("openair_kind"),
).select_from(
    _r.outerjoin(_previous, _previous.c.fingerprint == _r.c.previous_fingerprint)
    .outerjoin(_candidate, _candidate.c.fingerprint == _r.c.candidate_fingerprint)
    .outerjoin(_c, _c.c.name == _r.c.connection)
)
"""Everything that makes a rotation."""

_BY_ID: Final = FULL.where(_r.c.id == bindparam("id"))
_BY_PREFIX: Final = FULL.where(_r.c.id.between(bindparam("first"), bindparam("last"))).limit(2)
_KEPT: Final = (
    select(_r.c.id, _candidate.c.sealed_key)
    .select_from(_r.join(_candidate, _candidate.c.fingerprint == _r.c.candidate_fingerprint))
    .where(
        _r.c.candidate_fingerprint == bindparam("fingerprint"),
        _candidate.c.sealed_key.is_not(None),
    )
)
"""Asked when a rotation is restored, which is too seldom for an index that every rotation would have to keep."""
_OPEN: Final = FULL.where(_r.c.connection == bindparam("connection"), models.OPEN)
_ALL_OPEN: Final = FULL.where(models.OPEN)


def one(tx: Transaction, rotation_id: str) -> Rotation:
    """The rotation with this id, or the only one whose id begins so. Raises NotFound."""
    found = _all(tx, _BY_ID, id=rotation_id)
    if not found and _PREFIX_LENGTH <= len(rotation_id) < _ID_LENGTH:
        begins = rotation_id.upper()
        # Filled up with the least and the greatest character of an id, the prefix is a range, whatever the collation.
        found = _all(tx, _BY_PREFIX, first=begins.ljust(_ID_LENGTH, "0"), last=begins.ljust(_ID_LENGTH, "Z"))
    if not found:
        short = (
            f" Of an id at least {_PREFIX_LENGTH} characters are needed." if len(rotation_id) < _PREFIX_LENGTH else ""
        )
        raise NotFound(f"There is no rotation {rotation_id}.{short}")
    if len(found) > 1:
        raise NotFound(f"Several rotations begin with {rotation_id}.", next_action=by_hand("Give more of the id."))
    return found[0]


def newest(tx: Transaction, connection: str | None, states: Collection[State], limit: int) -> list[Rotation]:
    """The newest rotations first: ids sort by the time they were made."""
    query = FULL.order_by(_r.c.id.desc()).limit(limit)
    if connection is not None:
        query = query.where(_r.c.connection == connection)
    if states:
        query = query.where(_r.c.state.in_([state.value for state in states]))
    return _all(tx, query)


def open_one(tx: Transaction, connection: str) -> Rotation | None:
    """The connection's open rotation: under way or parked."""
    return next(iter(_all(tx, _OPEN, connection=connection)), None)


def open_ones(tx: Transaction) -> list[Rotation]:
    """Every open rotation, the oldest first."""
    return sorted(_all(tx, _ALL_OPEN), key=lambda rotation: rotation.id)


def kept(tx: Transaction, certificate: Certificate) -> tuple[str, Candidate] | None:
    """The rotation that made ``certificate``, and what it made, while the sealed key is kept; or None."""
    row = tx.execute(_KEPT, {"fingerprint": certificate.fingerprint}).one_or_none()
    return (row.id, Candidate(certificate, row.sealed_key)) if row else None


def _all(tx: Transaction, query: Select[Any], **parameters: object) -> list[Rotation]:
    return [mapping.to_rotation(row) for row in tx.execute(query, parameters).mappings()]
