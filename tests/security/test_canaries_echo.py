"""No secret appears when a system repeats the request in its error messages."""

import base64
import binascii
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

import pytest
from acceptance.installed_keyturn import NAME
from security.known_secrets import SearchedKeyturn, Serve

from simulator.server import Delivery, Reply, Request


def _pieces(text: str) -> str:
    return " ".join(text[at : at + 30] for at in range(0, len(text), 30))


ECHOES: Mapping[str, Callable[[str], str]] = {
    "as it came": str,
    "in Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "as a URL": lambda text: quote(text, safe=""),
    "in pieces": _pieces,
    "without its beginning": lambda text: text[len(text) // 2 :],
    "escaped again": lambda text: json.dumps(json.dumps(text)),
}


def _parts_of(request: Request) -> Iterator[str]:
    """Yield the parts of a request that a system might repeat."""
    sent = request.headers.get("authorization", "").partition(" ")[2]
    yield sent
    with suppress(binascii.Error, UnicodeDecodeError):
        yield base64.b64decode(sent, validate=True).decode().partition(":")[2]
    yield request.body.decode()
    yield from request.form().values()
    with suppress(ValueError):
        yield str(json.loads(request.body).get("pem", "")).partition("-----BEGIN PRIVATE KEY-----")[2]


def _echoing(only: str) -> Callable[[Serve], Serve]:
    """Return a wrapper that answers with errors in the system's format, which repeat one part of the request."""
    count = itertools.count()
    disguises = itertools.cycle(ECHOES.values())

    def wrap(serve: Serve) -> Serve:
        def answer(path: str, request: Request) -> Delivery:
            number = next(count)
            normal = serve(path, request)
            if only not in path or number % 3 == 0:  # some calls succeed, so that later calls are reached
                return normal
            parts = [part for part in _parts_of(request) if part]
            return Delivery(_error(path, next(disguises)(parts[number % len(parts)]), number))

        return answer

    return wrap


def _error(path: str, text: str, number: int) -> Reply:
    headers = (("WWW-Authenticate", f'Bearer error="{text[:300]}"'.replace("\n", " ")),)
    status = (400, 401, 403, 200)[number % 4]
    if path.endswith("/token"):
        content = {"error": "invalid_grant", "error_description": text}
        return Reply(status, json.dumps(content).encode(), headers=headers)
    if path.endswith("restlet.nl"):
        inner = json.dumps({"type": "error.SuiteScriptError", "name": text[:99], "message": text, "stack": [text]})
        message = inner if number % 2 else text
        return Reply(status, json.dumps({"error": {"code": text[:99], "message": message}}).encode(), headers=headers)
    body = f'<response><Auth status="0"/><Read status={quoteattr(text)}>{escape(text)}</Read></response>'
    return Reply(200, body.encode(errors="replace"), "text/xml", headers)


@pytest.mark.parametrize("only", ["auth/oauth2", "restlet.nl", "login/oauth2", "api.pl"])
def test_systems_that_echo(keyturn: SearchedKeyturn, only: str) -> None:
    """Keyturn repeats no secret from the error messages of a system that repeats its request."""
    wrap = _echoing(only)
    for system in (keyturn.simulator.netsuite, keyturn.simulator.openair):
        keyturn.intercept(system, wrap)
    for _ in range(5):
        keyturn("doctor", NAME)
        keyturn("health", NAME)
        keyturn.advance()
        keyturn("rotation", "explain", keyturn.rotation()["id"])
    keyturn.assert_nothing_leaked()
