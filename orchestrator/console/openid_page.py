"""Signing in by OpenID Connect: the way to the provider, and the way back.

Both are GET requests that a browser follows. A form could not lead to the provider: the pages' policy lets forms go to
this console alone, also by redirects, and where a provider redirects to is its own affair.
"""

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from orchestrator.console.context import Console
from orchestrator.console.forms import Query
from orchestrator.console.guard import session_token
from orchestrator.console.sign_in_page import shown, signed_in, too_many
from orchestrator.http_guard import address_of
from orchestrator.operations.openid import REQUEST_LIFE, OpenIdSignIn
from orchestrator.views.problem import status_of
from states.errors import OpenIdRefused, TooManyAttempts, TryLater

_START: Final = "/sign-in/openid"
_CALLBACK: Final = "/sign-in/openid/callback"
_OWN: Final = (None, "same-origin", "none")
"""What Sec-Fetch-Site says of a link of this console, or of what a person typed; None where the browser sends none."""


def add(app: FastAPI, console: Console) -> None:
    """Add the routes. Without a provider there is nothing at their addresses."""
    site = console.site
    redirect_uri = f"{site.origin}{_CALLBACK}"

    @app.get(_START)
    def start(request: Request) -> Response:
        openid = _openid(console)
        is_here = request.headers.get("host") == site.origin.partition("://")[2]
        if not (is_here and request.headers.get("sec-fetch-site") in _OWN):
            # Another site does not sign people in; and a cookie of another name of this host would not come back.
            return RedirectResponse(f"{site.origin}/sign-in", HTTPStatus.SEE_OTHER)
        try:
            started = openid.start(redirect_uri, address_of(site, request.scope))
        except TooManyAttempts as error:
            return too_many(console, request, error)
        except (OpenIdRefused, TryLater) as error:
            return _refused(console, request, error)
        answer = RedirectResponse(started.address, HTTPStatus.SEE_OTHER)
        life = int(REQUEST_LIFE.total_seconds())
        answer.set_cookie(
            site.openid_cookie, started.secret, max_age=life, path="/", secure=True, httponly=True, samesite="lax"
        )
        return answer

    @app.get(_CALLBACK)
    def finish(request: Request, query: Query) -> Response:
        secret = session_token(request.headers, site.openid_cookie)
        try:
            session = _openid(console).finish(query.fields, secret, redirect_uri, address_of(site, request.scope))
        except (OpenIdRefused, TryLater) as error:
            return _refused(console, request, error)
        answer = signed_in(site.cookie, session)
        answer.delete_cookie(site.openid_cookie, path="/", secure=True, httponly=True, samesite="lax")
        return answer


def _openid(console: Console) -> OpenIdSignIn:
    if console.keyturn.openid is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return console.keyturn.openid


def _refused(console: Console, request: Request, error: OpenIdRefused | TryLater) -> Response:
    status = HTTPStatus.FORBIDDEN if isinstance(error, OpenIdRefused) else status_of(error)
    return console.page(request, shown(console, refused=error.message), status)
