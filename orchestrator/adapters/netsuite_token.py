"""Signs in to NetSuite: OAuth 2.0 client credentials with a signed assertion, no person involved.

https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_162790605110.html
"""

import threading
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import jwt

from orchestrator.adapters import oauth
from orchestrator.adapters.http import Http
from orchestrator.adapters.oauth import Token
from states.connection import NetSuiteSettings
from states.errors import SignInRefused, TryLater
from states.next_action import by_hand
from states.ports import Clock
from states.rotation import PrivateKey
from states.timing import ASSERTION_BACKDATED, ASSERTION_VALID_FOR

PATH: Final = "/services/rest/auth/oauth2/v1/token"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_NEXT_ACTION: Final = by_hand(
    "Check the client id, the certificate id and the private key of the sign-in, and this machine's clock. Check in "
    "NetSuite, under Setup > Integration > OAuth 2.0 Client Credentials, that the certificate is neither revoked nor "
    "expired."
)


class NetSuiteTokens:
    """Access tokens for one NetSuite account, kept until a minute before they expire. Safe to share between threads.

    ``NetSuiteTokens(settings, key, http, clock)``: ``key`` is the private key of the sign-in's own certificate, which
    is not the certificate that is rotated; ``http`` has ``settings.token_url`` as its base.
    """

    def __init__(self, settings: NetSuiteSettings, key: PrivateKey, http: Http, clock: Clock) -> None:
        self._settings = settings
        self._key = key
        self._http = http
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None

    def token(self, *, rejected: str = "") -> str:
        """A token to use now, other than ``rejected``.

        Safe to repeat. Raises TryLater, Throttled, SignInRefused, WrongBaseUrl.
        """
        with self._lock:  # whoever comes second waits for the first one's token
            kept = self._token
            if kept is None or kept.value == rejected or not kept.is_fresh(self._clock.now()):
                kept = self._token = self._fetch()
            return kept.value

    def _fetch(self) -> Token:
        assertion = self._assertion()
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        now = self._clock.now()
        answer = self._http.post(PATH, urlencode(form).encode(), headers, writes=False)
        if answer.status != HTTPStatus.OK:
            error = oauth.error_of(oauth.refusal("NetSuite", answer, [assertion]))
            if isinstance(error, SignInRefused):
                error.next_action = _NEXT_ACTION
            raise error
        token = oauth.issued(answer, now)
        if token is None:
            raise TryLater("NetSuite answered the request for a token without one.")
        return token

    def _assertion(self) -> str:
        issued_at = self._clock.now() - ASSERTION_BACKDATED
        claims = {
            "iss": self._settings.client_id,
            "scope": ["restlets"],
            "aud": self._settings.token_url.rstrip("/") + PATH,
            "iat": int(issued_at.timestamp()),
            "exp": int((issued_at + ASSERTION_BACKDATED + ASSERTION_VALID_FOR).timestamp()),
        }
        try:
            return jwt.encode(
                claims,
                self._key.reveal(),
                algorithm=self._settings.assertion_algorithm,
                headers={"kid": self._settings.certificate_id},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            # Not chained: a parser's message may quote what it could not read.
            raise SignInRefused(
                f"The private key of the NetSuite sign-in does not fit {self._settings.assertion_algorithm}.",
                next_action=_NEXT_ACTION,
            ) from None
