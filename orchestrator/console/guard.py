"""Refuses every request that does not come from a signed-in person's own page, before any route sees it.

In this order: the Host, against names that another site points at loopback; where the request comes from, against
forms and scripts of other pages; the size; the session. Answers get the headers that keep a page to itself.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator import http_guard
from orchestrator.console.access import is_open
from orchestrator.console.sessions import SESSION, Sessions
from orchestrator.site import Site
from orchestrator.views.problem import status_of
from states.errors import KeyturnError

_log = logging.getLogger("keyturn.console")

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not no-referrer: with that, a browser that sends no Sec-Fetch-Site posts a form with Origin: null.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_SECURE: Final = {"strict-transport-security": "max-age=31536000"}
"""Under TLS: a browser does not try without it for a year."""
_READS: Final = ("GET", "HEAD")

Refuse = Callable[[HTTPStatus, str], Response]
"""Makes the answer that refuses a request: its status, and the sentence that says why."""


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, *, site: Site, sessions: Sessions, refuse: Refuse) -> None:
        self._app = app
        self._site = site
        self._headers = _HEADERS | (_SECURE if site.is_secure else {})
        self._sessions = sessions
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # a WebSocket: the server refuses what is not answered
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers) or await self._unknown(scope, headers)
        app: ASGIApp = self._refuse(*refusal) if refusal else self._app
        await http_guard.run(app, scope, receive, send, headers=self._headers, log=_log)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[HTTPStatus, str] | None:
        """Why the request is refused no matter who sent it, as a status and a sentence; None where it is not."""
        method = scope["method"]
        if not http_guard.is_expected(self._site, scope, headers):
            return HTTPStatus.MISDIRECTED_REQUEST, "This console answers only under the address that it printed."
        if method not in (*_READS, "POST"):
            return HTTPStatus.METHOD_NOT_ALLOWED, "This console knows GET, HEAD and POST."
        if not _is_own(self._site, headers, method):
            return HTTPStatus.FORBIDDEN, "This request does not come from a page of this console."
        if not http_guard.is_short(headers.get("content-length", "0")):
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, http_guard.TOO_LONG
        return None

    async def _unknown(self, scope: Scope, headers: Headers) -> tuple[HTTPStatus, str] | None:
        """Put the session into ``scope``; say why the request is refused without one, None where it is not."""
        token = session_token(headers, self._site.cookie)
        try:
            session = await run_in_threadpool(self._sessions.find, token) if token else None
        except KeyturnError as error:  # the store does not answer, so no one knows who is signed in
            return status_of(error), error.message
        scope[SESSION] = session
        if session is None and not is_open(scope["path"]):
            return HTTPStatus.UNAUTHORIZED, "You are not signed in."
        return None


def session_token(headers: Headers, name: str) -> str:
    """Return the session's token out of the cookie with this ``name``; empty without one."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _is_own(site: Site, headers: Headers, method: str) -> bool:
    """Whether a request comes from this console's own page, or, as a GET, from the person's address bar or a link.

    Browsers say so in Sec-Fetch-Site. One that does not sends Origin with each POST.
    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
    """
    from_site = headers.get("sec-fetch-site")
    if from_site is not None:
        is_link = method in _READS and headers.get("sec-fetch-mode") == "navigate"
        return from_site in ("same-origin", "none") or is_link
    return method in _READS or site.is_own(headers.get("origin"), headers.get("host"))
