"""What guards the console and the API alike: the names they answer under, the bound of a request, the headers of every
answer, and what an exception says to those who asked.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.site import Site
from states.errors import InternalError, KeyturnError
from states.next_action import by_hand
from states.shortage import shortage

MOST_BYTES: Final = 16 * 1024
"""The longest body. A form or an action has a reason of a few hundred characters."""
TOO_LONG: Final = f"A request has at most {MOST_BYTES} bytes."


def is_expected(site: Site, scope: Scope, headers: Headers) -> bool:
    """Whether a request is for this site, and comes by its proxy where it has one."""
    if site.proxy and peer(scope) != site.proxy:
        return False
    return headers.get("host") in site.hosts


def address_of(site: Site, scope: Scope) -> str:
    """Where a request comes from: the address that connected, or the one that the site's proxy saw."""
    if site.proxy:
        # A client may send the header, too: the proxy appends what it saw to that.
        seen = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).rpartition(",")[2].strip()
        return seen or site.proxy
    return peer(scope)


def peer(scope: Scope) -> str:
    """The address that connected."""
    return str(scope["client"][0]) if scope.get("client") else ""


def is_short(content_length: str) -> bool:
    """Whether a request may have a body of this length, as its header says it."""
    is_number = content_length.isascii() and content_length.isdigit() and len(content_length) < len("999999999")
    return is_number and int(content_length) <= MOST_BYTES


async def run(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, headers: Mapping[str, str], log: logging.Logger
) -> None:
    """Let ``app`` answer one request within the bound, with these ``headers``; its exceptions end in the ``log``."""
    try:
        await app(scope, _bounded(receive), _with_headers(send, headers))
    except Exception:
        # It is answered already, without its text, and goes no further: the server would close the connection.
        # The route's own path: an address may have more in it than a log should keep.
        route = getattr(scope.get("route"), "path", "")
        log.exception("request failed", extra={"method": scope["method"], "route": route})


def unforeseen(error: Exception) -> KeyturnError:
    """The error that an exception is answered as: without its text, which may contain a secret. The log has that."""
    report = by_hand("Start the console with --verbose, and report the log's traceback.", None)
    message = f"Keyturn itself failed ({type(error).__name__})."
    return shortage(error) or InternalError(message, next_action=report)


def _bounded(receive: Receive) -> Receive:
    """Return ``receive`` with a bound on the body that arrives in parts, without its length."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MOST_BYTES:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LONG)
        return message

    return bounded


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = MutableHeaders(scope=message)
            for name, value in headers.items():
                own[name] = value
            own.setdefault("cache-control", "no-store")
        await send(message)

    return sent
