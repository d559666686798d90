"""The joins that make a whole rotation and a whole connection, which several rooms read.

Rotations are read with Core: a claim reads one before every step. Each function works within the caller's transaction.
"""

from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Select, bindparam, select

from persistence import models, rotation_mapping
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

_OPEN: Final = ROTATION.where(_r.c.connection == bindparam("connection"), models.OPEN)


def rotations(tx: Transaction, query: Select[Any], **parameters: object) -> list[Rotation]:
    """Read the rotations of ``query``, which selects what ROTATION does."""
    return [rotation_mapping.to_rotation(row) for row in tx.execute(query, parameters).mappings()]


def open_rotation(tx: Transaction, connection: str) -> Rotation | None:
    """Read the connection's open rotation, under way or parked; None without one."""
    return next(iter(rotations(tx, _OPEN, connection=connection)), None)
