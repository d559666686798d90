"""What Keyturn keeps of the renewal of its sign-in to NetSuite: the next key, and the certificates to revoke.

It is sealed as the key in use is: it holds a private key, and who writes the database cannot make Keyturn revoke
another certificate.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from states.connection import Connection
from states.errors import SealBroken

_KEPT: Final = timedelta(days=30)
"""How long a key that was made and never used is kept: its certificate's two years are running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextSignIn:
    """A key and its certificate that NetSuite is to get, or has got."""

    key: str = field(repr=False)
    certificate: str
    integration: str
    """The account and the integration that it was made for."""
    made_at: str
    """ISO 8601, UTC, as every moment here."""
    before: tuple[str, ...]
    """The ids that NetSuite listed before: none of them is this certificate's."""
    sent_at: str = ""
    """When the certificate was sent, unless NetSuite certainly did not take it; empty otherwise."""

    def is_usable(self, connection: Connection, now: datetime) -> bool:
        """Whether it is still to become the sign-in of ``connection``."""
        return self.integration == integration_of(connection) and now - datetime.fromisoformat(self.made_at) < _KEPT

    def is_sent_within(self, span: timedelta, now: datetime) -> bool:
        """Whether it was sent that lately: the request may still be on its way, from here or from another worker."""
        return bool(self.sent_at) and now - datetime.fromisoformat(self.sent_at) < span


@dataclass(frozen=True, slots=True)
class FormerSignIn:
    """A certificate that is to be revoked."""

    certificate_id: str
    revoke_at: str
    tries: int = 0


@dataclass(frozen=True, slots=True)
class SignInDraft:
    """The renewal of one connection's sign-in."""

    next: NextSignIn | None = None
    former: tuple[FormerSignIn, ...] = ()
    not_before: str = ""
    """Until when no schedule looks at it: another worker does, or it failed lately. Empty: at once."""

    def to_bytes(self) -> bytes:
        """Return it as it is sealed."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "SignInDraft":
        """Read what ``to_bytes`` returned. Raises SealBroken."""
        try:
            found: Mapping[str, Any] = json.loads(content)
            following = found["next"]
            if following is not None:
                following = NextSignIn(**{**following, "before": tuple(following["before"])})
            former = tuple(FormerSignIn(**each) for each in found["former"])
            return cls(following, former, found["not_before"])
        except (ValueError, KeyError, TypeError):
            raise SealBroken("What the vault holds of the renewal of the sign-in cannot be read.") from None


def integration_of(connection: Connection) -> str:
    """Return what distinguishes the integration with which ``connection`` signs in."""
    return f"{connection.netsuite.account} {connection.netsuite.client_id}"
