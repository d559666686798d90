"""Signs in to OpenAir with OAuth 2.0 refresh tokens, or with company, user and password.

OpenAir has no sign-in without a person. A person consents once. From then on each refresh returns an access token and
the next refresh token, and voids the previous one. So two workers must not send a refresh at the same time, and the
result of a refresh must not be lost:

    before  the worker stores a note that a refresh is running, by compare-and-set; one worker wins, the others wait
    after   the worker replaces the old tokens with both new ones, in one write, before it uses either

When the answer is lost, the old refresh token may or may not be valid. The only way to find out is to try it again. If
OpenAir then refuses it, a person must consent again.
"""

import base64
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import urlencode

from tenacity import Retrying, retry_if_not_exception_type, stop_after_attempt, wait_exponential

from orchestrator.adapters import oauth
from orchestrator.adapters.answer_guard import guarded
from orchestrator.adapters.http import SERVER_ERRORS, Http
from states.connection import OpenAirSettings
from states.errors import KeyturnError, SignInRefused, Stale, TryLater, Unknown
from states.next_action import REPEAT, NextAction, Verb, by_hand
from states.ports import Clock
from states.timing import REFRESH_FURTHEST, REFRESH_SPARE, TOKEN_EXPIRY_MARGIN

PATH: Final = "/login/oauth2/v1/token"
SECRET: Final = "openair_oauth"  # noqa: S105 - a secret's name
"""The name of the secret that holds the tokens."""
STORE_ATTEMPTS: Final = 7
"""How many times a worker tries to store the new tokens; with the waits in between, about 15 seconds."""
POLL_INTERVAL: Final = 1.0
"""How often a worker checks whether another worker's refresh is over, in seconds."""

_CONSENT: Final = NextAction(Verb.AUTHORIZE, because="A person must consent in OpenAir again.", then=REPEAT)
_CHECK_CLIENT: Final = by_hand(
    "Check the OAuth client id and client secret.",
    NextAction(Verb.EDIT_CONNECTION, {"secret": "openair_client_secret"}, then=REPEAT),
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Secrets(Protocol):
    """The secrets of one connection, sealed in the store. Each has a version that every write increases."""

    def get(self, name: str) -> tuple[bytes, int] | None:
        """Return the decrypted secret and its version, or None. Raises SealBroken, VaultLocked."""
        ...

    def replace(self, name: str, value: bytes, version: int) -> int:
        """Replace that version of the secret with ``value``, durably, and return the new version.

        Raises Stale if the secret has another version by now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The tokens that OpenAir granted, and the state of their refresh, as one stored secret."""

    refresh_token: str = field(repr=False)
    access_token: str = field(default="", repr=False)
    expires_at: datetime = _EPOCH
    """When the access token expires (UTC). It is stored so that a new process can use it without a refresh."""
    refreshing_until: datetime | None = None
    """The note: until when a refresh may be running (UTC), or None."""
    in_doubt: bool = False
    """Whether a refresh was sent and its answer lost: the refresh token may be void."""
    refreshed_at: datetime | None = None
    """When OpenAir last renewed the tokens (UTC); None before the first refresh."""

    def to_bytes(self) -> bytes:
        """Return the form that is sealed and stored. After a consent, store ``Grant(refresh_token=…).to_bytes()``."""
        until = self.refreshing_until
        content = {
            "refresh_token": self.refresh_token,
            "access_token": self.access_token,
            "expires_at": self.expires_at.isoformat(),
            "refreshing_until": until.isoformat() if until else None,
            "in_doubt": self.in_doubt,
            "refreshed_at": self.refreshed_at.isoformat() if self.refreshed_at else None,
        }
        return json.dumps(content).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Grant":
        """The inverse of `to_bytes`."""
        content = json.loads(stored)
        until, refreshed_at = content["refreshing_until"], content.get("refreshed_at")
        return cls(
            refresh_token=content["refresh_token"],
            access_token=content["access_token"],
            expires_at=datetime.fromisoformat(content["expires_at"]),
            refreshing_until=datetime.fromisoformat(until) if until else None,
            in_doubt=content["in_doubt"],
            refreshed_at=datetime.fromisoformat(refreshed_at) if refreshed_at else None,
        )

    def ensure_settled(self, now: datetime) -> None:
        """Raise TryLater while a refresh may be running at ``now`` (UTC): its result has yet to replace this grant."""
        until = self.refreshing_until
        # The worker may be done in a moment. If it died, only the end of its note shows that. A note that ends later
        # than REFRESH_FURTHEST was written by a clock that was wrong, and would block sign-in for long.
        if until and now < until <= now + REFRESH_FURTHEST:
            raise _refresh_running(until)


class PasswordSignIn:
    """Signs in with company, user and password (SignIn in openair_xml.py)."""

    def __init__(self, settings: OpenAirSettings, password: str) -> None:
        self._fields = {"company": settings.company, "user": settings.user, "password": password}

    def fields(self) -> Mapping[str, str]:
        """The elements of `<Login>`."""
        return self._fields

    def renew(self, rejected: Mapping[str, str]) -> None:  # noqa: ARG002 - the port's signature
        """Return None: a password that OpenAir refused once is not tried again."""
        return


class OAuthSignIn:
    """Signs in with access tokens (SignIn in openair_xml.py).

    Safe to share between threads, processes and machines: all state is in ``secrets``. The base URL of ``http`` must be
    ``settings.url``.
    """

    def __init__(
        self, settings: OpenAirSettings, client_secret: str, http: Http, secrets: Secrets, clock: Clock
    ) -> None:
        self._headers = client_headers(settings, client_secret)
        self._client_secret = client_secret
        self._redirect_uri = settings.redirect_uri
        self._http = http
        self._secrets = secrets
        self._clock = clock

    def fields(self) -> Mapping[str, str]:
        """Return the elements of `<Login>`; refreshes the access token if it is about to expire. Safe to repeat.

        Raises:
            TryLater: Another worker is refreshing the token, or the answer was lost, or OpenAir cannot answer now.
            SignInRefused: A person must consent again, or the OAuth client is not accepted.
            WrongBaseUrl: The company has another address.
        """
        return {"access_token": self._access_token()}

    def renew(self, rejected: Mapping[str, str]) -> Mapping[str, str]:
        """Return the elements with another access token than the rejected one. Raises as `fields`."""
        return {"access_token": self._access_token(rejected["access_token"])}

    def _access_token(self, rejected: str = "") -> str:
        grant, version = self._load()
        now = self._clock.now()
        if grant.access_token not in ("", rejected) and now < grant.expires_at - TOKEN_EXPIRY_MARGIN:
            return grant.access_token
        grant.ensure_settled(now)
        until = now + timedelta(seconds=self._http.answer_within) + REFRESH_SPARE
        # In doubt from the start: if this worker dies after sending, the next one must know that the token may be void.
        note = replace(grant, refreshing_until=until, in_doubt=True)
        try:
            version = self._secrets.replace(SECRET, note.to_bytes(), version)
        except Stale:
            raise _refresh_running(until) from None
        return self._refresh(grant, version)

    def _refresh(self, grant: Grant, version: int) -> str:
        """Send the refresh token, store the result, and return the new access token.

        ``version`` is the one that holds this worker's note; ``grant`` is the state before the note. Each outcome
        replaces the note, with the doubt that fits it:

        - answer lost, 5xx, or 200 without tokens: OpenAir may have voided the refresh token, so in doubt
        - never sent, or refused: the token is as it was, and an earlier doubt remains
        """
        fields = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
        if self._redirect_uri:
            fields["redirect_uri"] = self._redirect_uri
        form = urlencode(fields).encode()
        now = self._clock.now()
        try:
            answer = self._http.post(PATH, form, self._headers, writes=True)
        except Unknown as error:
            self._remove_note(replace(grant, in_doubt=True), version)
            raise TryLater("OpenAir's answer with the new tokens was lost.") from error
        except KeyturnError:
            self._remove_note(grant, version)  # never sent, so the refresh token is as it was
            raise
        perhaps_spent = answer.status == HTTPStatus.OK or answer.status in SERVER_ERRORS
        sent = [grant.refresh_token, self._client_secret, self._headers["Authorization"]]
        try:
            with guarded("OpenAir", lambda: TryLater(f"OpenAir gave no usable tokens (HTTP {answer.status}).")):
                token = oauth.parse_token(answer, now) if answer.status == HTTPStatus.OK else None
                if token is None:
                    raise _error_of(oauth.parse_refusal("OpenAir", answer, sent), in_doubt=grant.in_doubt)
        except KeyturnError:
            self._remove_note(replace(grant, in_doubt=grant.in_doubt or perhaps_spent), version)
            raise
        fresh = Grant(
            refresh_token=token.refresh_token or grant.refresh_token,
            access_token=token.value,
            expires_at=token.expires_at,
            refreshed_at=now,
        )
        return self._store_tokens(fresh, spent=grant.refresh_token, version=version).access_token

    def _store_tokens(self, fresh: Grant, *, spent: str, version: int) -> Grant:
        """Store ``fresh`` and return it; if the store holds newer tokens, keep and return those.

        The version may have changed meanwhile, for two reasons. A person consented again, or another worker refreshed:
        then the stored refresh token is not ``spent``, and the stored tokens are newer. Or another worker took this one
        for dead and stored its note: then the stored refresh token is ``spent`` itself, which is void, and ``fresh``
        replaces it. An unavailable store is tried STORE_ATTEMPTS times, because the new tokens exist nowhere else.
        """
        with_retries = Retrying(
            retry=retry_if_not_exception_type(Stale),
            stop=stop_after_attempt(STORE_ATTEMPTS),
            wait=wait_exponential(multiplier=0.2, max=5),
            sleep=self._clock.sleep,
            reraise=True,
        )
        while True:
            try:
                with_retries(self._secrets.replace, SECRET, fresh.to_bytes(), version)
            except Stale:
                stored, version = self._load()
                if stored.refresh_token != spent:
                    return stored
            else:
                return fresh

    def _remove_note(self, grant: Grant, version: int) -> None:
        """Store ``grant`` without the note that a refresh is running.

        Stale means that a consent or another worker replaced the note meanwhile; the newer state stays.
        """
        with contextlib.suppress(Stale):
            self._secrets.replace(SECRET, replace(grant, refreshing_until=None).to_bytes(), version)

    def _load(self) -> tuple[Grant, int]:
        found = self._secrets.get(SECRET)
        if found is None:
            first = NextAction(Verb.AUTHORIZE, because="A person must consent in OpenAir.", then=REPEAT)
            raise SignInRefused("There is no refresh token for OpenAir.", next_action=first)
        return Grant.from_bytes(found[0]), found[1]


def client_headers(settings: OpenAirSettings, client_secret: str) -> dict[str, str]:
    """The headers of a request to the token endpoint: the client authenticates by HTTP Basic."""
    client = base64.b64encode(f"{settings.client_id}:{client_secret}".encode()).decode()
    return {
        "Authorization": f"Basic {client}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }


def _refresh_running(until: datetime) -> TryLater:
    return TryLater("Another worker is renewing OpenAir's access token.", retry_after=POLL_INTERVAL, over_at=until)


def _error_of(refusal: oauth.Refusal, *, in_doubt: bool) -> KeyturnError:
    error = oauth.error_of(refusal)
    if not isinstance(error, SignInRefused):
        return error
    if refusal.error != "invalid_grant":
        return SignInRefused(error.message, next_action=_CHECK_CLIENT)
    lost = " The answer to an earlier refresh was lost, and the next refresh token with it." if in_doubt else ""
    return SignInRefused(f"OpenAir's refresh token is void ({refusal.summary}).{lost}", next_action=_CONSENT)
