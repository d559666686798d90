"""No secret shows when a careless system puts what it was sent into its error messages."""

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
from security.known_secrets import Serve, Stage

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


def _all_of(request: Request) -> Iterator[str]:
    """What a request carried, part by part, as a careless system might repeat it."""
    sent = request.headers.get("authorization", "").partition(" ")[2]
    yield sent
    with suppress(binascii.Error, UnicodeDecodeError):
        yield base64.b64decode(sent, validate=True).decode().partition(":")[2]
    yield request.body.decode()
    yield from request.form().values()
    with suppress(ValueError):
        yield str(json.loads(request.body).get("pem", "")).partition("-----BEGIN PRIVATE KEY-----")[2]


def _echoing(only: str) -> Callable[[Serve], Serve]:
    """Answers calls in the system's own format of errors, with one part of the request after the other in all of it."""
    count = itertools.count()
    disguises = itertools.cycle(ECHOES.values())

    def wrap(serve: Serve) -> Serve:
        def answer(path: str, request: Request) -> Delivery:
            number = next(count)
            proper = serve(path, request)
            if only not in path or number % 3 == 0:  # some calls succeed, so that the later ones are reached at all
                return proper
            parts = [part for part in _all_of(request) if part]
            return Delivery(_error(path, next(disguises)(parts[number % len(parts)]), number))

        return answer

    return wrap


def _error(path: str, reported: str, number: int) -> Reply:
    headers = (("WWW-Authenticate", f'Bearer error="{reported[:300]}"'.replace("\n", " ")),)
    status = (400, 401, 403, 200)[number % 4]
    if path.endswith("/token"):
        content = {"error": "invalid_grant", "error_description": reported}
        return Reply(status, json.dumps(content).encode(), headers=headers)
    if path.endswith("restlet.nl"):
        inner = json.dumps(
            {"type": "error.SuiteScriptError", "name": reported[:99], "message": reported, "stack": [reported]}
        )
        message = inner if number % 2 else reported
        return Reply(
            status, json.dumps({"error": {"code": reported[:99], "message": message}}).encode(), headers=headers
        )
    body = f'<response><Auth status="0"/><Read status={quoteattr(reported)}>{escape(reported)}</Read></response>'
    return Reply(200, body.encode(errors="replace"), "text/xml", headers)


@pytest.mark.parametrize("only", ["auth/oauth2", "restlet.nl", "login/oauth2", "api.pl"])
def test_systems_that_echo(play: Stage, only: str) -> None:
    """A system that puts what it was sent into its error messages does not make Keyturn tell it on."""
    wrap = _echoing(only)
    for system in (play.simulator.netsuite, play.simulator.openair):
        play.through(system, wrap)
    for _ in range(5):
        play("doctor", NAME)
        play("health", NAME)
        play.go_on()
        play("rotation", "explain", play.rotation()["id"])
    play.assert_nothing_leaked()
