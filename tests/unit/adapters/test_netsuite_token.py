"""NetSuite's access tokens: request, cache and replacement."""

import email.utils
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.advice import text
from support.clock import FakeClock
from unit.adapters.netsuite_answers import FakeHttp, settings

from orchestrator.adapters.http import Answer
from orchestrator.adapters.netsuite_token import PATH, NetSuiteTokens
from states.errors import SignInRefused, Throttled, TryLater
from states.rotation import PrivateKey


def token_answer(value: str = "abc", expires_in: Any = 3600) -> Answer:
    return Answer(
        200, {}, json.dumps({"access_token": value, "expires_in": expires_in, "token_type": "Bearer"}).encode()
    )


def sign_in_key(key: Any = None) -> PrivateKey:
    key = key or ec.generate_private_key(ec.SECP256R1())
    return PrivateKey(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def token_source(http: Any, clock: FakeClock | None = None) -> NetSuiteTokens:
    return NetSuiteTokens(settings(assertion_algorithm="ES256"), sign_in_key(), http, clock or FakeClock())


def test_token_request() -> None:
    """The token request has the form that Oracle documents, and counts as a read."""
    http = FakeHttp(token_answer("abc"))
    tokens = token_source(http)
    assert "abc" == tokens.token()
    form = parse_qs(http.requests[0]["body"].decode())
    assert PATH == http.requests[0]["path"]
    assert http.requests[0]["writes"] is False
    assert ["client_credentials"] == form["grant_type"]
    assert ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"] == form["client_assertion_type"]


def test_token_is_kept_until_shortly_before_it_expires() -> None:
    """A token is used until a minute before it expires; then the next one is fetched."""
    http, clock = FakeHttp(token_answer("first"), token_answer("second")), FakeClock()
    tokens = token_source(http, clock)
    used = [tokens.token()]
    for seconds in (3539, 1, 3539):
        clock.sleep(seconds)
        used.append(tokens.token())
    assert ["first", "first", "second", "second"] == used


def test_rejected_token_is_fetched_once_only() -> None:
    """Two callers whose token was rejected share one new token."""
    http = FakeHttp(token_answer("first"), token_answer("second"))
    tokens = token_source(http)
    first = tokens.token()
    assert ["second", "second"] == [tokens.token(rejected=first), tokens.token(rejected=first)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(401, {}, b'{"error": "invalid_client"}'), SignInRefused),
        (Answer(429, {"retry-after": "3"}, b""), Throttled),
        (Answer(503, {}, b""), TryLater),
        (Answer(200, {}, b"<html>"), TryLater),
    ],
)
def test_token_refused(answer: Answer, expected: type[Exception]) -> None:
    """A refused token request raises the error that fits, and the next call sends the request again."""
    http = FakeHttp(answer, token_answer("abc"))
    tokens = token_source(http)
    with pytest.raises(expected):
        tokens.token()
    assert "abc" == tokens.token()


def test_refused_sign_in_says_what_to_check() -> None:
    """If NetSuite refuses the sign-in, the next action lists the causes, among them an expired certificate."""
    http = FakeHttp(Answer(401, {}, b'{"error": "invalid_client"}'))
    tokens = token_source(http)
    with pytest.raises(SignInRefused) as caught:
        tokens.token()
    assert "expired" in text(caught.value.next_action)


@pytest.mark.parametrize(("seconds", "expected"), [(600, "600 s ahead of"), (-600, "600 s behind"), (30, "")])
def test_a_clock_that_is_wrong_is_the_one_cause(seconds: float, expected: str) -> None:
    """If the answer's Date is far from this machine's time, the message and the next action name the clock only."""
    clock = FakeClock()
    dated = email.utils.format_datetime(clock.now() - timedelta(seconds=seconds), usegmt=True)
    http = FakeHttp(Answer(400, {"date": dated}, b'{"error": "invalid_request"}'))
    with pytest.raises(SignInRefused) as caught:
        token_source(http, clock).token()
    assert expected in caught.value.message
    assert bool(expected) == ("expired" not in text(caught.value.next_action))
    assert "this machine's clock" in text(caught.value.next_action)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("PS256", sign_in_key()),
        ("ES256", sign_in_key(rsa.generate_private_key(public_exponent=65537, key_size=2048))),
        ("ES384", sign_in_key()),
        ("ES256", PrivateKey(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")),
        ("ES256", PrivateKey(b"no key at all")),
    ],
)
def test_key_that_does_not_fit(algorithm: str, key: PrivateKey) -> None:
    """A sign-in key that does not fit its algorithm is refused, and the error does not quote the key."""
    tokens = NetSuiteTokens(settings(assertion_algorithm=algorithm), key, FakeHttp(), FakeClock())
    with pytest.raises(SignInRefused, match=f"does not fit {algorithm}") as caught:
        tokens.token()
    assert caught.value.__cause__ is None
