"""An ID token is accepted where a key of the provider signed it and each claim is exactly as it must be."""

from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support.openid import KID, Json, ec_key, jwk, rsa_key, signed

from orchestrator.adapters.openid_token import Expected, judge
from states.errors import OpenIdRefused

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
EXPECTED = Expected(issuer="https://id.example.com", client_id="keyturn", nonce="nonce-of-this-sign-in", now=NOW)
HONEST: Json = {
    "iss": EXPECTED.issuer,
    "sub": "248289761001",
    "aud": "keyturn",
    "exp": SECONDS + 300,
    "iat": SECONDS,
    "nonce": EXPECTED.nonce,
}
KEYS = [jwk(rsa_key())]


def with_changes(**changed: Any) -> Json:
    """Honest claims with some changed; one that is None is left out."""
    return {name: value for name, value in (HONEST | changed).items() if value is not None}


def refusal(token: str, keys: list[Any] | None = None) -> str:
    with pytest.raises(OpenIdRefused) as caught:
        judge(token, KEYS if keys is None else keys, EXPECTED)
    return caught.value.message.removeprefix("The ID token was refused: ")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"aud": ["keyturn"]},
        {"aud": ["another", "keyturn"], "azp": "keyturn"},
        {"azp": "keyturn"},
        {"exp": SECONDS - 59},
        {"exp": SECONDS + 0.5},
        {"iat": SECONDS + 60},
        {"nbf": SECONDS + 60},
        {"sub": "x" * 255},
    ],
)
def test_what_is_accepted(changed: Json) -> None:
    """Honest claims are returned as they are; moments may be a minute off."""
    claims = with_changes(**changed)
    assert claims == judge(signed(claims), KEYS, EXPECTED)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"iss": "https://id.example.com/"}, "it is of another issuer."),
        ({"sub": ""}, "it does not say who signed in (sub)."),
        ({"sub": "x" * 256}, "it does not say who signed in (sub)."),
        ({"sub": 7}, "it does not say who signed in (sub)."),
        ({"aud": None}, "it is for another client (aud)."),
        ({"aud": []}, "it is for another client (aud)."),
        ({"aud": "keyturn2"}, "it is for another client (aud)."),
        ({"aud": {"keyturn": 1}}, "it is for another client (aud)."),
        ({"aud": ["keyturn", "another"]}, "it is for several clients, and does not say which asked."),
        ({"aud": ["keyturn", "another"], "azp": "another"}, "another client asked for it (azp)."),
        ({"azp": ""}, "another client asked for it (azp)."),
        ({"exp": SECONDS - 60}, "it is over, or does not say when (exp)."),
        ({"exp": True}, "it is over, or does not say when (exp)."),
        ({"exp": float("nan")}, "it is over, or does not say when (exp)."),
        ({"iat": SECONDS + 61}, "it was issued in the future, or does not say when (iat)."),
        ({"iat": None}, "it was issued in the future, or does not say when (iat)."),
        ({"nbf": SECONDS + 61}, "it is not valid yet (nbf)."),
        ({"nbf": "soon"}, "it is not valid yet (nbf)."),
        ({"nonce": None}, "it belongs to another sign-in (nonce)."),
        ({"nonce": "nonce-of-another"}, "it belongs to another sign-in (nonce)."),
        ({"nonce": "\ud800"}, "it belongs to another sign-in (nonce)."),
    ],
)
def test_claims_that_are_refused(changed: Json, sentence: str) -> None:
    """Each claim that is not exactly as it must be is refused with its sentence."""
    assert sentence == refusal(signed(with_changes(**changed)))


@pytest.mark.parametrize(
    "entry",
    [
        jwk(rsa_key()),
        jwk(rsa_key(), alg="RS256"),
        {name: value for name, value in jwk(rsa_key()).items() if name != "use"},
    ],
)
def test_keys_that_are_used(entry: Json) -> None:
    """A key that is published for signatures, or for no purpose, is used."""
    assert HONEST == judge(signed(HONEST), ["key", entry], EXPECTED)


@pytest.mark.parametrize(
    "entry",
    [
        jwk(rsa_key(), alg="PS256"),
        jwk(rsa_key(), use="enc"),
        jwk(rsa_key(), kid="key-2"),
        jwk(ec_key()),
        jwk(rsa_key(2, 1024)),
        {**jwk(rsa_key()), "n": "!"},
        {**jwk(rsa_key()), "n": 7},
        {"kty": "oct", "k": "AAAA", "kid": KID},
        "key",
    ],
)
def test_keys_that_are_not_used(entry: Any) -> None:
    """A key of another purpose, algorithm, name or kind is not used, nor one that is too short or cannot be read."""
    assert "the provider's key set has no key for it." == refusal(signed(HONEST), [entry])


def test_curves() -> None:
    """ES256 means the curve P-256."""
    token = signed(HONEST, ec_key(), "ES256")
    assert HONEST == judge(token, [jwk(rsa_key()), jwk(ec_key())], EXPECTED)
    assert "the provider's key set has no key for it." == refusal(token, [jwk(ec_key(ec.SECP384R1))])


def test_tokens_without_the_name_of_a_key() -> None:
    """Each key that fits is tried, but not any number of them."""
    token = signed(HONEST, kid=None)
    others = [jwk(rsa_key(3), kid=f"key-{number}") for number in range(20)]
    assert HONEST == judge(token, [*others[1:], *KEYS], EXPECTED)
    assert "its signature is not by a key of the provider." == refusal(token, [*others, *KEYS])


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("", "it cannot be read."),
        ("a.b.c", "it cannot be read."),
        (signed(HONEST) + "x", "it cannot be read."),
        (jwt.api_jws.PyJWS().encode(b"[1]", rsa_key(), "RS256", headers={"kid": KID}), "it cannot be read."),
        (signed(HONEST, rsa_key(2)), "its signature is not by a key of the provider."),
        (signed(HONEST, "", "none"), "its algorithm is none of RS256, PS256, ES256."),
        (signed(HONEST, "k" * 32, "HS256"), "its algorithm is none of RS256, PS256, ES256."),
    ],
)
def test_tokens_that_are_refused(token: str, sentence: str) -> None:
    """A token that cannot be read, has another algorithm or another key's signature is refused."""
    assert sentence == refusal(token)
