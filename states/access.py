"""Who may do what: the roles of people and programs, and the tokens that programs show."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from states.errors import InvalidInput

LONGEST_LIFE: Final = timedelta(days=366)
"""How long a token can be used at most: one that was lost and forgotten ends by itself."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Role(StrEnum):
    """What someone may do; each role may do what those before it may."""

    VIEWER = "viewer"
    """Reads."""
    OPERATOR = "operator"
    """Acts on rotations."""
    ADMINISTRATOR = "administrator"
    """Changes connections and tokens."""

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what ``other`` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, without its secret."""

    name: str
    digest: str
    """The secret's SHA-256, in hex."""
    role: Role
    created_at: datetime
    """UTC."""
    created_by: str
    expires_at: datetime
    """UTC."""
    used_at: datetime | None = None
    """When it was last used, to within a minute (UTC); None before its first use."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidInput(
                "A token's name has 1 to 64 letters, digits, dots, hyphens and underscores, and begins with one of the "
                "first two."
            )
        if not timedelta() < self.expires_at - self.created_at <= LONGEST_LIFE:
            raise InvalidInput(f"A token expires after 1 to {LONGEST_LIFE.days} days.")

    @property
    def actor(self) -> str:
        """Its name in the journal, which no person's name can be taken for."""
        return f"token:{self.name}"

    def is_valid(self, now: datetime) -> bool:
        """Whether it can be used at ``now`` (UTC)."""
        return now < self.expires_at
