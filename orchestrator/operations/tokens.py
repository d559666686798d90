"""The verbs on tokens, with which programs sign in to the API."""

import logging
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from orchestrator.events import Listener, TokenAdded, TokenRevoked, ignore
from persistence.store import Store
from states.access import LONGEST_LIFE, Role, Token, digest_of
from states.errors import InvalidInput, KeyturnError, Tampered
from states.ports import Clock

_log = logging.getLogger("keyturn.tokens")

DAYS: Final = 90
"""After how many days a token expires where no one says otherwise."""
_PREFIX: Final = "keyturn_"
"""By which a program that looks for leaked secrets recognizes one."""
_BYTES: Final = 32
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token with its secret, which is shown once and not stored."""

    token: Token
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """A token as a list shows it."""

    token: Token
    is_valid: bool
    """Whether it is accepted now."""
    is_authentic: bool
    """Whether it is as Keyturn wrote it."""


class Tokens:
    """What administrators do with tokens, and the check of one that is shown."""

    def __init__(self, store: Store, clock: Clock, listener: Listener = ignore) -> None:
        self._store = store
        self._clock = clock
        self._listener = listener

    def add(self, name: str, role: Role, *, days: int, actor: str) -> NewToken:
        """Make a token that expires after so many ``days``, and store its hash; return it with its secret.

        Raises InvalidInput, AlreadyExists, VaultLocked, SealBroken.
        """
        if not 1 <= days <= LONGEST_LIFE.days:
            raise InvalidInput(f"A token expires after 1 to {LONGEST_LIFE.days} days.")
        now, secret = self._clock.now(), _PREFIX + secrets.token_urlsafe(_BYTES)
        token = Token(
            name=name,
            digest=digest_of(secret),
            role=role,
            created_at=now,
            created_by=actor,
            expires_at=now + timedelta(days=days),
        )
        self._store.tokens.add(token)
        self._listener(TokenAdded(token.name, token.role, token.expires_at, actor))
        return NewToken(token, secret)

    def all(self) -> list[Listed]:
        """Every token, by name, those that have expired too. Raises VaultLocked, SealBroken."""
        now = self._clock.now()
        return [
            Listed(token, is_authentic and token.is_valid(now), is_authentic)
            for token, is_authentic in self._store.tokens.all()
        ]

    def revoke(self, name: str, *, actor: str) -> None:
        """Remove a token: from now on it is refused, also by processes that run. Raises NotFound."""
        self._store.tokens.remove(name)
        self._listener(TokenRevoked(name, actor))

    def accepted(self, secret: str) -> Token | None:
        """Return the token that ``secret`` belongs to, and note its use; None where it is not accepted.

        It is not accepted where there is none, where it has expired, and where it was changed outside Keyturn, which
        the log says. Raises TryLater, VaultLocked, SealBroken.
        """
        if len(secret) > _LONGEST:
            return None
        try:
            token = self._store.tokens.find(digest_of(secret))
        except Tampered as error:
            _log.error("token refused", extra={"code": error.code, "reason": error.message})
            return None
        now = self._clock.now()
        if token is None or not token.is_valid(now):
            return None
        try:
            self._store.tokens.note_use(token, now)
        except KeyturnError as error:  # a database that is read-only is no reason to refuse a reader
            _log.warning("use of a token not noted", extra={"code": error.code, "reason": error.message})
        return token
