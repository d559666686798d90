"""How Keyturn is registered at the OpenID provider, as the settings and the file of the client's secret say."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.settings import OpenIdSettings
from states.errors import InvalidSettings
from states.next_action import by_hand
from states.shortage import shortage

_NEEDED: Final = ("client_id", "client_secret_file", "role_claim")
_LONGEST_SECRET: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How Keyturn is registered at a provider."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    claims: frozenset[str]
    """The claims that are looked for: the UserInfo endpoint is asked where the ID token does not have them."""


def client_of(settings: OpenIdSettings) -> Client:
    """Return the client that the settings, which name an issuer, describe.

    Raises InvalidSettings where one is missing, or the file of the secret cannot be used; Exhausted.
    """
    for name in _NEEDED:
        if not getattr(settings, name):
            raise InvalidSettings(f"The setting openid.{name} is missing: openid.issuer needs it.")
    if not (settings.administrators or settings.operators or settings.viewers):
        raise InvalidSettings(
            "No one could sign in by OpenID Connect.",
            next_action=by_hand(
                f"Set openid.administrators, openid.operators or openid.viewers: values of the claim "
                f"{settings.role_claim}."
            ),
        )
    assert settings.client_secret_file
    return Client(
        issuer=settings.issuer,
        client_id=settings.client_id,
        client_secret=_read(settings.client_secret_file),
        scope=settings.scope,
        claims=frozenset({settings.role_claim, "email"}),
    )


def _read(file: Path) -> str:
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        secret = ""
    except OSError as error:
        if lacking := shortage(error):
            raise lacking from error
        raise InvalidSettings(
            f"The file openid.client_secret_file, {file}, cannot be read: {error.strerror}."
        ) from error
    if not (secret.isprintable() and 0 < len(secret) <= _LONGEST_SECRET):
        raise InvalidSettings(f"The file openid.client_secret_file, {file}, has no secret on one line.")
    return secret
