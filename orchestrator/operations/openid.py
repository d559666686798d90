"""Signing in to the console by OpenID Connect, and the sessions that this begins.

A browser is sent to the provider with a state, and comes back with it. The cookie that it was given meanwhile has a
secret, of which the nonce and PKCE's verifier are made: the store has hashes only, and another browser that comes back
with the same answer is refused.
"""

import json
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from orchestrator.adapters.openid import Provider, Request
from orchestrator.adapters.openid_token import Claims
from orchestrator.events import Listener, PersonSignedOut, ignore
from orchestrator.operations.sign_in import LIFE, network_of, take
from orchestrator.settings import OpenIdSettings
from persistence.store import Store
from states.access import OF_ADDRESS, OpenIdRequest, OpenIdSession, Role, digest_of
from states.errors import NotFound, OpenIdRefused
from states.next_action import by_hand
from states.ports import Clock

_log = logging.getLogger("keyturn.console")

REQUEST_LIFE: Final = timedelta(minutes=10)
"""How long a person may take at the provider."""
_LONGEST_NAME: Final = 120
_LONGEST: Final = 100
"""Of a cookie or a state: both have 43 characters."""
_AGAIN: Final = (
    "This sign-in was not begun in this browser, was used already, or is older than 10 minutes. Sign in again."
)


@dataclass(frozen=True, slots=True)
class Started:
    """A sign-in that has begun: where the browser goes, and the cookie's value that it gets, which is not stored."""

    address: str = field(repr=False)
    secret: str = field(repr=False)


class OpenIdSignIn:
    """Who is signed in by OpenID Connect, in every process of this installation."""

    def __init__(
        self, store: Store, clock: Clock, provider: Provider, settings: OpenIdSettings, listener: Listener = ignore
    ) -> None:
        self._store = store
        self._clock = clock
        self._provider = provider
        self._settings = settings
        self._listener = listener
        self._roles = dict(_roles(settings))
        self._terms = _terms(settings)

    @property
    def issuer(self) -> str:
        """The provider's issuer."""
        return self._settings.issuer

    @property
    def label(self) -> str:
        """What a page calls the provider; may be empty."""
        return self._settings.label

    def start(self, redirect_uri: str, address: str) -> Started:
        """Begin the sign-in of a browser at this ``address``, which is to come back to ``redirect_uri``.

        Raises TooManyAttempts, OpenIdRefused, Busy, TryLater, VaultLocked, SealBroken.
        """
        take(self._store, OF_ADDRESS, network_of(address), self._clock.now())
        secret, state = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        url = self._provider.address(Request.of(secret, state, redirect_uri))
        now = self._clock.now()
        self._store.openid_requests.add(
            OpenIdRequest(state=digest_of(state), browser=digest_of(secret), expires_at=now + REQUEST_LIFE), now
        )
        return Started(url, secret)

    def finish(self, answer: Mapping[str, str], secret: str, redirect_uri: str, address: str) -> str:
        """Begin a session for who came back with ``answer`` and the cookie ``secret``; return the session's token.

        Raises OpenIdRefused, with nothing begun; Busy, TryLater, VaultLocked, SealBroken.
        """
        try:
            actor, subject, role = self._person(answer, secret, redirect_uri)
        except OpenIdRefused as error:
            _log.warning("sign-in refused", extra={"reason": error.message, "address": address})
            raise
        token = secrets.token_urlsafe(32)
        now = self._clock.now()
        session = OpenIdSession(
            digest=digest_of(token), actor=actor, role=role, terms=self._terms, expires_at=now + LIFE
        )
        self._store.openid_sessions.begin(session, now)
        self._store.attempts.give_back(OF_ADDRESS, network_of(address))
        _log.info("signed in", extra={"actor": actor, "subject": subject, "role": role, "address": address})
        return token

    def find(self, secret: str) -> OpenIdSession | None:
        """Return the session of a cookie; None where there is none, or none any more.

        None, too, where the settings that gave the role have changed. Raises TryLater, VaultLocked, SealBroken.
        """
        if len(secret) > _LONGEST:
            return None
        found = self._store.openid_sessions.find(digest_of(secret))
        return found if found and found.terms == self._terms and found.is_valid(self._clock.now()) else None

    def people(self) -> list[OpenIdSession]:
        """Of each person who is signed in the session that ends last, by name. Raises VaultLocked, SealBroken."""
        now = self._clock.now()
        valid = (each for each in self._store.openid_sessions.all() if each.terms == self._terms and each.is_valid(now))
        last = {each.actor: each for each in sorted(valid, key=lambda each: each.expires_at)}
        return [last[name] for name in sorted(last)]

    def sign_out(self, name: str, *, actor: str) -> None:
        """End every session of a person, who can sign in again if the provider still allows it. Raises NotFound."""
        if not self._store.openid_sessions.end_all(name):
            raise NotFound(f"{name} is not signed in.", next_action=by_hand("See the list of people.", None))
        self._listener(PersonSignedOut(name, actor))

    def end(self, secret: str) -> None:
        """End the session of a cookie. Safe to repeat."""
        self._store.openid_sessions.end(digest_of(secret))

    def _person(self, answer: Mapping[str, str], secret: str, redirect_uri: str) -> tuple[str, str, Role]:
        """The name, the subject and the role of who came back."""
        state = answer.get("state", "")
        if not (0 < len(state) <= _LONGEST and 0 < len(secret) <= _LONGEST):
            raise OpenIdRefused(_AGAIN)
        request = self._store.openid_requests.take(digest_of(state), digest_of(secret))
        if request is None or not request.is_valid(self._clock.now()):
            raise OpenIdRefused(_AGAIN)
        claims = self._provider.person(answer, Request.of(secret, state, redirect_uri))
        name = name_of(claims)
        return name, str(claims[0]["sub"]), self._role(name, claims)

    def _role(self, name: str, sources: Sequence[Claims]) -> Role:
        claim = self._settings.role_claim
        value = next((each[claim] for each in sources if claim in each), None)
        held = value if isinstance(value, list) else [value]
        roles = [self._roles[each] for each in held if isinstance(each, str) and each in self._roles]
        for role in reversed(Role):
            if role in roles:
                return role
        wanted = ", ".join(f"{each} ({role})" for each, role in self._roles.items())
        fault = "sent no such claim" if value is None else "sent the claim without such a value"
        raise OpenIdRefused(
            f"{name} may not use this console: the claim “{claim}” has to hold one of {wanted}. The provider {fault}."
        )


def name_of(sources: Sequence[Claims]) -> str:
    """Return the person's name in the journal, from the claims that the provider sent.

    No account, token or user has a colon in the name. People can choose what they are called at some providers, so what
    one of them calls herself is not taken for another one's address: the kind of name goes before it.

    Raises OpenIdRefused where it cannot be shown on a line.
    """
    kind, name = next(_names(sources))
    if not (name.isprintable() and name == name.strip() and 0 < len(name) <= _LONGEST_NAME):
        raise OpenIdRefused(f"The name of who signed in has more than {_LONGEST_NAME} or unusual characters.")
    return f"{kind}:{name}"


def _names(sources: Sequence[Claims]) -> Iterator[tuple[str, str]]:
    """The kinds of names and the names, the best one first."""
    for claims in sources:
        if claims.get("email_verified") is True and isinstance(email := claims.get("email"), str):
            yield "openid", email
    for claims in sources:
        if isinstance(chosen := claims.get("preferred_username"), str):
            yield "openid-user", chosen
    yield "openid-sub", str(sources[0]["sub"])


def _roles(settings: OpenIdSettings) -> Iterator[tuple[str, Role]]:
    """The values of the claim with the roles that they give; the last one counts."""
    yield from ((each, Role.VIEWER) for each in settings.viewers)
    yield from ((each, Role.OPERATOR) for each in settings.operators)
    yield from ((each, Role.ADMINISTRATOR) for each in settings.administrators)


def _terms(settings: OpenIdSettings) -> str:
    """The hash of who says what about whom, and of what follows from that."""
    names = ("issuer", "client_id", "role_claim", "administrators", "operators", "viewers")
    return digest_of(json.dumps([getattr(settings, name) for name in names]))
