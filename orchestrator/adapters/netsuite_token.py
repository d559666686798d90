"""Signs in to NetSuite with OAuth 2.0 client credentials and a signed assertion; no person is involved.

https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_162790605110.html
"""

import threading
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import jwt

from orchestrator.adapters import oauth
from orchestrator.adapters.answer_guard import guarded
from orchestrator.adapters.http import Answer, Http
from orchestrator.adapters.oauth import Token
from states.connection import NetSuiteSettings
from states.errors import SignInRefused, TryLater
from states.next_action import by_hand
from states.ports import Clock
from states.rotation import PrivateKey
from states.timing import ASSERTION_BACKDATED, ASSERTION_VALID_FOR, CLOCK_ERROR

RESTLETS: Final = "restlets"
REST_SERVICES: Final = "rest_webservices"
"""The scopes of tokens: for the RESTlet, and for the endpoint of sign-in certificates."""
PATH: Final = "/services/rest/auth/oauth2/v1/token"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_NEXT_ACTION: Final = by_hand(
    "Check the client id, the certificate id and the private key of the sign-in, and this machine's clock. Check in "
    "NetSuite, under Setup > Integration > OAuth 2.0 Client Credentials, that the certificate is neither revoked nor "
    "expired."
)

_CORRECT_CLOCK: Final = by_hand("Correct this machine's clock (NTP): NetSuite judges a sign-in by its time.")


class NetSuiteTokens:
    """Access tokens of one NetSuite account, cached until they are about to expire. Safe to share between threads."""

    def __init__(
        self, settings: NetSuiteSettings, key: PrivateKey, http: Http, clock: Clock, *, scope: str = RESTLETS
    ) -> None:
        """Prepare the sign-in; nothing is sent yet.

        Args:
            settings: The account and its sign-in.
            key: The private key of the sign-in's own certificate. It is not the certificate that Keyturn rotates.
            http: A client whose base URL is ``settings.token_url``.
            clock: Dates the assertions and decides whether a token has expired.
            scope: What the tokens are for.
        """
        self._scope = scope
        self._settings = settings
        self._key = key
        self._http = http
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None

    def token(self, *, rejected: str = "") -> str:
        """Return a token that is valid now and is not ``rejected``; fetches one if necessary.

        ``rejected`` is a token that NetSuite just refused, or empty. Safe to repeat: a token that is not used expires.

        Raises:
            TryLater, Throttled: NetSuite issues no token at the moment.
            SignInRefused: NetSuite refuses the assertion, or the key does not fit its algorithm.
            WrongBaseUrl: The account has another address.
        """
        # The lock is held during the request, so that threads that need a token at once send one request: the second
        # thread waits, and then finds the first one's token. `rejected` is compared under the lock for the same reason.
        with self._lock:
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
        # Before the request: the token's lifetime begins when NetSuite issues it, so this errs on the short side.
        now = self._clock.now()
        # No write: a token whose answer was lost just expires, so a lost answer is a reason to retry, not a doubt.
        answer = self._http.post(PATH, urlencode(form).encode(), headers, writes=False)
        with guarded("NetSuite", _without_token):
            if answer.status != HTTPStatus.OK:
                error = oauth.error_of(oauth.parse_refusal("NetSuite", answer, [assertion]))
                raise self._explained(error, answer) if isinstance(error, SignInRefused) else error
            token = oauth.parse_token(answer, now)
        if token is None:
            raise _without_token()
        return token

    def _explained(self, error: SignInRefused, answer: Answer) -> SignInRefused:
        """Return ``error`` with its next action: where the two clocks disagree, that is the one cause that is named."""
        ahead = oauth.clock_ahead(answer, self._clock.now())
        if ahead is not None and abs(ahead) > CLOCK_ERROR:
            by = f"{abs(ahead).total_seconds():.0f} s {'ahead of' if ahead > timedelta() else 'behind'} NetSuite's"
            return SignInRefused(f"{error.message} This machine's clock is {by}.", next_action=_CORRECT_CLOCK)
        error.next_action = _NEXT_ACTION
        return error

    def _assertion(self) -> str:
        # NetSuite refuses an assertion from the future of its own clock, which may be behind ours.
        issued_at = self._clock.now() - ASSERTION_BACKDATED
        claims = {
            "iss": self._settings.client_id,
            "scope": [self._scope],
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
            # Not chained: a parser's message may quote its input, and that is a private key.
            raise SignInRefused(
                f"The private key of the NetSuite sign-in does not fit {self._settings.assertion_algorithm}.",
                next_action=_NEXT_ACTION,
            ) from None


def _without_token() -> TryLater:
    return TryLater("NetSuite answered the request for a token without one.")
