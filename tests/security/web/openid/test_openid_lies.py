"""A lying OpenID provider begins nothing."""

import logging
from html import unescape
from http import HTTPStatus

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from support.console import RunningConsole
from support.openid import (
    CLIENT,
    KID,
    SECRET,
    Json,
    Provider,
    ec_key,
    jwk,
    rsa_key,
    sessions,
    sign_in,
    signed,
)
from support.openid_lies import claims, moments, part, published, repeating, without

from orchestrator.adapters.http import MAX_ANSWER_BYTES
from orchestrator.bootstrap import Keyturn
from orchestrator.log import is_allowed


def by_public_key(honest: Json) -> str:
    """Signed with HS256, with the public key as the secret: what an implementation takes that lets the token choose."""
    pem = (
        rsa_key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    content = signed(honest, "x" * 32, "HS256").rpartition(".")[0]
    made = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(content.encode(), pem)
    return f"{content}.{jwt.utils.base64url_encode(made).decode()}"


def by_short_key(honest: Json) -> str:
    """Truly signed with a key that is too short. PyJWT refuses to."""
    content = signed(honest).rpartition(".")[0]
    made = SMALL.sign(content.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{content}.{jwt.utils.base64url_encode(made).decode()}"


REDIRECT = (302, {"location": "http://127.0.0.1:9/token"}, b"")
HUGE = (200, {"content-type": "application/json"}, b" " * (MAX_ANSWER_BYTES + 1))
HTML = (200, {"content-type": "text/html"}, b"<h1>Welcome</h1>")
NESTED = (200, {"content-type": "application/json"}, b"[" * 100_000)
SMALL = rsa_key(2, 1024)
P384 = ec_key(ec.SECP384R1)

LIES = {
    "another issuer in the configuration": (published(issuer="https://evil.example"), "another issuer than"),
    "no configuration": (part("publish", lambda _: HTML), "cannot be read"),
    "a configuration that is nested": (part("publish", lambda _: NESTED), "cannot be read"),
    "a configuration that is a list": (part("publish", lambda _: []), "cannot be read"),
    "a configuration that is huge": (part("publish", lambda _: HUGE), "more than 1048576 bytes"),
    "a configuration that redirects": (part("publish", lambda _: REDIRECT), "HTTP 302"),
    "no token endpoint": (without("publish", "token_endpoint"), "no usable token_endpoint"),
    "an endpoint off loopback": (published(authorization_endpoint="http://evil.example/"), "authorization_endpoint"),
    "an endpoint with a user": (published(token_endpoint="https://a@evil.example/"), "no usable token_endpoint"),
    "keys that are no address": (published(jwks_uri=["x"]), "no usable jwks_uri"),
    "no client secret": (published(token_endpoint_auth_methods_supported=["none"]), "takes no client secret"),
    "another issuer in the answer": (part("come_back", lambda it: it | {"iss": "https://evil.example"}), "RFC 9207"),
    "no issuer in the answer": (without("come_back", "iss"), "RFC 9207"),
    "no code": (without("come_back", "code"), "has no code"),
    "another code": (part("come_back", lambda it: it | {"code": "other"}), "did not take the code (HTTP 400"),
    "an error": (part("come_back", lambda it: it | {"error": "access_denied"}), 'did not sign you in: "access_denied"'),
    "no ID token": (without("tokens", "id_token"), "issued no ID token"),
    "an ID token that is none": (part("sign", lambda _: "a.b.c"), "cannot be read"),
    "an ID token that is a list": (part("sign", lambda _: signed_list()), "cannot be read"),
    "tokens that redirect": (part("tokens", lambda _: REDIRECT), "HTTP 302, to http://127.0.0.1:9"),
    "tokens that are huge": (part("tokens", lambda _: HUGE), "more than 1048576 bytes"),
    "tokens that are no JSON": (part("tokens", lambda _: HTML), "cannot be read"),
    "an error that repeats secrets": (repeating, "withheld: it may quote a secret"),
    "another issuer in the token": (claims(iss="https://evil.example"), "another issuer"),
    "no issuer in the token": (claims(iss=None), "another issuer"),
    "no subject": (claims(sub=None), "does not say who"),
    "an empty subject": (claims(sub=""), "does not say who"),
    "a subject that is a number": (claims(sub=7), "does not say who"),
    "another audience": (claims(aud="another"), "another client (aud)"),
    "no audience": (claims(aud=None), "another client (aud)"),
    "part of the audience": (claims(aud=CLIENT[:-1]), "another client (aud)"),
    "several audiences": (claims(aud=[CLIENT, "another"]), "several clients"),
    "another authorized party": (claims(aud=[CLIENT, "another"], azp="another"), "another client asked"),
    "another authorized party alone": (claims(azp="another"), "another client asked"),
    "expired": (moments(exp=-61), "it is over"),
    "no end": (claims(exp=None), "it is over"),
    "an end that is a text": (claims(exp="2999999999"), "it is over"),
    "an end that is infinite": (claims(exp=float("inf")), "it is over"),
    "issued in the future": (moments(iat=120), "issued in the future"),
    "not issued": (claims(iat=None), "issued in the future"),
    "not valid yet": (moments(nbf=120), "not valid yet"),
    "another nonce": (claims(nonce="another"), "another sign-in (nonce)"),
    "no nonce": (claims(nonce=None), "another sign-in (nonce)"),
    "a nonce that is a list": (claims(nonce=["another"]), "another sign-in (nonce)"),
    "another key": (part("sign", lambda it: signed(it, rsa_key(2))), "not by a key of the provider"),
    "an unknown key": (part("sign", lambda it: signed(it, rsa_key(2), kid="key-2")), "no key for it"),
    "no signature": (part("sign", lambda it: signed(it, "", "none")), "algorithm is none of"),
    "signed with the client's secret": (part("sign", lambda it: signed(it, SECRET, "HS256")), "algorithm is none of"),
    "signed with the public key": (part("sign", by_public_key), "algorithm is none of"),
    "another hash": (part("sign", lambda it: signed(it, algorithm="RS512")), "algorithm is none of"),
    "a key for encryption": (part("keys", lambda _: {"keys": [jwk(rsa_key(), use="enc")]}), "no key for it"),
    "a key of another algorithm": (part("keys", lambda _: {"keys": [jwk(rsa_key(), alg="PS256")]}), "no key for it"),
    "a key of another kind": (part("keys", lambda _: {"keys": [jwk(ec_key())]}), "no key for it"),
    "a key that is too short": (
        lambda it: (
            part("sign", by_short_key)(it),
            part("keys", lambda _: {"keys": [jwk(SMALL)]})(it),
        ),
        "no key for it",
    ),
    "a key of another curve": (
        lambda it: (
            part("sign", lambda honest: signed(honest, ec_key(), "ES256"))(it),
            part("keys", lambda _: {"keys": [jwk(P384)]})(it),
        ),
        "no key for it",
    ),
    "no keys": (part("keys", lambda _: {"keys": []}), "no key for it"),
    "keys that are none": (part("keys", lambda _: {"keys": [7, {}, {"kty": "RSA", "kid": KID}]}), "no key for it"),
    "keys that are no list": (part("keys", lambda _: {"keys": "x"}), "cannot be read"),
    "another person at the UserInfo endpoint": (
        lambda it: (claims(groups=None)(it), part("user_info", lambda honest: honest | {"sub": "another"})(it)),
        "two things about who signed in",
    ),
}


def signed_list() -> str:
    """A signed token whose content is no object."""
    return jwt.api_jws.PyJWS().encode(b"[1]", rsa_key(), "RS256", headers={"kid": KID})


@pytest.mark.parametrize("name", LIES)
def test_a_lie_begins_nothing(
    app: Keyturn, console: RunningConsole, provider: Provider, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Each lie is refused with a sentence, begins no session, and leaves no code, no token and no client secret on the
    page or in the log; afterwards the provider is believed again if it is honest.
    """
    caplog.set_level(logging.DEBUG)
    lie, sentence = LIES[name]
    lie(provider)
    answer = console.get("/sign-in/openid", Sec_Fetch_Site="same-origin")
    if answer.status_code == HTTPStatus.SEE_OTHER:
        answer = sign_in(console)
    assert answer.status_code in (HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)
    assert sentence in unescape(answer.text)
    assert "set-cookie" not in answer.headers
    assert (0, HTTPStatus.UNAUTHORIZED) == (sessions(app), console.get("/").status_code)
    said = answer.text + "".join(str(vars(record)) for record in caplog.records if is_allowed(record))
    assert [] == [each for each in (SECRET, *provider.issued) if each in said]
    provider.be_honest()
    app.openid._provider._known = None  # type: ignore[union-attr]
    assert HTTPStatus.SEE_OTHER == sign_in(console).status_code
