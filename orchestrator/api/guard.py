"""Refuses every request that is not for this address, is too long, or has no valid token, before any route sees it.

No cookie is read, so no page of another site can act with someone's session. A token that expires or is revoked ends at
the next request.
"""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.access import OPEN
from orchestrator.api.context import Api
from orchestrator.api.problems import refusal
from orchestrator.views.problem import MEDIA_TYPE, problem_json, status_of
from states.errors import KeyturnError

_log = logging.getLogger("keyturn.api")

MOST_BYTES: Final = 16 * 1024
"""The longest body. An action has a reason of a few hundred characters."""
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
        self._hosts = frozenset((f"127.0.0.1:{api.port}", f"localhost:{api.port}"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app: ASGIApp = await self._refusal(scope) or self._app
        try:
            await app(scope, _bounded(receive), _guarded(send))
        except Exception:  # noqa: BLE001 - see below
            # It is answered already, without its text, and goes no further: the server would close the connection.
            route = getattr(scope.get("route"), "path", "")
            _log.exception("request failed", extra={"method": scope["method"], "route": route})

    async def _refusal(self, scope: Scope) -> Response | None:
        """The answer that refuses the request; None where a route may see it."""
        headers = Headers(scope=scope)
        if headers.get("host") not in self._hosts:
            return refusal(HTTPStatus.MISDIRECTED_REQUEST, "This API answers only under its own address.")
        if not _is_short(headers.get("content-length", "0")):
            return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request has at most {MOST_BYTES} bytes.")
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


def _is_short(length: str) -> bool:
    return length.isascii() and length.isdigit() and len(length) < len("999999999") and int(length) <= MOST_BYTES


def _bounded(receive: Receive) -> Receive:
    """Return ``receive`` with a bound on the body that arrives in parts, without its length."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MOST_BYTES:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request has at most {MOST_BYTES} bytes.")
        return message

    return bounded


def _guarded(send: Send) -> Callable[[Message], Awaitable[None]]:
    """Return ``send`` with the headers that every answer has."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return guarded
