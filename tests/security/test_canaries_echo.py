"""No secret appears when a system repeats the request in its error messages."""

import itertools
import json
from collections.abc import Callable
from xml.sax.saxutils import escape, quoteattr

import pytest
from acceptance.installed_keyturn import NAME
from security.answer_mutations import DISGUISES, parts_of
from security.known_secrets import SearchedKeyturn, Serve

from simulator.server import Delivery, Reply, Request


def _echoing(only: str) -> Callable[[Serve], Serve]:
    """Return a wrapper that answers with errors in the system's format, which repeat one part of the request."""
    count = itertools.count()
    disguises = itertools.cycle(DISGUISES.values())

    def wrap(serve: Serve) -> Serve:
        def answer(path: str, request: Request) -> Delivery:
            number = next(count)
            normal = serve(path, request)
            if only not in path or number % 3 == 0:  # some calls succeed, so that later calls are reached
                return normal
            parts = [part for part in parts_of(request) if part]
            return Delivery(_error(path, next(disguises)(parts[number % len(parts)]), number))

        return answer

    return wrap


def _error(path: str, text: str, number: int) -> Reply:
    headers = (("WWW-Authenticate", f'Bearer error="{text[:300]}"'.replace("\n", " ")),)
    status = (400, 401, 403, 200, 302)[number % 5]
    if status == 302:
        return Reply(status, headers=(("Location", f"https://{' '.join(text.split())}"),))
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
