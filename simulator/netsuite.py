"""NetSuite over HTTP: the token endpoint and the RESTlet's URL. Each account has its own path prefix."""

import base64
import json
import secrets
from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus

from simulator.certificate_record import CertificateRecord
from simulator.certificates import PrivateKey
from simulator.client_assertion import check_assertion
from simulator.clock import Clock
from simulator.credentials import Credentials
from simulator.fault_injector import Endpoint, FaultInjector
from simulator.faults import Fault
from simulator.history import Call
from simulator.oauth_errors import OAuthError, refusal, refuse_token
from simulator.restlet import Host, LogLine, Restlet, UnhandledScriptError
from simulator.server import NOT_FOUND, Delivery, Reply, Request, json_reply
from simulator.sign_in_certificates import ENTITY, PATH, ROLE, SignInCertificates
from simulator.sign_in_certificates import refuse as refuse_certificates

SIGN_IN_PATH = "/services/rest/auth/oauth2/v1/token"
RESTLET_PATH = "/app/site/hosting/restlet.nl"
SCRIPTS = ("customscript_keyturn_restlet", "1")
DEPLOYMENTS = ("customdeploy_keyturn_restlet", "1")
ACTIONS = ("report", "sign", "install")
INVALID_TOKEN = (HTTPStatus.UNAUTHORIZED, "invalid_token", "The access token is invalid or has expired.")
MOST_LOG_LINES = 1000
UNKNOWN_ERROR = "UNEXPECTED_ERROR"
THROTTLED = "SSS_REQUEST_LIMIT_EXCEEDED"


class NetSuiteAccount:
    """One NetSuite account: its certificate record, its access tokens and the latest lines of its script log."""

    def __init__(
        self,
        credentials: Credentials,
        key: PrivateKey,
        injector: FaultInjector,
        clock: Clock,
        restlet: Restlet,
        record: CertificateRecord,
        *,
        token_seconds: float,
    ) -> None:
        self._credentials = credentials
        self.sign_ins = SignInCertificates(
            credentials.client_id, credentials.certificate_id, key, clock.now, lambda: record.permissions
        )
        self._injector = injector
        self._clock = clock
        self._restlet = restlet
        self._token_life = timedelta(seconds=token_seconds)
        self._tokens: dict[str, tuple[datetime, AbstractSet[str]]] = {}
        """When each access token ends, and its scopes."""
        self.account = credentials.account
        self.record = record
        self.script_log: deque[LogLine] = deque(maxlen=MOST_LOG_LINES)

    def map_sign_in(self, certificate_pem: str) -> str:
        """Map another certificate to the integration; return the id that it gets."""
        return self.sign_ins.map(certificate_pem)

    def revoke_tokens(self) -> None:
        """Invalidate every token issued so far, as an administrator can."""
        self._tokens.clear()

    def serve(self, path: str, request: Request) -> Delivery:
        """Answer a request. `path` is its path without the account's prefix."""
        if path == SIGN_IN_PATH:
            endpoint = Endpoint("netsuite", "netsuite.token", self.account, refuse_token, self.record.apply_fault)
            return self._injector.serve(endpoint, ("client_credentials",), lambda _: self._issue(request))
        if path == RESTLET_PATH:
            endpoint = Endpoint(
                "netsuite", "netsuite.restlet", self.account, self._refuse_restlet, self.record.apply_fault
            )
            return self._injector.serve(endpoint, _action_of(request), lambda call: self._run(request, call))
        if found := PATH.fullmatch(path):
            endpoint = Endpoint(
                "netsuite", "netsuite.certificates", self.account, refuse_certificates, self.record.apply_fault
            )
            client_id, certificate_id = found.groups()
            action = "revoke" if certificate_id else {"GET": "list"}.get(request.method, "upload")
            return self._injector.serve(
                endpoint,
                (action,),
                lambda call: (
                    self._refuse_caller(request, "rest_webservices")
                    or self.sign_ins.serve(client_id, certificate_id, request, call)
                ),
            )
        return Delivery(NOT_FOUND)

    def _issue(self, request: Request) -> Reply:
        if request.method != "POST":
            return Reply(405, headers=(("Allow", "POST"),))
        try:
            scopes = check_assertion(
                request.form(),
                token_url=self._credentials.netsuite_url + SIGN_IN_PATH,
                client_id=self._credentials.client_id,
                public_keys={each.id: each.public_key for each in self.sign_ins.live().values()},
                scopes=self.sign_ins.scopes,
                now=self._clock.now,
            )
        except OAuthError as error:
            return refusal(error)
        token = _access_token()
        self._tokens[token] = (self._clock.now() + self._token_life, scopes)
        seconds = int(self._token_life.total_seconds())
        return json_reply(200, {"access_token": token, "expires_in": seconds, "token_type": "Bearer"})

    def _run(self, request: Request, call: Call) -> Reply:
        refused = self._refuse_caller(request, "restlets") or _refuse_form(request)
        if refused is not None:
            return refused
        host = Host(self.record, call, self.script_log, lambda: int(self._clock.now().timestamp() * 1000))
        try:
            body = self._restlet.post(request.body, host)
        except UnhandledScriptError as error:
            details = error.details
            plain = details["name"] == THROTTLED
            return platform_error(details["name"], details["message"] if plain else json.dumps(details))
        answer = json.loads(body)
        return Reply(200, body.encode(), code=answer.get("error", {}).get("code"))

    def _refuse_caller(self, request: Request, scope: str) -> Reply | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return self._challenge(HTTPStatus.BAD_REQUEST, "invalid_request", "The request is missing a bearer token.")
        expires, scopes = self._tokens.get(token, (self._clock.now(), ()))
        if expires <= self._clock.now() or scope not in scopes:
            return self._challenge(*INVALID_TOKEN)
        return None

    def _challenge(self, status: HTTPStatus, error: str, description: str) -> Reply:
        challenge = f'Bearer realm="{self.account}", error="{error}", error_description="{description}"'
        body = {"error": {"code": "INVALID_LOGIN_ATTEMPT", "message": "Invalid login attempt."}}
        return json_reply(status, body, code=error, headers=(("WWW-Authenticate", challenge),))

    def _refuse_restlet(self, fault: Fault) -> Reply:
        match fault.kind:
            case "throttle":
                reply = platform_error(THROTTLED, "The maximum allowed number of concurrent requests is exceeded.")
                return replace(reply, headers=fault.headers())
            case "401":
                return self._challenge(*INVALID_TOKEN)
            case "403":
                return platform_error("INSUFFICIENT_PERMISSION", "You do not have permission for this action.", 403)
        code = fault.code or UNKNOWN_ERROR
        details = {"type": "error.SuiteScriptError", "name": code, "message": "Injected.", "stack": []}
        return platform_error(code, json.dumps(details))


class NetSuite:
    """Serves all accounts. The first segment of the path selects the account."""

    def __init__(self, accounts: Mapping[str, NetSuiteAccount]) -> None:
        self._accounts = accounts

    def __call__(self, request: Request) -> Delivery:
        """Answer one request."""
        _, account, *rest = request.path.split("/", 2)
        found = self._accounts.get(account)
        if found is None:
            return Delivery(NOT_FOUND)
        return found.serve("/" + "".join(rest), request)


def platform_error(code: str, message: str, status: int = 400) -> Reply:
    """Build an error response of the NetSuite platform. `message` may itself be JSON text."""
    return json_reply(status, {"error": {"code": code, "message": message}}, code=code)


def _access_token() -> str:
    """Return a token of three parts, the second of which names role and user.

    Source: Oracle's help, section_158255317571 (OAuth 2.0 access and refresh token structure).
    """
    parts = ({"typ": "JWT", "alg": "PS256"}, {"sub": f"{ROLE};{ENTITY}"})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, secrets.token_urlsafe(48)])


def _action_of(request: Request) -> tuple[str, ...]:
    try:
        action = json.loads(request.body)["action"]
    except (ValueError, KeyError, TypeError):
        return ()
    return (action,) if action in ACTIONS else ()


def _refuse_form(request: Request) -> Reply | None:
    if request.method != "POST":
        return platform_error("INVALID_REQUEST", "This RESTlet has no function for the method.", 405)
    if request.query.get("script") not in SCRIPTS or request.query.get("deploy") not in DEPLOYMENTS:
        message = "That Suitelet is invalid, disabled, or no longer exists."
        return platform_error("SSS_INVALID_SCRIPTLET_ID", message)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return platform_error("UNSUPPORTED_MEDIA_TYPE", "The Content-Type must be application/json.", 415)
    try:
        json.loads(request.body)
    except ValueError:
        return platform_error("INVALID_REQUEST", "The request body is not valid JSON.")
    return None
