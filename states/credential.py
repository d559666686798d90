"""Keyturn's own credentials: when each ends, what ends with it, and when people are notified of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from states.alert import Finding, Kind
from states.concern import minute
from states.next_action import NextAction, Verb
from states.timing import CREDENTIAL_UNUSED_AFTER


class CredentialKind(StrEnum):
    """What a credential is. The names are stable codes."""

    SIGN_IN_CERTIFICATE = "sign-in-certificate"
    """With which Keyturn signs in to NetSuite; not the certificate that is rotated."""
    REFRESH_TOKEN = "refresh-token"  # noqa: S105 - a name
    CLIENT_SECRET = "client-secret"  # noqa: S105 - a name
    API_KEY = "api-key"
    PASSWORD = "password"  # noqa: S105 - a name
    API_TOKEN = "api-token"  # noqa: S105 - a name
    """With which a program signs in to Keyturn's API."""
    TLS_FILE = "tls-file"
    """A file of certificates that a setting names."""


_LABELS: Final[Mapping[CredentialKind, str]] = {
    CredentialKind.SIGN_IN_CERTIFICATE: "The certificate with which Keyturn signs in to NetSuite",
    CredentialKind.REFRESH_TOKEN: "OpenAir's refresh token",
    CredentialKind.CLIENT_SECRET: "The OAuth client secret for OpenAir",
    CredentialKind.API_KEY: "The API key for OpenAir",
    CredentialKind.PASSWORD: "The user's password for OpenAir",
    CredentialKind.API_TOKEN: "The API token",
    CredentialKind.TLS_FILE: "The certificate of the setting",
}
_HARMS: Final[Mapping[CredentialKind, str]] = {
    CredentialKind.SIGN_IN_CERTIFICATE: "Then no rotation of this connection gets on.",
    CredentialKind.API_TOKEN: "Then the API refuses the programs that use it.",
    CredentialKind.TLS_FILE: "Then connections that depend on it are refused.",
}
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential, without what is secret of it."""

    kind: CredentialKind
    connection: str | None
    """None where it is the installation's."""
    name: str = ""
    """The token's name, or the setting that names the file; empty where a connection has one of the kind."""
    not_before: datetime | None = None
    """UTC; None where it is not known."""
    not_after: datetime | None = None
    """When it ends (UTC); None where that is not known, or where it has no known end."""
    is_known: bool = True
    """False where it ends on a day that Keyturn does not know."""
    used_at: datetime | None = None
    """When a token was last used, or a refresh token last renewed (UTC); None where that is not known."""
    note: str = ""
    """What else there is to know, in whole sentences."""
    next_action: NextAction
    """What replaces it, or what tells Keyturn when it ends."""

    @property
    def id(self) -> str:
        """Names it within its connection, or within the installation."""
        return f"{self.kind}/{self.name}" if self.name else self.kind.value

    @property
    def label(self) -> str:
        """What it is, as the subject of a sentence."""
        return f"{_LABELS[self.kind]} {self.name}".strip()

    def ends(self, now: datetime) -> str:
        """When it ends, as the predicate of a sentence."""
        if self.not_after:
            return f"{'ended' if self.not_after <= now else 'ends'} on {minute(self.not_after)}"
        return "has no known end" if self.is_known else "ends on a day that Keyturn does not know"

    def is_out_of_use(self, now: datetime) -> bool:
        """Whether it is a token that no program has used lately, so that its end harms no one."""
        is_token = self.kind is CredentialKind.API_TOKEN
        return is_token and (self.used_at is None or now - self.used_at > CREDENTIAL_UNUSED_AFTER)

    @property
    def order(self) -> tuple[datetime, bool, str, str]:
        """Sorts the one that ends first to the front, then those whose end is not known, then those without one."""
        return self.not_after or _LATEST, self.is_known, self.connection or "", self.id


def sign_in_certificate(connection: str, ends: datetime | None) -> Credential:
    """The certificate with which ``connection`` signs in to NetSuite, and that ``ends`` then (UTC; None: unknown)."""
    given = {"connection": connection}
    replaced = NextAction(Verb.SETUP, {**given, "new_certificate": True})
    return Credential(
        kind=CredentialKind.SIGN_IN_CERTIFICATE,
        connection=connection,
        not_after=ends,
        is_known=ends is not None,
        next_action=replaced if ends else NextAction(Verb.EDIT_CONNECTION, {**given, "certificate_until": None}),
    )


def step_of(credential: Credential, steps: Collection[int], now: datetime) -> int | None:
    """Return the last of ``steps`` (days before its end) that is reached ``now`` (UTC); 0 once it has ended.

    None before the first. Only steps in the last third of its life count, where its beginning is known: what lives for
    weeks is renewed late, and each new one would reach a long step at once.
    """
    end, begin = credential.not_after, credential.not_before
    if end is None:
        return None
    if end <= now:
        return 0
    reached = [days for days in steps if now + timedelta(days=days) > end]
    return min((days for days in reached if begin is None or 3 * timedelta(days=days) < end - begin), default=None)


def finding_of(credential: Credential, steps: Collection[int], now: datetime) -> Finding | None:
    """What is to be reported ``now`` (UTC) of the end of ``credential``; None where nothing is."""
    days = step_of(credential, steps, now)
    if days is None or credential.not_after is None:
        return None
    return Finding(
        kind=Kind.CREDENTIAL_EXPIRING,
        connection=credential.connection,
        rotation=None,
        code=None,
        message=f"{credential.label} {credential.ends(now)}. {_HARMS[credential.kind]}",
        since=credential.not_after - timedelta(days=days),
        next_action=credential.next_action,
        days=days,
    )
