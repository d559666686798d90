"""An OpenID Connect provider: where to send a browser, and what the provider says about the person who comes back.

This is the authorization code flow with PKCE (RFC 7636), of a client that has a secret. What the provider publishes of
itself is believed only as far as it is the issuer of the settings that says so.
"""

import base64
import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, quote_plus, urlencode

from orchestrator.adapters import oauth
from orchestrator.adapters.answer_guard import guarded
from orchestrator.adapters.http import Answer, Http
from orchestrator.adapters.openid_client import Client
from orchestrator.adapters.openid_token import Claims, Expected, judge
from orchestrator.adapters.quoting import quote
from states.base_url import check_url, origin_of
from states.errors import Busy, InvalidInput, KeyturnError, OpenIdRefused, Refused
from states.ports import Clock

DISCOVERY: Final = "/.well-known/openid-configuration"
"""Below the issuer: OpenID Connect Discovery 1.0, section 4."""
WITHIN: Final = 10.0
"""Seconds for one request: a person waits."""
_FRESH: Final = timedelta(minutes=10)
"""How long what the provider publishes is used without asking again. Its keys are always asked for."""
_AT_ONCE: Final = 8
"""How many conversations there are at once: a provider that hangs must not take every thread of the console."""
_SYSTEM: Final = "The OpenID provider"
_JSON: Final = {"Accept": "application/json"}

MakeHttp = Callable[[str], Http]
"""Makes the client of a base URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one sign-in sends to the provider, and what must come back."""

    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    """PKCE's (RFC 7636): only its hash, the challenge, is sent with the browser."""

    @classmethod
    def of(cls, secret: str, state: str, redirect_uri: str) -> "Request":
        """The request of the browser whose cookie has this ``secret``."""
        return cls(
            redirect_uri=redirect_uri, state=state, nonce=_made(secret, "nonce"), verifier=_made(secret, "verifier")
        )

    @property
    def challenge(self) -> str:
        """PKCE's challenge, by the method S256."""
        return _base64url(sha256(self.verifier.encode()).digest())


@dataclass(frozen=True, slots=True)
class _Endpoints:
    """What the provider publishes of itself."""

    authorization: str
    token: str
    keys: str
    user_info: str
    """Empty without one."""
    names_itself: bool
    """Whether each answer has the issuer (RFC 9207)."""
    by_basic: bool
    """Whether the client's secret goes into the header; otherwise into the form."""


class Provider:
    """One provider; safe to share between threads."""

    def __init__(self, client: Client, http: MakeHttp, clock: Clock) -> None:
        self._client = client
        self._make_http = http
        self._clock = clock
        self._clients: dict[str, Http] = {}
        self._known: tuple[datetime, _Endpoints] | None = None
        self._conversations = threading.BoundedSemaphore(_AT_ONCE)

    def address(self, request: Request) -> str:
        """Return the address to send a browser to.

        Raises OpenIdRefused where the provider is not what the settings say; TryLater where it does not answer.
        """
        with self._conversation():
            endpoint = self._endpoints().authorization
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": self._client.scope,
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": request.challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def person(self, answer: Mapping[str, str], request: Request) -> Sequence[Claims]:
        """Return what the provider says of who came back with ``answer``, the fields of the callback's address.

        The ID token's claims come first. Where they lack some that are looked for, those of the UserInfo endpoint
        follow. Not safe to repeat: a provider takes a code once.

        Raises OpenIdRefused where anything is not as it must be; TryLater where the provider does not answer.
        """
        with self._conversation():
            endpoints = self._endpoints()
            code = self._code(answer, endpoints)
            tokens = self._redeemed(code, request, endpoints)
            expected = Expected(
                issuer=self._client.issuer,
                client_id=self._client.client_id,
                nonce=request.nonce,
                now=self._clock.now(),
            )
            keys = self._keys(endpoints)
            with guarded(_SYSTEM, lambda: _unusable("the request for tokens")):
                claims = judge(_text(tokens, "id_token"), keys, expected)
            if self._client.claims <= claims.keys() or not endpoints.user_info:
                return [claims]
            return [claims, self._user_info(endpoints, _text(tokens, "access_token"), claims["sub"])]

    def _code(self, answer: Mapping[str, str], endpoints: _Endpoints) -> str:
        """The code that came back by the browser. The answer's issuer comes first: an attacker may be another one."""
        if (endpoints.names_itself or "iss" in answer) and answer.get("iss") != self._client.issuer:
            raise OpenIdRefused("The answer is of another issuer, or does not say of which (RFC 9207).")
        if error := answer.get("error"):
            said = quote(f"{error} {answer.get('error_description', '')}".strip())
            raise OpenIdRefused(f"{_SYSTEM} did not sign you in: {said}.")
        if code := answer.get("code"):
            return code
        raise OpenIdRefused("The answer has no code.")

    def _redeemed(self, code: str, request: Request, endpoints: _Endpoints) -> Mapping[str, Any]:
        """Exchange the code for the tokens (RFC 6749, section 4.1.3)."""
        client = self._client
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.verifier,
        }
        headers = {**_JSON, "Content-Type": "application/x-www-form-urlencoded"}
        if endpoints.by_basic:
            pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"  # RFC 6749, section 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": client.client_id, "client_secret": client.client_secret}
        base, path, query = _split(endpoints.token)
        answered = self._http(base).post(path, urlencode(form).encode(), headers, writes=False, query=query)
        sent = [code, request.verifier, client.client_secret, headers.get("Authorization", "")]
        if answered.status != HTTPStatus.OK:
            with guarded(_SYSTEM, lambda: _unusable("the request for tokens")):
                summary = oauth.parse_refusal(_SYSTEM, answered, sent).summary
            raise OpenIdRefused(f"{_SYSTEM} did not take the code ({summary}).")
        tokens = _object(answered, "the request for tokens")
        if not _text(tokens, "id_token"):
            raise OpenIdRefused(f"{_SYSTEM} issued no ID token: it may not know this as a sign-in by OpenID Connect.")
        return tokens

    def _keys(self, endpoints: _Endpoints) -> Sequence[object]:
        """The provider's keys of this moment: one that it withdrew signs no one in."""
        keys = _object(self._get(endpoints.keys), "the request for its keys").get("keys")
        if not isinstance(keys, list):
            raise _unusable("the request for its keys")
        return keys

    def _user_info(self, endpoints: _Endpoints, access_token: str, subject: str) -> Claims:
        if not access_token.isascii() or not access_token.isprintable() or not access_token:
            raise OpenIdRefused(f"{_SYSTEM} issued no usable access token.")
        answer = self._get(endpoints.user_info, {"Authorization": f"Bearer {access_token}"})
        claims = _object(answer, "the question who signed in")
        if claims.get("sub") != subject:
            raise OpenIdRefused(f"{_SYSTEM} says two things about who signed in (sub).")
        return claims

    def _endpoints(self) -> _Endpoints:
        now = self._clock.now()
        known = self._known
        if known and known[0] <= now < known[0] + _FRESH:
            return known[1]
        issuer = self._client.issuer
        published = _object(self._get(issuer.rstrip("/") + DISCOVERY), "the request for its configuration")
        if published.get("issuer") != issuer:
            raise OpenIdRefused(f"{_SYSTEM} is another issuer than openid.issuer of the settings says.")
        found = self._parsed(published)
        self._known = now, found
        return found

    def _parsed(self, published: Mapping[str, Any]) -> _Endpoints:
        methods = published.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        by_basic = isinstance(methods, list) and "client_secret_basic" in methods
        if not by_basic and not (isinstance(methods, list) and "client_secret_post" in methods):
            raise OpenIdRefused(f"{_SYSTEM} takes no client secret, by which Keyturn shows who it is.")
        return _Endpoints(
            authorization=self._endpoint(published, "authorization_endpoint"),
            token=self._endpoint(published, "token_endpoint"),
            keys=self._endpoint(published, "jwks_uri"),
            user_info=self._endpoint(published, "userinfo_endpoint") if "userinfo_endpoint" in published else "",
            names_itself=published.get("authorization_response_iss_parameter_supported") is True,
            by_basic=by_basic,
        )

    def _endpoint(self, published: Mapping[str, Any], name: str) -> str:
        """A URL that the provider publishes: protected on its way as the issuer is."""
        url = _text(published, name)
        base, _, query = url.partition("?")
        try:
            check_url(base)
            is_good = origin_of(base).scheme == origin_of(self._client.issuer).scheme
        except InvalidInput:
            is_good = False
        if not is_good or not (query.isascii() and query.isprintable()) or "#" in query:
            raise OpenIdRefused(f"{_SYSTEM} publishes no usable {name}.")
        return url

    def _get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        base, path, query = _split(url)
        return self._http(base).get(path, {**_JSON, **(headers or {})}, query=query)

    def _http(self, base: str) -> Http:
        return self._clients.setdefault(base, self._clients.get(base) or self._make_http(base))

    @contextmanager
    def _conversation(self) -> Iterator[None]:
        if not self._conversations.acquire(blocking=False):
            raise Busy
        try:
            yield
        except Refused as error:  # of its TLS certificate, or of an address that is none: as good as a lie
            raise OpenIdRefused(error.message) from error
        finally:
            self._conversations.release()


def _split(url: str) -> tuple[str, str, Mapping[str, str] | None]:
    """Base URL, path and query of a URL that was checked."""
    whole, _, query = url.partition("?")
    end = whole.find("/", whole.index("://") + len("://"))
    base, path = (whole, "/") if end < 0 else (whole[:end], whole[end:])
    return base, path, dict(parse_qsl(query, keep_blank_values=True)) or None


def _object(answer: Answer, to: str) -> Mapping[str, Any]:
    """The JSON object of an answer with status 200 to what ``to`` says."""
    if answer.status != HTTPStatus.OK:
        raise OpenIdRefused(f"{_SYSTEM} answered {to} with HTTP {answer.status}.")
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise _unusable(to) from None
    if not isinstance(content, dict):
        raise _unusable(to)
    return content


def _unusable(to: str) -> KeyturnError:
    return OpenIdRefused(f"{_SYSTEM} answered {to} with something that cannot be read.")


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return value if isinstance(value, str) else ""


def _made(secret: str, purpose: str) -> str:
    """A random text for one purpose, which does not tell the ``secret``."""
    return _base64url(hmac.digest(secret.encode("utf-8", "surrogatepass"), purpose.encode(), "sha256"))


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
