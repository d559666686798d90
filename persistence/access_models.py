"""The tables of who may do what: tokens of programs, people, their sessions and views."""

from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, Index, Table, Text
from sqlmodel import Field

from persistence.clock import UtcDateTime
from persistence.model_base import TableModel, is_in
from states.access import Role


class Tokens(TableModel, table=True):
    """The tokens with which programs sign in to the API. Their secrets are not stored, only the secrets' hashes."""

    __table_args__ = (
        CheckConstraint(is_in("role", tuple(Role)), name="role"),
        Index("uq_tokens_digest", "digest", unique=True),
    )

    name: str = Field(primary_key=True, sa_type=Text)
    digest: str = Field(sa_type=Text)
    role: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str = Field(sa_type=Text)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    code: str = Field(sa_type=Text)
    """Authenticates the token, except when it was used (persistence/authenticity.py)."""


class Accounts(TableModel, table=True):
    """The people who sign in to the console with a password."""

    __table_args__ = (CheckConstraint(is_in("role", tuple(Role)), name="role"),)

    name: str = Field(primary_key=True, sa_type=Text)
    role: str = Field(sa_type=Text)
    password: str = Field(sa_type=Text, repr=False)
    """The password's argon2 hash."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str = Field(sa_type=Text)
    password_at: datetime = Field(sa_type=UtcDateTime)
    code: str = Field(sa_type=Text)
    """Authenticates the account (persistence/authenticity.py)."""


class Sessions(TableModel, table=True):
    """Who is signed in to the console with a password. The cookies are not stored, only their hashes."""

    digest: str = Field(primary_key=True, sa_type=Text)
    account: str = Field(sa_type=Text)
    password_at: datetime = Field(sa_type=UtcDateTime)
    """That of the account when the session began: the session ends with that password."""
    expires_at: datetime = Field(sa_type=UtcDateTime)
    code: str = Field(sa_type=Text)
    """Authenticates the session (persistence/authenticity.py)."""


class OpenIdSessions(TableModel, table=True):
    """Who is signed in to the console by OpenID Connect. The cookies are not stored, only their hashes."""

    __table_args__ = (CheckConstraint(is_in("role", tuple(Role)), name="role"),)

    digest: str = Field(primary_key=True, sa_type=Text)
    actor: str = Field(sa_type=Text)
    role: str = Field(sa_type=Text)
    terms: str = Field(sa_type=Text)
    """The hash of the settings that gave the role: the session ends with them."""
    expires_at: datetime = Field(sa_type=UtcDateTime)
    code: str = Field(sa_type=Text)
    """Authenticates the session (persistence/authenticity.py)."""


class OpenIdRequests(TableModel, table=True):
    """The sign-ins that have not come back from the OpenID provider. Only hashes are stored."""

    state: str = Field(primary_key=True, sa_type=Text)
    browser: str = Field(sa_type=Text)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    code: str = Field(sa_type=Text)
    """Authenticates the request (persistence/authenticity.py)."""


class SavedViews(TableModel, table=True):
    """The lists of the console that people keep under names."""

    person: str = Field(primary_key=True, sa_type=Text)
    """Their name in the journal."""
    name: str = Field(primary_key=True, sa_type=Text)
    address: str = Field(sa_type=Text)


class Attempts(TableModel, table=True):
    """The buckets of attempts to sign in, by the hash of a name or an address."""

    key: str = Field(primary_key=True, sa_type=Text)
    full_at: datetime = Field(sa_type=UtcDateTime)
    """When the bucket is full again."""


tokens: Final[Table] = TableModel.metadata.tables["tokens"]
accounts: Final[Table] = TableModel.metadata.tables["accounts"]
sessions: Final[Table] = TableModel.metadata.tables["sessions"]
openid_sessions: Final[Table] = TableModel.metadata.tables["openidsessions"]
openid_requests: Final[Table] = TableModel.metadata.tables["openidrequests"]
saved_views: Final[Table] = TableModel.metadata.tables["savedviews"]
attempts: Final[Table] = TableModel.metadata.tables["attempts"]
