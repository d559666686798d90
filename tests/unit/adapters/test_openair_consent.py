"""OpenAir's consent: the address that a person opens, and what the answer is exchanged for."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from support.clock import FakeClock
from unit.adapters.openair_tokens import SETTINGS

from orchestrator.adapters.http import Answer
from orchestrator.adapters.openair_consent import OpenAirConsent
from states.errors import InvalidInput, KeyturnError, SignInRefused, TryLater, Unknown
from states.next_action import Verb

URI = "http://127.0.0.1:8489/openair"
GRANTED = Answer(200, {}, b'{"access_token": "access", "refresh_token": "refresh", "expires_in": 3600}')


class TokenEndpoint:
    """Answers one request, or loses it, and keeps what was sent."""

    answer_within = 20.0

    def __init__(self, answer: Answer | KeyturnError = GRANTED) -> None:
        self._answer = answer
        self.sent: list[Mapping[str, list[str]]] = []

    def post(self, path: str, body: bytes, headers: Mapping[str, str], *, writes: bool) -> Answer:
        assert ("/login/oauth2/v1/token", True) == (path, writes)
        assert headers["Authorization"].startswith("Basic ")
        self.sent.append(parse_qs(body.decode()))
        if isinstance(self._answer, KeyturnError):
            raise self._answer
        return self._answer


def consent(endpoint: TokenEndpoint) -> OpenAirConsent:
    return OpenAirConsent(replace(SETTINGS, client_id="a client"), "client secret", endpoint, FakeClock())  # type: ignore[arg-type]


def test_the_address() -> None:
    """It asks for a code for the XML API, for this client and redirect URI, and carries the state."""
    parts = urlsplit(consent(TokenEndpoint()).address(URI, "a state"))
    assert ("https", "acme.app.openair.com", "/login/oauth2/v1/authorize") == parts[:3]
    expected = {
        "response_type": ["code"],
        "client_id": ["a client"],
        "redirect_uri": [URI],
        "scope": ["xml"],
        "state": ["a state"],
    }
    assert expected == parse_qs(parts.query)


def test_a_code_is_exchanged_once() -> None:
    """The code is sent with the redirect URI that it was asked for with, and the refresh token is returned."""
    endpoint = TokenEndpoint()
    assert "refresh" == consent(endpoint).redeem(f"{URI}?code=a%2Fcode&state=s\n", "s", URI)
    assert [{"grant_type": ["authorization_code"], "code": ["a/code"], "redirect_uri": [URI]}] == endpoint.sent


@pytest.mark.parametrize(
    ("came_back", "refused"),
    [
        ("", InvalidInput),
        ("code=c&state=s", InvalidInput),
        (f"{URI}?code=c", InvalidInput),
        (f"{URI}?code=c&state=another", InvalidInput),
        (f"{URI}?code=c&state=s&state=s", InvalidInput),
        (f"{URI}?state=s", InvalidInput),
        (f"{URI}?code=c&code=d&state=s", InvalidInput),
        (f"{URI}#code=c&state=s", InvalidInput),
        ("http://[", InvalidInput),
        (f"{URI}?error=access_denied&error_description=The+user+said+no&state=s", SignInRefused),
        (f"{URI}?error=access_denied&code=c&state=s", SignInRefused),
    ],
)
def test_an_answer_without_a_code_is_not_sent(came_back: str, refused: type[KeyturnError]) -> None:
    """An address that does not answer this consent, or says no, is refused before anything is sent."""
    endpoint = TokenEndpoint()
    with pytest.raises(refused) as caught:
        consent(endpoint).redeem(came_back, "s", URI)
    assert ([], Verb.AUTHORIZE) == (endpoint.sent, caught.value.next_action.verb)


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (Unknown("reset"), "TRY_LATER", "OpenAir's answer with the tokens was lost."),
        (Answer(400, {}, b'{"error": "invalid_grant"}'), "SIGN_IN_REFUSED", "OpenAir did not accept the code"),
        (Answer(401, {}, b'{"error": "invalid_client"}'), "SIGN_IN_REFUSED", "OpenAir refusal to issue a token"),
        (Answer(503, {}, b""), "TRY_LATER", "OpenAir could not issue a token"),
        (Answer(404, {}, b""), "WRONG_BASE_URL", "OpenAir issues no tokens at this address"),
        (Answer(200, {}, b'{"access_token": "access"}'), "SIGN_IN_REFUSED", "OpenAir granted no refresh token."),
        (Answer(200, {}, b"<html>"), "TRY_LATER", "OpenAir answered the request for a token with something else"),
    ],
)
def test_a_code_that_is_not_taken(answer: Answer | KeyturnError, code: str, message: str) -> None:
    """Each refusal has its own error, which repeats neither the code nor the client secret."""
    with pytest.raises(KeyturnError) as caught:
        consent(TokenEndpoint(answer)).redeem(f"{URI}?code=the-code-of-it&state=s", "s", URI)
    assert (code, True) == (caught.value.code, caught.value.message.startswith(message)), caught.value.message


def test_an_answer_that_quotes_the_code_is_not_repeated() -> None:
    """An error text of OpenAir that holds the code is withheld."""
    answer = Answer(400, {}, b'{"error": "invalid_grant", "error_description": "bad the-code-of-it"}')
    with pytest.raises(SignInRefused) as caught:
        consent(TokenEndpoint(answer)).redeem(f"{URI}?code=the-code-of-it&state=s", "s", URI)
    assert "the-code-of-it" not in caught.value.message
    assert not isinstance(caught.value, TryLater)
