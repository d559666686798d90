"""Signs in to OpenAir: by OAuth 2.0 refresh tokens, or by company, user and password.

OpenAir has no sign-in for machines. A person consents once; from then on each refresh gives an access token and the
next refresh token, and voids the one before. So a refresh must neither be sent twice at once nor forgotten:

    before  a note that a refresh is under way is stored, by compare-and-set; one worker wins, the others wait
    after   both new tokens take the old one's place, in one write, before either is used

When the answer is lost, nobody knows whether the old refresh token still counts. It is then tried once more: OpenAir's
word on it is the only way to find out, and where it is void, a person has to consent again.
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
from orchestrator.adapters.http import SERVER_ERRORS, Http
from states.connection import OpenAirSettings
from states.errors import KeyturnError, SignInRefused, Stale, TryLater, Unknown
from states.next_action import REPEAT, NextAction, Verb, by_hand
from states.ports import Clock
from states.timing import REFRESH_FURTHEST, REFRESH_SPARE, TOKEN_EXPIRY_MARGIN

PATH: Final = "/login/oauth2/v1/token"
SECRET: Final = "openair_oauth"  # noqa: S105 - a secret's name
"""The name under which the tokens are kept."""
STORE_TRIES: Final = 7
"""How often the new tokens are tried to be stored, within about 15 seconds."""
LOOK_AGAIN: Final = 1.0
"""Seconds after which a worker looks whether another one's refresh is over."""

_CONSENT: Final = by_hand(
    "Consent again in OpenAir, and copy the new refresh token.",
    NextAction(Verb.EDIT_CONNECTION, {"secret": "openair_refresh_token"}, then=REPEAT),
)
_CHECK_CLIENT: Final = by_hand(
    "Check the OAuth client id and client secret.",
    NextAction(Verb.EDIT_CONNECTION, {"secret": "openair_client_secret"}, then=REPEAT),
)
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Secrets(Protocol):
    """The secrets of one connection, sealed in the store; each has a version that grows with every write."""

    def get(self, name: str) -> tuple[bytes, int] | None:
        """The secret in the clear and its version, or None. Raises SealBroken, VaultLocked."""
        ...

    def replace(self, name: str, value: bytes, version: int) -> int:
        """Put ``value`` in place of that version, durably; return the new version.

        Raises Stale when the secret has another version by now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What OpenAir granted, as it is stored."""

    refresh_token: str = field(repr=False)
    access_token: str = field(default="", repr=False)
    expires_at: datetime = _LONG_AGO
    """When the access token expires (UTC). It is kept so that a new process need not spend the refresh token."""
    refreshing_until: datetime | None = None
    """Until when a refresh may be under way (UTC), or None."""
    in_doubt: bool = False
    """Whether a refresh was sent whose answer is not known: the refresh token may be void."""

    def to_bytes(self) -> bytes:
        """The form in which it is sealed and stored; ``Grant(refresh_token=…).to_bytes()`` after a consent."""
        until = self.refreshing_until
        content = {
            "refresh_token": self.refresh_token,
            "access_token": self.access_token,
            "expires_at": self.expires_at.isoformat(),
            "refreshing_until": until.isoformat() if until else None,
            "in_doubt": self.in_doubt,
        }
        return json.dumps(content).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Grant":
        """The inverse of `to_bytes`."""
        content = json.loads(stored)
        until = content["refreshing_until"]
        return cls(
            refresh_token=content["refresh_token"],
            access_token=content["access_token"],
            expires_at=datetime.fromisoformat(content["expires_at"]),
            refreshing_until=datetime.fromisoformat(until) if until else None,
            in_doubt=content["in_doubt"],
        )


class PasswordSignIn:
    """Sign-in by company, user and password. ``PasswordSignIn(settings, password)``."""

    def __init__(self, settings: OpenAirSettings, password: str) -> None:
        self._fields = {"company": settings.company, "user": settings.user, "password": password}

    def fields(self) -> Mapping[str, str]:
        """The elements of `<Login>`."""
        return self._fields

    def renewed(self, rejected: Mapping[str, str]) -> None:  # noqa: ARG002 - the port's signature
        """None: a password that was refused stays refused."""
        return


class OAuthSignIn:
    """Sign-in by access tokens. Safe to share between threads, processes and machines: all state is in ``secrets``.

    ``OAuthSignIn(settings, client_secret, http, secrets, clock)``: ``http`` has ``settings.url`` as its base.
    """

    def __init__(
        self, settings: OpenAirSettings, client_secret: str, http: Http, secrets: Secrets, clock: Clock
    ) -> None:
        client = base64.b64encode(f"{settings.client_id}:{client_secret}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {client}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        self._client_secret = client_secret
        self._http = http
        self._secrets = secrets
        self._clock = clock

    def fields(self) -> Mapping[str, str]:
        """The elements of `<Login>`. Raises TryLater, SignInRefused, WrongBaseUrl."""
        return {"access_token": self._access_token()}

    def renewed(self, rejected: Mapping[str, str]) -> Mapping[str, str]:
        """Another access token than the rejected one. Raises as `fields`."""
        return {"access_token": self._access_token(rejected["access_token"])}

    def _access_token(self, rejected: str = "") -> str:
        grant, version = self._stored()
        now = self._clock.now()
        if grant.access_token not in ("", rejected) and now < grant.expires_at - TOKEN_EXPIRY_MARGIN:
            return grant.access_token
        if grant.refreshing_until and now < grant.refreshing_until <= now + REFRESH_FURTHEST:
            # It may be done in a moment; if it died, nobody knows that before its note runs out.
            raise _renewing(grant.refreshing_until)
        until = now + timedelta(seconds=self._http.answer_within) + REFRESH_SPARE
        note = replace(grant, refreshing_until=until, in_doubt=True)
        try:
            version = self._secrets.replace(SECRET, note.to_bytes(), version)
        except Stale:
            raise _renewing(until) from None
        return self._refresh(grant, version)

    def _refresh(self, grant: Grant, version: int) -> str:
        """Spend the refresh token, which ``version`` announces; store what came of it; return the access token."""
        form = urlencode({"grant_type": "refresh_token", "refresh_token": grant.refresh_token}).encode()
        now = self._clock.now()
        try:
            answer = self._http.post(PATH, form, self._headers, writes=True)
        except Unknown as error:
            self._withdraw(replace(grant, in_doubt=True), version)
            raise TryLater("OpenAir's answer with the new tokens was lost.") from error
        except KeyturnError:
            self._withdraw(grant, version)  # it was never sent
            raise
        token = oauth.issued(answer, now) if answer.status == HTTPStatus.OK else None
        if token is None:
            perhaps_spent = answer.status == HTTPStatus.OK or answer.status in SERVER_ERRORS
            self._withdraw(replace(grant, in_doubt=grant.in_doubt or perhaps_spent), version)
            sent = [grant.refresh_token, self._client_secret, self._headers["Authorization"]]
            raise _error_of(oauth.refusal("OpenAir", answer, sent), in_doubt=grant.in_doubt)
        fresh = Grant(
            refresh_token=token.refresh_token or grant.refresh_token,
            access_token=token.value,
            expires_at=token.expires_at,
        )
        return self._put(fresh, spent=grant.refresh_token, version=version).access_token

    def _put(self, fresh: Grant, *, spent: str, version: int) -> Grant:
        """Store the new tokens, unless another consent or refresh brought newer ones, which count then.

        A mere note by a worker that took this one for dead gives way: its refresh token is the spent one. A store that
        is away for a moment is waited for, because the new tokens are nowhere else.
        """
        patiently = Retrying(
            retry=retry_if_not_exception_type(Stale),
            stop=stop_after_attempt(STORE_TRIES),
            wait=wait_exponential(multiplier=0.2, max=5),
            sleep=self._clock.sleep,
            reraise=True,
        )
        while True:
            try:
                patiently(self._secrets.replace, SECRET, fresh.to_bytes(), version)
            except Stale:
                stored, version = self._stored()
                if stored.refresh_token != spent:
                    return stored
            else:
                return fresh

    def _withdraw(self, grant: Grant, version: int) -> None:
        """Take the note back that a refresh is under way, unless somebody stored something else meanwhile."""
        with contextlib.suppress(Stale):
            self._secrets.replace(SECRET, replace(grant, refreshing_until=None).to_bytes(), version)

    def _stored(self) -> tuple[Grant, int]:
        found = self._secrets.get(SECRET)
        if found is None:
            raise SignInRefused("There is no refresh token for OpenAir.", next_action=_CONSENT)
        return Grant.from_bytes(found[0]), found[1]


def _renewing(until: datetime) -> TryLater:
    return TryLater("Another worker is renewing OpenAir's access token.", retry_after=LOOK_AGAIN, over_at=until)


def _error_of(refused: oauth.Refusal, *, in_doubt: bool) -> KeyturnError:
    error = oauth.error_of(refused)
    if not isinstance(error, SignInRefused):
        return error
    if refused.error != "invalid_grant":
        return SignInRefused(error.message, next_action=_CHECK_CLIENT)
    lost = " The answer to an earlier refresh was lost, and the next refresh token with it." if in_doubt else ""
    return SignInRefused(f"OpenAir's refresh token is void ({refused.told}).{lost}", next_action=_CONSENT)
