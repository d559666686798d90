"""OpenAir over HTTP: OAuth 2.0, the XML API and the import trigger URL. Each company has its own path prefix."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from simulator import xml_api
from simulator.clock import Clock
from simulator.credentials import Credentials
from simulator.fault_injector import Endpoint, FaultInjector
from simulator.faults import Fault
from simulator.history import Call
from simulator.import_triggers import PATH as TRIGGER_PATH
from simulator.import_triggers import answer_trigger
from simulator.oauth_errors import OAuthError, refusal, refuse_token
from simulator.preferences import CompanySettings
from simulator.server import NOT_FOUND, Delivery, Reply, Request, json_reply

AUTHORIZE_PATH = "/login/oauth2/v1/authorize"
SIGN_IN_PATH = "/login/oauth2/v1/token"
API_PATH = "/api.pl"
CODE_LIFE = timedelta(minutes=10)
SCOPES = frozenset(("rest", "xml"))
API_LIMIT = "556"
"""XML API status: the limit of API requests is reached."""


class OpenAirCompany:
    """One OpenAir company: its settings, its OAuth codes and its tokens."""

    def __init__(
        self,
        credentials: Credentials,
        injector: FaultInjector,
        clock: Clock,
        settings: CompanySettings,
        *,
        token_seconds: float,
    ) -> None:
        self._credentials = credentials
        self._injector = injector
        self._clock = clock
        self._token_life = timedelta(seconds=token_seconds)
        self._codes: dict[str, tuple[str, datetime]] = {}
        self._refresh_tokens = {credentials.refresh_token}
        self._access_tokens: dict[str, datetime] = {}
        self._last_import: str | None = None
        self.account = credentials.account
        self.settings = settings
        self._xml = xml_api.XmlApi(credentials, self.settings, self._accepts_token)

    def revoke_tokens(self) -> None:
        """Invalidate every access token issued so far. Refresh tokens stay valid."""
        self._access_tokens.clear()

    def consent(self) -> str:
        """Consent again, as a person does in a browser. Returns the new refresh token."""
        self._refresh_tokens.add(token := secrets.token_urlsafe(32))
        return token

    def serve(self, path: str, request: Request) -> Delivery:
        """Answer a request. `path` is its path without the company's prefix."""
        if path == AUTHORIZE_PATH and request.method == "GET":
            return Delivery(self._authorize(request))
        if path == SIGN_IN_PATH and request.method == "POST":
            grant = request.form().get("grant_type", "")
            endpoint = Endpoint("openair", "openair.token", self.account, refuse_token, self.settings.apply_fault)
            return self._injector.serve(endpoint, (grant,), lambda _: self._token(request))
        if path == API_PATH and request.method in ("POST", "PUT"):
            return self._api(request)
        if path == TRIGGER_PATH and request.method == "GET":
            endpoint = Endpoint("openair", "openair.import", self.account, _refuse_import, self.settings.apply_fault)
            return self._injector.serve(endpoint, (), lambda call: self._import(request, call), listed=False)
        return Delivery(NOT_FOUND)

    def _authorize(self, request: Request) -> Reply:
        """Grant consent and redirect the browser back with a code (RFC 6749 section 4.1)."""
        query = request.query
        target = query.get("redirect_uri", "")
        if query.get("client_id") != self._credentials.openair_client_id or not urlsplit(target).scheme:
            return json_reply(400, {"error": "invalid_request"})
        answer = {name: query[name] for name in ("state",) if name in query}
        if query.get("response_type") != "code":
            answer["error"] = "unsupported_response_type"
        elif not set(query.get("scope", "").split()) <= SCOPES:
            answer["error"] = "invalid_scope"
        else:
            answer["code"] = secrets.token_urlsafe(32)
            self._codes[answer["code"]] = (target, self._clock.now() + CODE_LIFE)
        joint = "&" if urlsplit(target).query else "?"
        return Reply(302, content_type="text/html", headers=(("Location", target + joint + urlencode(answer)),))

    def _token(self, request: Request) -> Reply:
        form = request.form()
        try:
            self._check_client(request)
            if form.get("grant_type") == "authorization_code":
                self._redeem_code(form)
            elif form.get("grant_type") == "refresh_token":
                self._void_refresh_token(form)
            else:
                return refusal(OAuthError("unsupported_grant_type", "not a known grant_type"))
        except OAuthError as error:
            return refusal(error)
        access_token, refresh_token = secrets.token_urlsafe(48), secrets.token_urlsafe(32)
        self._access_tokens[access_token] = self._clock.now() + self._token_life
        self._refresh_tokens.add(refresh_token)
        tokens = {"access_token": access_token, "refresh_token": refresh_token, "token_type": "Bearer"}
        return json_reply(200, tokens | {"expires_in": int(self._token_life.total_seconds()), "scope": "rest xml"})

    def _check_client(self, request: Request) -> None:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            given = b""
        known = f"{self._credentials.openair_client_id}:{self._credentials.openair_client_secret}".encode()
        if scheme.lower() != "basic" or not hmac.compare_digest(given, known):
            raise OAuthError("invalid_client", "HTTP Basic authentication failed", HTTPStatus.UNAUTHORIZED)

    def _redeem_code(self, form: dict[str, str]) -> None:
        target, expires = self._codes.pop(form.get("code", ""), ("", self._clock.now()))
        if expires <= self._clock.now() or target != form.get("redirect_uri"):
            raise OAuthError("invalid_grant", "the code is unknown, used, expired or for another redirect_uri")

    def _void_refresh_token(self, form: dict[str, str]) -> None:
        """Use up a refresh token. Each is valid once: the request that removes it from the set continues."""
        try:
            self._refresh_tokens.remove(form.get("refresh_token", ""))
        except KeyError:
            raise OAuthError("invalid_grant", "the refresh token is unknown or was used before") from None

    def _accepts_token(self, token: str) -> bool:
        expires = self._access_tokens.get(token)
        return expires is not None and expires > self._clock.now()

    def _api(self, request: Request) -> Delivery:
        document = xml_api.parse(request.body)
        names = xml_api.commands(document)

        def refuse(fault: Fault) -> Reply:
            if fault.kind == "403":
                return Reply(403, b"Forbidden", "text/plain")
            if fault.kind == "401":
                return _xml_reply(xml_api.refuse(document, "Auth", xml_api.wrong_sign_in(document)))
            code = API_LIMIT if fault.kind == "throttle" else fault.code or xml_api.UNKNOWN_ERROR
            failing = fault.action or (names or ("Auth",))[-1]
            return _xml_reply(xml_api.refuse(document, failing, code), fault.headers())

        endpoint = Endpoint("openair", "openair.api", self.account, refuse, self.settings.apply_fault)
        return self._injector.serve(endpoint, names, lambda call: _xml_reply(self._xml.execute(document, call)))

    def _import(self, request: Request, call: Call) -> Reply:
        """Verify a trigger. Triggers are many, so the history records only a change between accepted and refused."""
        now = self._clock.now()
        answer = answer_trigger(request.raw_query, self._credentials.database_id, self.settings.trusted, now)
        outcome = "refused" if answer.startswith("Error:") else "accepted"
        if outcome != self._last_import:
            self._last_import = outcome
            call.effect(imports=outcome)
        return Reply(200, answer.encode(), "text/plain")


class OpenAir:
    """Serves all companies. The first segment of the path selects the company."""

    def __init__(self, companies: Mapping[str, OpenAirCompany]) -> None:
        self._companies = companies

    def __call__(self, request: Request) -> Delivery:
        """Answer one request."""
        _, company, *rest = request.path.split("/", 2)
        found = self._companies.get(company)
        return Delivery(NOT_FOUND) if found is None else found.serve("/" + "".join(rest), request)


def _xml_reply(answer: xml_api.Answer, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(200, answer.body, "text/xml; charset=utf-8", headers, answer.code)


def _refuse_import(fault: Fault) -> Reply:
    if fault.kind == "403":
        return Reply(403, b"Forbidden", "text/plain")
    text = {"throttle": "API limit reached", "401": "not authenticated"}.get(fault.kind, fault.code or "unknown error")
    return Reply(200, f"Error: {text}".encode(), "text/plain", fault.headers())
