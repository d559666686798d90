"""Who is signed in: with a password or by OpenID Connect, as the store knows it, or by the link of this process, in its
memory.

A link's session ends with the process. Each ends after twelve hours, or when its person signs out. Only hashes of the
cookies are kept.
"""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from starlette.requests import Request

from orchestrator.operations.sign_in import LIFE, SignedIn
from states import access
from states.access import Account, Role, digest_of

SESSION: Final = "keyturn.session"
"""Where a request's scope has the session."""
LINK_LIFE: Final = timedelta(minutes=15)
"""How long the link for signing in can be used. It may be kept in a terminal's history or a service's log."""
_MOST: Final = 100
"""How many sessions there are at most; the oldest ends. One installation has a handful of people."""


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is signed in."""

    actor: str
    """The name that the journal gets."""
    role: Role
    """What the person may do."""
    until: datetime
    """UTC."""
    has_password: bool = False
    """Whether the person has an account; otherwise the console's link or the OpenID provider signed them in."""


class People(Protocol):
    """Who signs in with a password."""

    def begin(self, name: str, password: str, address: str) -> SignedIn | None:
        """Begin a session; None where the name or the password is wrong. Raises TooManyAttempts, Busy, TryLater."""
        ...

    def find(self, secret: str) -> tuple[access.Session, Account] | None:
        """Return the session of a cookie, with its account. Raises TryLater."""
        ...

    def end(self, secret: str) -> None:
        """End the session of a cookie."""
        ...


class OpenIdPeople(Protocol):
    """Who signs in by OpenID Connect."""

    def find(self, secret: str) -> access.OpenIdSession | None:
        """Return the session of a cookie. Raises TryLater."""
        ...

    def end(self, secret: str) -> None:
        """End the session of a cookie."""
        ...


def session_of(request: Request) -> Session | None:
    """The session of a request; None without one."""
    found = request.scope.get(SESSION)
    return found if isinstance(found, Session) else None


class Sessions:
    """The sessions of one console; safe to share between threads."""

    def __init__(self, now: Callable[[], datetime], people: People, openid: OpenIdPeople | None = None) -> None:
        """``openid`` is None where no OpenID provider is set."""
        self._now = now
        self._people = people
        self._openid = openid
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._links: dict[str, Session] = {}

    def make_link(self, actor: str) -> str:
        """Return a token with which ``actor``, who runs the console, signs in once as an administrator.

        It is valid for ``LINK_LIFE``.
        """
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._links[digest_of(token)] = Session(actor, Role.ADMINISTRATOR, self._now() + LINK_LIFE)
        return token

    def sign_in(self, name: str, password: str, address: str) -> str | None:
        """Begin a session with a password; return its token, or None where the name or the password is wrong.

        Raises TooManyAttempts, Busy, TryLater.
        """
        begun = self._people.begin(name, password, address)
        return begun.secret if begun else None

    def use_link(self, token: str) -> str | None:
        """Use up a link's ``token``; return a new session's token, or None where it is not valid any more."""
        now = self._now()
        with self._lock:
            link = self._links.pop(digest_of(token), None)
            if link is None or now >= link.until:
                return None
            self._sessions = {key: each for key, each in self._sessions.items() if now < each.until}
            while len(self._sessions) >= _MOST:
                del self._sessions[next(iter(self._sessions))]
            session = secrets.token_urlsafe(32)
            self._sessions[digest_of(session)] = Session(link.actor, link.role, now + LIFE)
            return session

    def find(self, token: str) -> Session | None:
        """Return the session of ``token``; None where there is none, or none any more. Raises TryLater."""
        with self._lock:
            found = self._sessions.get(digest_of(token))
        if found:
            return found if self._now() < found.until else None
        if with_password := self._people.find(token):
            session, account = with_password
            return Session(account.name, account.role, session.expires_at, has_password=True)
        by_openid = self._openid.find(token) if self._openid else None
        return Session(by_openid.actor, by_openid.role, by_openid.expires_at) if by_openid else None

    def sign_out(self, token: str) -> None:
        """End the session of ``token``. Safe to repeat."""
        with self._lock:
            found = self._sessions.pop(digest_of(token), None)
        if not found:
            self._people.end(token)
            if self._openid:
                self._openid.end(token)
