"""The statements that read connections without their models: what is due, what comes, what expires, who is known."""

from typing import Final

from sqlalchemy import bindparam, exists, func, or_, select

from persistence import models
from persistence.clock import UtcDateTime

_c: Final = models.connections
_r: Final = models.rotations

DUE: Final = (
    select(_c.c.name)
    .where(
        models.AUTOMATIC,
        _c.c.due_at <= bindparam("now", type_=UtcDateTime()),
        ~exists().where(_r.c.connection == _c.c.name, models.OPEN),
    )
    .order_by(_c.c.due_at)
    .limit(bindparam("limit"))
)
COMING: Final = (
    select(_c.c.due_at, _c.c.name)
    .where(
        models.AUTOMATIC,
        _c.c.due_at.is_not(None),
        ~exists().where(_r.c.connection == _c.c.name, models.OPEN),
    )
    .order_by(_c.c.due_at)
    .limit(bindparam("limit"))
)
EXPIRIES: Final = (
    select(models.certificates.c.not_after, _c.c.name)
    .select_from(_c.join(models.certificates, models.certificates.c.fingerprint == _c.c.current_fingerprint))
    .where(models.IN_USE, models.certificates.c.not_after < bindparam("until", type_=UtcDateTime()))
    .order_by(models.certificates.c.not_after, _c.c.name)
)
_UNTIL: Final = _c.c.netsuite["certificate_until"].as_string()
SIGN_IN_ENDS: Final = select(_UNTIL.label("until"), _c.c.name).where(_UNTIL.is_not(None)).order_by(_UNTIL, _c.c.name)
"""Their one form orders them as text (states.connection)."""
COUNT: Final = select(func.count()).select_from(_c).where(models.IN_USE)
KNOWN: Final = select(_c.c.name).where(
    _c.c.name == bindparam("name"), or_(models.IN_USE, _c.c.latest_rotation.is_not(None))
)
