"""An OpenID provider on loopback that a test can make lie, and a person who signs in with it over real HTTP.

It checks what an honest provider checks: the client's secret, the redirect URI, PKCE, and that a code is used once.
"""

import base64
import functools
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from support.console import RunningConsole

from orchestrator.bootstrap import Keyturn

CLIENT = "keyturn-console"
SECRET = "s3cr3t:of the/client+" + "k" * 20
KID = "key-1"
GROUPS = {"administrators": "kt-admins", "operators": "kt-operators", "viewers": "kt-viewers"}

Json = dict[str, Any]
Delivery = tuple[int, dict[str, str], bytes]


def same(given: Any) -> Any:
    """An honest provider changes nothing."""
    return given


@functools.cache
def rsa_key(number: int = 1, bits: int = 2048) -> rsa.RSAPrivateKey:  # noqa: ARG001 - another number, another key
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key(curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, **more: str) -> Json:
    """The public key as a key set has it."""
    algorithm: Any = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": KID, "use": "sig", **more}


def signed(claims: Json, key: Any = None, algorithm: str = "RS256", kid: str | None = KID) -> str:
    """An ID token; by the provider's own key unless another one is given."""
    return jwt.encode(claims, rsa_key() if key is None else key, algorithm, headers={"kid": kid} if kid else None)


def as_json(content: object, status: int = 200) -> Delivery:
    """A JSON answer; what is a whole delivery already stays one."""
    if isinstance(content, tuple):
        return content
    return status, {"content-type": "application/json"}, json.dumps(content).encode()


@dataclass
class Provider:
    """What it says, each part of which a test can change."""

    url: str = ""
    person: Json = field(default_factory=lambda: {"sub": "248289761001", "email": "ada@example.com"})
    groups: tuple[str, ...] = ("kt-operators",)
    publish: Callable[[Json], Any] = same
    """Its configuration."""
    come_back: Callable[[Json], Json] = same
    """The answer that the browser brings."""
    claim: Callable[[Json], Json] = same
    """The ID token's claims."""
    sign: Callable[[Json], str] = signed
    keys: Callable[[Json], Any] = same
    tokens: Callable[[Json], Any] = same
    """The token endpoint's answer: JSON, or a whole delivery, as with the others."""
    user_info: Callable[[Json], Any] = same
    codes: dict[str, Json] = field(default_factory=dict)
    """The codes that it issued and that were not used yet, each with what it was asked with."""
    asked: list[str] = field(default_factory=list)
    """The paths of all requests."""
    issued: list[str] = field(default_factory=list)
    """Every code and token."""

    def be_honest(self) -> None:
        """Lie no more."""
        vars(self).update(vars(Provider(self.url)), codes=self.codes, asked=self.asked, issued=self.issued)

    def answer(self, method: str, path: str, given: Json, headers: Any) -> Delivery:
        self.asked.append(f"{method} {path}")
        answers: dict[str, Callable[[], Delivery]] = {
            "/.well-known/openid-configuration": lambda: as_json(self.publish(self._configuration())),
            "/authorize": lambda: self._authorize(given),
            "/token": lambda: self._token(given, headers),
            "/keys": lambda: as_json(self.keys({"keys": [jwk(rsa_key())]})),
            "/userinfo": lambda: self._user_info(headers.get("authorization")),
        }
        return answers.get(path, lambda: as_json({}, 404))()

    def _configuration(self) -> Json:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "authorization_response_iss_parameter_supported": True,
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def _authorize(self, asked: Json) -> Delivery:
        assert (CLIENT, "code", "S256") == tuple(
            asked[name] for name in ("client_id", "response_type", "code_challenge_method")
        )
        code = secrets.token_urlsafe(24)
        self.codes[code] = asked
        self.issued.append(code)
        answer = self.come_back({"code": code, "state": asked["state"], "iss": self.url})
        return 302, {"location": f"{asked['redirect_uri']}?{urlencode(answer)}"}, b""

    def _token(self, form: Json, headers: Any) -> Delivery:
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        if _client(form, headers) != (CLIENT, SECRET):
            return as_json({"error": "invalid_client"}, 401)
        if not asked or asked["redirect_uri"] != form["redirect_uri"] or asked["code_challenge"] != challenge.decode():
            return as_json({"error": "invalid_grant"}, 400)
        now = int(time.time())
        honest = self._person() | {
            "nonce": asked["nonce"],
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
        }
        claims = self.claim(honest)
        access_token, id_token = secrets.token_urlsafe(24), self.sign(claims)
        self.issued += [access_token, id_token]
        return as_json(self.tokens({"access_token": access_token, "token_type": "Bearer", "id_token": id_token}))

    def _user_info(self, authorization: str | None) -> Delivery:
        if authorization not in {f"Bearer {each}" for each in self.issued}:
            return as_json({"error": "invalid_token"}, 401)
        return as_json(self.user_info(self._person()))

    def _person(self) -> Json:
        return {**self.person, "email_verified": True, "groups": list(self.groups)}


def _client(form: Json, headers: Any) -> tuple[str, str]:
    """The client's id and secret, from the header or the form."""
    kind, _, pair = headers.get("authorization", "").partition(" ")
    if kind != "Basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    client, _, secret = base64.b64decode(pair).decode().partition(":")
    return unquote_plus(client), unquote_plus(secret)


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Serve a provider until the block ends."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(dict(parse_qsl(urlsplit(self.path).query)))

        def do_POST(self) -> None:
            self._answer(dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode())))

        def _answer(self, given: Json) -> None:
            status, headers, body = provider.answer(self.command, urlsplit(self.path).path, given, self.headers)
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()


def use(monkeypatch: pytest.MonkeyPatch, folder: Path, provider: Provider, **more: str | None) -> None:
    """Set the settings for this provider, with ``more`` of the table (None: left out), before Keyturn is made."""
    file = folder / "client-secret"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    values = {"issuer": provider.url, "client_id": CLIENT, "client_secret_file": str(file), **GROUPS, **more}
    for name, value in values.items():
        if value is not None:
            monkeypatch.setenv(f"KEYTURN_OPENID__{name.upper()}", value)


def begin(person: RunningConsole) -> str:
    """Press the button; return the address that the browser is sent to, and keep the cookie that it is given."""
    answer = person.get("/sign-in/openid", Sec_Fetch_Site="same-origin")
    assert 303 == answer.status_code, answer.text
    person.http.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
    return answer.headers["location"]


def at_provider(address: str) -> str:
    """Sign in at the provider; return the path and query that it sends the browser back to."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(address, allow_redirects=False, timeout=60)
    parts = urlsplit(answer.headers["location"])
    return f"{parts.path}?{parts.query}"


def come_back(person: RunningConsole, path: str) -> requests.Response:
    """Bring the provider's answer, as a browser that the provider has redirected."""
    return person.get(path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")


def sign_in(person: RunningConsole) -> requests.Response:
    """The whole way; return the last answer, and keep the session's cookie where there is one."""
    answer = come_back(person, at_provider(begin(person)))
    if answer.status_code == 303:
        person.http.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
    return answer


def sessions(app: Keyturn) -> int:
    """How many sessions are stored."""
    with app.store._database.reading() as tx:
        return int(tx.exec_driver_sql("SELECT count(*) FROM openidsessions").scalar() or 0)
