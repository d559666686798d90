"""The decision table for a token endpoint's answers, row by row."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.adapters import oauth
from orchestrator.adapters.decision_table import first_match
from orchestrator.adapters.http import Answer
from states import errors

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
PAGE = b"<!DOCTYPE html><title>Maintenance</title>"


def answer(status: int, body: bytes = PAGE, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def refused(error: str) -> bytes:
    return json.dumps({"error": error, "error_description": "Words."}).encode()


def parsed(**content: Any) -> oauth.Token | None:
    return oauth.parse_token(answer(200, json.dumps({"access_token": "abc", **content}).encode()), NOW)


ROWS = [
    ("moved", answer(302), errors.WrongBaseUrl),
    ("another domain", answer(426), errors.WrongBaseUrl),
    ("not found", answer(404), errors.WrongBaseUrl),
    ("no POST", answer(405), errors.WrongBaseUrl),
    ("too many requests", answer(429), errors.Throttled),
    ("temporarily unavailable", answer(400, refused("temporarily_unavailable")), errors.Throttled),
    ("temporarily unavailable, 503", answer(503, refused("temporarily_unavailable")), errors.Throttled),
    ("slow down", answer(400, refused("slow_down")), errors.Throttled),
    ("server error", answer(500), errors.TryLater),
    ("not available", answer(503), errors.TryLater),
    ("server error in words", answer(400, refused("server_error")), errors.TryLater),
    ("invalid client", answer(401, refused("invalid_client")), errors.SignInRefused),
    ("invalid client, 400", answer(400, refused("invalid_client")), errors.SignInRefused),
    ("invalid grant", answer(400, refused("invalid_grant")), errors.SignInRefused),
    ("unauthorized client", answer(400, refused("unauthorized_client")), errors.SignInRefused),
    ("invalid scope", answer(400, refused("invalid_scope")), errors.SignInRefused),
    ("access denied", answer(403, refused("access_denied")), errors.SignInRefused),
    ("refused without a reason", answer(401), errors.SignInRefused),
    ("forbidden", answer(403), errors.SignInRefused),
    ("page instead of JSON", answer(200), errors.TryLater),
    ("deep JSON", answer(200, b"[" * 100_000), errors.TryLater),
    ("bad request without a reason", answer(400), errors.TryLater),
    ("time-out", answer(408), errors.TryLater),
]


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_refusals(given: Answer, expected: type[errors.KeyturnError]) -> None:
    """Only RFC 6749's refusals, 401 and 403 refuse the sign-in; a temporary failure is retried."""
    assert expected is type(oauth.error_of(oauth.parse_refusal("NetSuite", given)))


@pytest.mark.parametrize(("status", "limit"), [(400, 3), (422, 3), (408, None), (500, None), (200, None)])
def test_a_refusal_without_a_reason_is_not_retried_for_hours(status: int, limit: int | None) -> None:
    """A 4xx that names no reason may come from a gateway, but mostly it does not pass: few postponements suffice."""
    error = oauth.error_of(oauth.parse_refusal("NetSuite", answer(status)))
    assert isinstance(error, errors.TryLater)
    assert limit == error.gives_up_after


def test_every_rule_decides_something() -> None:
    """Each rule is the first that applies to one of the answers above."""
    refusals = [oauth.parse_refusal("NetSuite", row[1]) for row in ROWS]
    assert {rule.name for rule in oauth.RULES} == {first_match(oauth.RULES, it).name for it in refusals}


def test_message_withholds_the_assertion() -> None:
    """The message shows the endpoint's error, unless it may quote the assertion."""
    plain = oauth.error_of(oauth.parse_refusal("NetSuite", answer(401, refused("invalid_client"))))
    secret = json.dumps({"error": "invalid_client", "error_description": "eyJhbGciOi" * 9}).encode()
    assert '"invalid_client Words."' in plain.message
    assert "eyJ" not in oauth.error_of(oauth.parse_refusal("NetSuite", answer(401, secret))).message


@pytest.mark.parametrize(
    ("expires_in", "seconds"), [(3600, 3600), ("3600", 3600), (59.5, 59.5), ("soon", 300), (None, 300), ("1e999", 300)]
)
def test_expires_in(expires_in: Any, seconds: float) -> None:
    """`expires_in` may be a number or a numeric string; any other value counts as five minutes."""
    token = parsed(expires_in=expires_in)
    assert token is not None
    assert NOW + timedelta(seconds=seconds) == token.expires_at


def test_expires_in_missing() -> None:
    """A token without `expires_in` is used for five minutes."""
    token = parsed()
    assert token is not None
    assert NOW + timedelta(seconds=300) == token.expires_at


def test_token_is_not_used_in_its_last_minute() -> None:
    """A token in its last minute counts as expired."""
    token = parsed(expires_in=3600)
    assert token is not None
    expected = {0: True, 3539: True, 3540: False}
    assert expected == {seconds: token.is_fresh(NOW + timedelta(seconds=seconds)) for seconds in expected}


@pytest.mark.parametrize(
    "content",
    [
        {"access_token": ""},
        {"access_token": None},
        {"access_token": "two\r\nlines"},
        {"access_token": "ünïcode"},
        {"access_token": "a b"},
        {"refresh_token": 7},
    ],
)
def test_unusable_tokens(content: dict[str, Any]) -> None:
    """A token that cannot be sent in a header is refused, so that no library quotes it in an exception."""
    assert parsed(**content) is None


@pytest.mark.parametrize("body", [PAGE, b"", b"[]", b'"abc"', b"\xff"])
def test_no_token(body: bytes) -> None:
    """A body that is no JSON object yields no token."""
    assert oauth.parse_token(answer(200, body), NOW) is None


def test_token_hides_itself() -> None:
    """The repr of a token shows neither the access token nor the refresh token."""
    token = parsed(access_token="opensesame", refresh_token="tomorrow")
    assert "opensesame" not in repr(token)
    assert "tomorrow" not in repr(token)
