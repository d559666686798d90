"""Who may do what: roles, the accounts and sessions of people, and the tokens that programs show."""

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from states.errors import InvalidInput

LONGEST_LIFE: Final = timedelta(days=366)
"""How long a token can be used at most: one that was lost and forgotten ends by itself."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a token's or a cookie's secret, in hex: all of it that is kept.

    A look-up compares hashes of 256 random bits: how long it takes tells nothing of a secret.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Role(StrEnum):
    """What someone may do; each role may do what those before it may."""

    VIEWER = "viewer"
    """Reads."""
    OPERATOR = "operator"
    """Acts on rotations."""
    ADMINISTRATOR = "administrator"
    """Changes connections, tokens and accounts."""

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
        _check_name(self.name, "A token's")
        if not timedelta() < self.expires_at - self.created_at <= LONGEST_LIFE:
            raise InvalidInput(f"A token expires after 1 to {LONGEST_LIFE.days} days.")

    @property
    def actor(self) -> str:
        """Its name in the journal, which no person's name can be taken for."""
        return f"token:{self.name}"

    def is_valid(self, now: datetime) -> bool:
        """Whether it can be used at ``now`` (UTC)."""
        return now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person who signs in to the console with a password."""

    name: str
    """Also the person's name in the journal."""
    role: Role
    password: str = field(repr=False)
    """The password's argon2 hash."""
    created_at: datetime
    """UTC."""
    created_by: str
    password_at: datetime
    """When the password was set (UTC). A session is valid for one password."""

    def __post_init__(self) -> None:
        _check_name(self.name, "An account's")

    def with_role(self, role: Role) -> "Account":
        """Return the account with another role."""
        return replace(self, role=role)

    def with_password(self, password: str, at: datetime) -> "Account":
        """Return the account with another password's hash, set ``at`` this moment (UTC)."""
        return replace(self, password=password, password_at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person who is signed in, as every process that serves the console knows it."""

    digest: str
    """The cookie's SHA-256, in hex."""
    account: str
    password_at: datetime
    """That of the account when the session began."""
    expires_at: datetime
    """UTC."""

    def is_valid(self, now: datetime) -> bool:
        """Whether it goes on at ``now`` (UTC)."""
        return now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdSession:
    """A person who is signed in by OpenID Connect. There is no account: the session has the role."""

    digest: str
    """The cookie's SHA-256, in hex."""
    actor: str
    """The person's name in the journal, which no account, no token and no user of a computer can have."""
    role: Role
    terms: str
    """The hash of the settings that gave the role: the session ends with them."""
    expires_at: datetime
    """UTC."""

    def is_valid(self, now: datetime) -> bool:
        """Whether it goes on at ``now`` (UTC)."""
        return now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdRequest:
    """A sign-in that a browser was sent to the OpenID provider with, and that has not come back yet."""

    state: str
    """The SHA-256 of the state, in hex."""
    browser: str
    """The SHA-256 of the cookie that this browser was given, in hex."""
    expires_at: datetime
    """UTC."""

    def is_valid(self, now: datetime) -> bool:
        """Whether it may still come back at ``now`` (UTC)."""
        return now < self.expires_at


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many attempts to sign in are allowed: ``size`` at once, and one more after each ``interval``."""

    name: str
    size: int
    interval: timedelta


OF_ACCOUNT: Final = Bucket("account", 10, timedelta(minutes=6))
"""For each name, whether there is such an account or not. Ten guesses an hour find no password of 12 characters."""
OF_ADDRESS: Final = Bucket("address", 20, timedelta(minutes=3))
"""For each address. An office may share one, so those who succeed are not counted."""


def _check_name(name: str, whose: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{whose} name has 1 to 64 letters, digits, dots, hyphens and underscores, and begins with one of the "
            "first two."
        )
