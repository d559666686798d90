"""The page for signing in, by the console's link, with a password or by OpenID Connect, and signing out."""

import math
from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from orchestrator.console.context import Console
from orchestrator.console.forms import Form, Posted, Query
from orchestrator.console.guard import session_token
from orchestrator.console.rendering import Shown
from orchestrator.http_guard import address_of
from orchestrator.operations.openid import OpenIdSignIn
from orchestrator.operations.sign_in import LIFE
from states.base_url import origin_of
from states.errors import TooManyAttempts

_LONGEST = 100


def add(app: FastAPI, console: Console) -> None:
    """Add the pages."""
    cookie = console.site.cookie

    @app.get("/sign-in")
    def ask(request: Request, query: Query) -> Response:
        # A GET changes nothing: what looks at links in advance does not use them up.
        return console.page(request, shown(console, query.text("token", _LONGEST)))

    @app.post("/sign-in")
    def sign_in(request: Request, form: Posted) -> Response:
        try:
            session, refused = _begun(console, form, address_of(console.site, request.scope))
        except TooManyAttempts as error:
            return too_many(console, request, error)
        if session is None:
            return console.page(request, shown(console, refused=refused), HTTPStatus.UNAUTHORIZED)
        return signed_in(cookie, session)

    @app.post("/sign-out")
    def sign_out(request: Request) -> Response:
        console.sessions.sign_out(session_token(request.headers, cookie))
        return signed_out(cookie)


def shown(console: Console, token: str = "", refused: str = "") -> Shown:
    """The page for signing in; with a ``token``, by that link. ``refused`` says why the last try failed."""
    openid = console.keyturn.openid
    values = {
        "token": token,
        "refused": refused,
        "has_accounts": console.keyturn.accounts.exist(),
        "provider": name_of(openid) if openid else "",
    }
    return Shown("sign_in.html", "Sign in", values)


def name_of(openid: OpenIdSignIn) -> str:
    """What pages call the OpenID provider."""
    return openid.label or origin_of(openid.issuer).host


def too_many(console: Console, request: Request, error: TooManyAttempts) -> Response:
    """The answer to who has tried too often."""
    answer = console.page(request, shown(console, refused=error.message), HTTPStatus.TOO_MANY_REQUESTS)
    answer.headers["retry-after"] = str(math.ceil(error.retry_after or 1))
    return answer


def signed_in(cookie: str, session: str) -> Response:
    """The answer after a session began: it always leads to the overview."""
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    life = int(LIFE.total_seconds())
    answer.set_cookie(cookie, session, max_age=life, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def signed_out(cookie: str) -> Response:
    """The answer after a session ended."""
    answer = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(cookie, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def _begun(console: Console, form: Form, address: str) -> tuple[str | None, str]:
    """A new session's token, or None and the sentence that says why not. Raises TooManyAttempts, Busy."""
    if "token" in form.fields:
        session = console.sessions.use_link(form.text("token", _LONGEST))
        return session, "This link was used already, or is older than 15 minutes."
    name, password = form.fields.get("name", "").strip(), form.fields.get("password", "")
    return console.sessions.sign_in(name, password, address), "The name or the password is wrong."
