"""Refuses every request that is not for this address, is too long, or has no valid token, before any route sees it.

No cookie is read, so no page of another site can act with someone's session. A token that expires or is revoked ends at
the next request.
"""

import logging
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator import http_guard
from orchestrator.api.access import OPEN
from orchestrator.api.context import Api
from orchestrator.api.problems import refusal
from orchestrator.views.problem import MEDIA_TYPE, problem_json, status_of
from states.errors import KeyturnError

_log = logging.getLogger("keyturn.api")

SHOWN: Final = "keyturn.shown"
"""Where a request's scope has the token that was shown, without its secret."""
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}
_CHALLENGE: Final = {"www-authenticate": 'Bearer realm="keyturn"'}


class Guard:
    """The outermost layer of the API."""

    def __init__(self, app: ASGIApp, api: Api) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app: ASGIApp = await self._refusal(scope) or self._app
        await http_guard.run(app, scope, receive, send, headers=_HEADERS, log=_log)

    async def _refusal(self, scope: Scope) -> Response | None:
        """The answer that refuses the request; None where a route may see it."""
        headers = Headers(scope=scope)
        if not http_guard.is_expected(self._api.site, scope, headers):
            return refusal(HTTPStatus.MISDIRECTED_REQUEST, "This API answers only under its own address.")
        if not http_guard.is_short(headers.get("content-length", "0")):
            return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, http_guard.TOO_LONG)
        if scope["path"] in OPEN:
            return None
        secret = secret_of(headers)
        try:
            token = await run_in_threadpool(self._api.keyturn.tokens.accepted, secret) if secret else None
        except KeyturnError as error:
            content = problem_json(error, error.next_action.outside_rotation(), None)
            return JSONResponse(content, status_of(error), media_type=MEDIA_TYPE)
        if token is None:
            detail = "Show a token that is valid: Authorization: Bearer TOKEN."
            return refusal(HTTPStatus.UNAUTHORIZED, detail, headers=_CHALLENGE)
        scope[SHOWN] = token
        return None


def secret_of(headers: Headers) -> str:
    """The token's secret; empty where there is none, or more than one."""
    given = headers.getlist("authorization")
    scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return secret.strip() if scheme.lower() == "bearer" else ""
