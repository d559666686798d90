"""OpenAir's consent: a person lets Keyturn's OAuth client in, in a browser, and OpenAir grants the first refresh token.

This is the authorization code grant (RFC 6749 section 4.1), the only one that OpenAir offers. Its authorize endpoint is
documented; that it takes a loopback redirect URI (RFC 8252 section 7.3) is an assumption, so another one works too.
"""

import hmac
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from orchestrator.adapters import oauth
from orchestrator.adapters.answer_guard import guarded
from orchestrator.adapters.http import Http
from orchestrator.adapters.openair_auth import PATH, client_headers
from orchestrator.adapters.quoting import quote
from states.connection import OpenAirSettings
from states.errors import InvalidInput, KeyturnError, SignInRefused, TryLater, Unknown
from states.next_action import NextAction, Verb
from states.ports import Clock

AUTHORIZE: Final = "/login/oauth2/v1/authorize"
SCOPE: Final = "xml"
"""The certificate is saved through the XML API; Keyturn asks for no more."""

AGAIN: Final = NextAction(Verb.AUTHORIZE)


class OpenAirConsent:
    """The consent of one connection. The base URL of ``http`` must be ``settings.url``."""

    def __init__(self, settings: OpenAirSettings, client_secret: str, http: Http, clock: Clock) -> None:
        self._settings = settings
        self._client_secret = client_secret
        self._http = http
        self._clock = clock

    def address(self, redirect_uri: str, state: str) -> str:
        """Return the address to open in a browser. ``state`` comes back with the answer, and shows whose it is."""
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
        }
        return f"{self._settings.url}{AUTHORIZE}?{urlencode(asked)}"

    def redeem(self, came_back: str, state: str, redirect_uri: str) -> str:
        """Exchange the code for a refresh token, which is returned. Not safe to repeat: OpenAir takes a code once.

        ``came_back``: the whole address that the browser was sent to. ``state`` and ``redirect_uri``: those it was
        asked with.

        Raises:
            InvalidInput: The address does not answer this consent. Nothing was sent.
            SignInRefused: The person or OpenAir refused, or OpenAir granted no refresh token.
            TryLater: OpenAir cannot answer now, or its answer was lost, and the code with it.
            WrongBaseUrl: The company has another address.
        """
        code = _code(came_back, state)
        headers = client_headers(self._settings, self._client_secret)
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        now = self._clock.now()
        try:
            answer = self._http.post(PATH, urlencode(fields).encode(), headers, writes=True)
        except Unknown as error:
            raise TryLater("OpenAir's answer with the tokens was lost.", next_action=AGAIN) from error
        sent = [code, self._client_secret, headers["Authorization"]]
        unusable = TryLater(f"OpenAir gave no usable tokens (HTTP {answer.status}).", next_action=AGAIN)
        with guarded("OpenAir", lambda: unusable):
            token = oauth.parse_token(answer, now) if answer.status == HTTPStatus.OK else None
            if token is None:
                raise _error_of(oauth.parse_refusal("OpenAir", answer, sent))
            if not token.refresh_token:
                raise SignInRefused("OpenAir granted no refresh token.", next_action=AGAIN)
            return token.refresh_token


def _code(came_back: str, state: str) -> str:
    """Return the code in the address that the browser was sent to (RFC 6749 section 4.1.2). Raises as ``redeem``."""
    try:
        given = parse_qs(urlsplit(came_back.strip()).query, max_num_fields=20)
    except ValueError:
        given = {}
    # The state shows that this browser was sent by this command: another one's code would let Keyturn in elsewhere.
    if not hmac.compare_digest(_single(given, "state").encode(), state.encode()):
        raise InvalidInput(
            "The address does not answer this consent: its state is missing or another one.", next_action=AGAIN
        )
    if error := _single(given, "error"):
        said = quote(f"{error} {_single(given, 'error_description')}".strip())
        raise SignInRefused(f"OpenAir was not allowed to grant tokens: {said}.", next_action=AGAIN)
    if code := _single(given, "code"):
        return code
    raise InvalidInput("The address has no code.", next_action=AGAIN)


def _single(given: dict[str, list[str]], name: str) -> str:
    """The value that is given exactly once, or empty: RFC 6749 section 3.1 allows no parameter twice."""
    values = given.get(name, [])
    return values[0] if len(values) == 1 else ""


def _error_of(refusal: oauth.Refusal) -> KeyturnError:
    if refusal.error == "invalid_grant":
        message = (
            f"OpenAir did not accept the code: it is used, too old, or of another redirect URI ({refusal.summary})."
        )
        return SignInRefused(message, next_action=AGAIN)
    return oauth.error_of(refusal)
