"""Signing in to OpenAir: tokens are replaced before they expire, and an answer without new ones says what to do."""

import base64
from datetime import timedelta

import pytest
from support.advice import text
from support.clock import FakeClock
from support.factories import NOW
from unit.adapters.openair_tokens import SETTINGS, VOID, FakeOpenAir, FakeSecrets, granted, sign_in

from orchestrator.adapters.http import Answer
from orchestrator.adapters.openair_auth import Grant, PasswordSignIn
from states.errors import KeyturnError, SignInRefused, Throttled, TryLater, WrongBaseUrl


def test_first_sign_in_refreshes() -> None:
    """After a consent there is only a refresh token: it is spent, and both new tokens are stored."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted())
    assert {"access_token": "access-1"} == sign_in(openair, secrets).fields()
    expected = granted(1, access_token="access-1", expires_at=NOW + timedelta(seconds=3600))
    assert expected == secrets.grant


def test_client_signs_in_by_http_basic() -> None:
    """The client's id and secret go into the Authorization header alone."""
    openair = FakeOpenAir()
    sign_in(openair, FakeSecrets(granted())).fields()
    assert f"Basic {base64.b64encode(b'client:client secret').decode()}" == openair.headers["Authorization"]


def test_new_process_spends_nothing() -> None:
    """The access token is stored beside the refresh token, so a restart need not refresh."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted())
    expected = sign_in(openair, secrets).fields()
    assert expected == sign_in(openair, secrets).fields()
    assert ["refresh-0"] == openair.asked


def test_expired_token_is_refreshed() -> None:
    """A minute before the access token expires, the stored refresh token is spent, not the first one."""
    openair, secrets, clock = FakeOpenAir(), FakeSecrets(granted()), FakeClock()
    it = sign_in(openair, secrets, clock)
    seen = []
    for seconds in (0, 3539, 1):
        clock.sleep(seconds)
        seen.append(it.fields()["access_token"])
    assert ["access-1", "access-1", "access-2"] == seen
    assert ["refresh-0", "refresh-1"] == openair.asked


def test_rejected_token_is_refreshed_once_only() -> None:
    """Two callers whose access token was rejected share the one that is fetched in its place."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted())
    it = sign_in(openair, secrets)
    rejected = it.fields()
    assert [{"access_token": "access-2"}] * 2 == [it.renew(rejected), it.renew(rejected)]


def test_void_token_without_doubt() -> None:
    """A refresh token that OpenAir no longer accepts needs a new consent."""
    openair, secrets = FakeOpenAir(VOID), FakeSecrets(granted())
    with pytest.raises(SignInRefused, match="void") as caught:
        sign_in(openair, secrets).fields()
    assert "lost" not in caught.value.message
    assert "Consent again" in text(caught.value.next_action)


def test_wrong_client_needs_no_consent() -> None:
    """A wrong client secret spends no refresh token: the next action is to mend the secret."""
    openair, secrets = FakeOpenAir(Answer(401, {}, b'{"error": "invalid_client"}')), FakeSecrets(granted())
    with pytest.raises(SignInRefused) as caught:
        sign_in(openair, secrets).fields()
    assert "client secret" in text(caught.value.next_action)
    assert granted() == secrets.grant


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
    """What brings no tokens leaves the refresh token in place, in doubt where it may have been spent."""
    openair, secrets = FakeOpenAir(answer), FakeSecrets(granted())
    with pytest.raises(expected) as caught:
        sign_in(openair, secrets).fields()
    assert expected is type(caught.value)
    assert granted(in_doubt=in_doubt) == secrets.grant


def test_refresh_token_that_stays() -> None:
    """Where OpenAir sends no new refresh token, the old one is kept (RFC 6749 section 6)."""
    openair, secrets = FakeOpenAir(Answer(200, {}, b'{"access_token": "abc"}')), FakeSecrets(granted())
    assert {"access_token": "abc"} == sign_in(openair, secrets).fields()
    assert granted().refresh_token == secrets.grant.refresh_token


def test_no_consent_yet() -> None:
    """Without a stored refresh token the sign-in is refused, and the next action is to consent."""
    with pytest.raises(SignInRefused) as caught:
        sign_in(FakeOpenAir(), FakeSecrets(None)).fields()
    assert "Consent" in text(caught.value.next_action)


def test_grant_survives_storing() -> None:
    """A grant is read back as it was stored."""
    grant = granted(access_token="a", expires_at=NOW, refreshing_until=NOW, in_doubt=True)
    assert [grant, granted()] == [Grant.from_bytes(it.to_bytes()) for it in (grant, granted())]


def test_grant_hides_its_tokens() -> None:
    """Neither token shows in repr."""
    text = repr(granted(access_token="opensesame"))
    assert "refresh-0" not in text
    assert "opensesame" not in text


def test_password_sign_in() -> None:
    """By password, the elements of Login are company, user and password, and there are no others to try."""
    it = PasswordSignIn(SETTINGS, "opensesame")
    assert {"company": "acme", "user": "keyturn", "password": "opensesame"} == it.fields()
    assert it.renew(it.fields()) is None
    assert "opensesame" not in repr(it)
