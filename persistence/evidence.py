"""What is stored of a rotation, read at one moment, for its evidence."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from persistence import mapping, models
from persistence.journal import Entry
from states.certificate import Certificate
from states.rotation import Rotation
from states.table import ADOPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A rotation as it is stored, checked with the vault's key."""

    rotation: Rotation
    follows: str | None
    """The connection's rotation before this one."""
    journal: Sequence[Entry]
    """As it was written: an entry's code covers the name that its event had then."""
    adopted: Certificate | None
    """The foreign certificate that the rotation was closed in favour of."""


def adopted_in(session: Session, rotation: Rotation, journal: Sequence[Entry]) -> Certificate | None:
    """Read the foreign certificate that ``rotation`` was closed in favour of; None where it is the previous one, or
    the rotation ended otherwise.
    """
    last = journal[-1]
    fingerprint = last.detail.get("fingerprint") if last.event == ADOPT else None
    if fingerprint is None or (rotation.previous and rotation.previous.fingerprint == fingerprint):
        return None
    query = select(models.Certificates).where(col(models.Certificates.fingerprint) == fingerprint)
    stored = session.exec(query.options(models.WITHOUT_KEY)).one_or_none()
    return mapping.from_certificate(stored) if stored else None
