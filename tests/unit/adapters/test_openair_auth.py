"""Sign-in to OpenAir: tokens are refreshed before they expire, and a refusal says what to do."""

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from support.advice import text
from support.clock import FakeClock
from support.factories import NOW
from unit.adapters.openair_tokens import SETTINGS, VOID, FakeOpenAir, FakeSecrets, a_grant, sign_in

from orchestrator.adapters.http import Answer
from orchestrator.adapters.openair_auth import Grant, PasswordSignIn
from states.errors import KeyturnError, SignInRefused, Throttled, TryLater, WrongBaseUrl


def test_first_sign_in_refreshes() -> None:
    """The first sign-in after a consent sends the refresh token, and stores both new tokens and when it got them."""
    openair, secrets = FakeOpenAir(), FakeSecrets(a_grant())
    assert {"access_token": "access-1"} == sign_in(openair, secrets).fields()
    expected = a_grant(1, access_token="access-1", expires_at=NOW + timedelta(seconds=3600), refreshed_at=NOW)
    assert expected == secrets.grant


def test_client_signs_in_by_http_basic() -> None:
    """The client's id and secret are sent in the Authorization header."""
    openair = FakeOpenAir()
    sign_in(openair, FakeSecrets(a_grant())).fields()
    assert f"Basic {base64.b64encode(b'client:client secret').decode()}" == openair.headers["Authorization"]


@pytest.mark.parametrize(("uri", "sent"), [("", []), ("https://localhost/done", ["https://localhost/done"])])
def test_redirect_uri_is_sent_where_it_is_set(uri: str, sent: list[str]) -> None:
    """A refresh has the redirect URI of the consent if the connection has one, and else has none."""
    openair = FakeOpenAir()
    sign_in(openair, FakeSecrets(a_grant()), settings=replace(SETTINGS, redirect_uri=uri)).fields()
    assert [sent] == openair.redirect_uris


def test_new_process_needs_no_refresh() -> None:
    """A new process uses the stored access token and sends no refresh."""
    openair, secrets = FakeOpenAir(), FakeSecrets(a_grant())
    expected = sign_in(openair, secrets).fields()
    assert expected == sign_in(openair, secrets).fields()
    assert ["refresh-0"] == openair.refresh_tokens_sent


def test_expired_token_is_refreshed() -> None:
    """A minute before the access token expires, the sign-in sends the stored refresh token, not the first one."""
    openair, secrets, clock = FakeOpenAir(), FakeSecrets(a_grant()), FakeClock()
    it = sign_in(openair, secrets, clock)
    used = []
    for seconds in (0, 3539, 1):
        clock.sleep(seconds)
        used.append(it.fields()["access_token"])
    assert ["access-1", "access-1", "access-2"] == used
    assert ["refresh-0", "refresh-1"] == openair.refresh_tokens_sent


def test_rejected_token_is_refreshed_once_only() -> None:
    """Two callers whose access token was rejected share one new token."""
    openair, secrets = FakeOpenAir(), FakeSecrets(a_grant())
    it = sign_in(openair, secrets)
    rejected = it.fields()
    assert [{"access_token": "access-2"}] * 2 == [it.renew(rejected), it.renew(rejected)]


def test_void_token_without_doubt() -> None:
    """If OpenAir refuses the refresh token, the next action is to consent again."""
    openair, secrets = FakeOpenAir(VOID), FakeSecrets(a_grant())
    with pytest.raises(SignInRefused, match="void") as caught:
        sign_in(openair, secrets).fields()
    assert "lost" not in caught.value.message
    assert "consent in OpenAir again" in text(caught.value.next_action)


def test_wrong_client_needs_no_consent() -> None:
    """After a refused client secret the refresh token is unchanged, and the next action is to check the secret."""
    openair, secrets = FakeOpenAir(Answer(401, {}, b'{"error": "invalid_client"}')), FakeSecrets(a_grant())
    with pytest.raises(SignInRefused) as caught:
        sign_in(openair, secrets).fields()
    assert "client secret" in text(caught.value.next_action)
    assert a_grant() == secrets.grant


@pytest.mark.parametrize(
    ("answer", "expected", "in_doubt"),
    [
        (TryLater("not sent"), TryLater, False),
        (WrongBaseUrl("not sent"), WrongBaseUrl, False),
        (Answer(429, {"retry-after": "5"}, b""), Throttled, False),
        (Answer(302, {}, b""), WrongBaseUrl, False),
        (Answer(503, {}, b""), TryLater, True),
        (Answer(200, {}, b"<html>"), TryLater, True),
    ],
)
def test_refresh_without_tokens(answer: Answer | KeyturnError, expected: type[KeyturnError], *, in_doubt: bool) -> None:
    """An answer without tokens keeps the refresh token, in doubt if OpenAir may have voided it."""
    openair, secrets = FakeOpenAir(answer), FakeSecrets(a_grant())
    with pytest.raises(expected) as caught:
        sign_in(openair, secrets).fields()
    assert expected is type(caught.value)
    assert a_grant(in_doubt=in_doubt) == secrets.grant


def test_refresh_token_that_stays() -> None:
    """If OpenAir sends no new refresh token, the old one is kept (RFC 6749 section 6)."""
    openair, secrets = FakeOpenAir(Answer(200, {}, b'{"access_token": "abc"}')), FakeSecrets(a_grant())
    assert {"access_token": "abc"} == sign_in(openair, secrets).fields()
    assert a_grant().refresh_token == secrets.grant.refresh_token


def test_no_consent_yet() -> None:
    """Without a refresh token the sign-in is refused, and the next action is to consent."""
    with pytest.raises(SignInRefused) as caught:
        sign_in(FakeOpenAir(), FakeSecrets(None)).fields()
    assert "must consent in OpenAir." in text(caught.value.next_action)


def test_grant_survives_storing() -> None:
    """A grant is equal after storing and reading it."""
    grant = a_grant(access_token="a", expires_at=NOW, refreshing_until=NOW, in_doubt=True)
    assert [grant, a_grant()] == [Grant.from_bytes(it.to_bytes()) for it in (grant, a_grant())]


def test_grant_hides_its_tokens() -> None:
    """The repr of a grant shows neither token."""
    text = repr(a_grant(access_token="opensesame"))
    assert "refresh-0" not in text
    assert "opensesame" not in text


def test_password_sign_in() -> None:
    """The password sign-in sends company, user and password, and has no other elements to try."""
    it = PasswordSignIn(SETTINGS, "opensesame")
    assert {"company": "acme", "user": "keyturn", "password": "opensesame"} == it.fields()
    assert it.renew(it.fields()) is None
    assert "opensesame" not in repr(it)
