"""Judges an ID token: whose key signed it, and whether each claim is what this sign-in expects.

PyJWT verifies the signature. The claims are judged here, by a clock that is passed in, and with a sentence for each.
https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
"""

import hmac
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from states.errors import OpenIdRefused

ALGORITHMS: Final = ("RS256", "PS256", "ES256")
"""Those that are accepted. A token that chose could name none, or one that takes a public key for a secret."""
LEEWAY: Final = timedelta(seconds=60)
"""How far the provider's clock may be from this one."""
SHORTEST_RSA: Final = 2048
_MOST_KEYS: Final = 20
"""How many keys are tried for one token."""
_LONGEST_SUBJECT: Final = 255
"""OpenID Connect Core 1.0, section 2."""

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an ID token must say to belong to a sign-in."""

    issuer: str
    client_id: str
    nonce: str = field(repr=False)
    now: datetime
    """UTC."""


def judge(token: str, keys: Sequence[object], expected: Expected) -> Claims:
    """Return the claims of an ID token that one of the provider's ``keys`` signed for this sign-in.

    ``keys`` are those of the provider's key set (RFC 7517), as JSON. Raises OpenIdRefused.
    """
    claims = _signed(token, keys)
    for is_wrong, sentence in _LIES:
        if is_wrong(claims, expected):
            raise OpenIdRefused(f"The ID token was refused: {sentence}.")
    return claims


def _signed(token: str, keys: Sequence[object]) -> Claims:
    """Return the claims of a token with a valid signature."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise OpenIdRefused("The ID token was refused: it cannot be read.") from error
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise OpenIdRefused(f"The ID token was refused: its algorithm is none of {', '.join(ALGORITHMS)}.")
    fitting = [key for each in keys if (key := _key(each, algorithm, header.get("kid")))]
    if not fitting:
        raise OpenIdRefused("The ID token was refused: the provider's key set has no key for it.")
    for key in fitting[:_MOST_KEYS]:
        try:
            return jwt.decode(token, key, algorithms=[algorithm], options=_SIGNATURE_ONLY)
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as error:
            raise OpenIdRefused("The ID token was refused: it cannot be read.") from error
    raise OpenIdRefused("The ID token was refused: its signature is not by a key of the provider.")


_SIGNATURE_ONLY: Final[Any] = {
    "verify_signature": True,
    **{f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")},
}
"""PyJWT reads the wall clock itself, and its sentences quote the token."""


def _key(entry: object, algorithm: str, kid: object) -> RSAPublicKey | EllipticCurvePublicKey | None:
    """The public key of an entry of the key set; None where it is for another purpose, algorithm or token, or weak."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        return None
    if kid is not None and entry.get("kid") != kid:
        return None
    try:
        key = jwt.PyJWK(entry, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if algorithm == "ES256":
        return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= SHORTEST_RSA else None


def _audiences(claims: Claims) -> list[Any]:
    given = claims.get("aud")
    return given if isinstance(given, list) else [given]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _moment(claims: Claims, name: str) -> float | None:
    """A moment in seconds since 1970; None where there is none."""
    value = claims.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def _is_over(claims: Claims, expected: Expected) -> bool:
    moment = _moment(claims, "exp")
    return moment is None or moment <= (expected.now - LEEWAY).timestamp()


def _is_early(claims: Claims, expected: Expected, name: str) -> bool:
    moment = _moment(claims, name)
    return moment is None or moment > (expected.now + LEEWAY).timestamp()


def _is_nonce(given: object, nonce: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), nonce.encode())


_LIES: Final[tuple[tuple[Callable[[Claims, Expected], bool], str], ...]] = (
    (lambda it, expected: it.get("iss") != expected.issuer, "it is of another issuer"),
    (
        lambda it, _: not _is_text(it.get("sub")) or len(it["sub"]) > _LONGEST_SUBJECT,
        "it does not say who signed in (sub)",
    ),
    (lambda it, expected: expected.client_id not in _audiences(it), "it is for another client (aud)"),
    (
        lambda it, _: len(_audiences(it)) > 1 and "azp" not in it,
        "it is for several clients, and does not say which asked",
    ),
    (lambda it, expected: it.get("azp", expected.client_id) != expected.client_id, "another client asked for it (azp)"),
    (_is_over, "it is over, or does not say when (exp)"),
    (lambda it, expected: _is_early(it, expected, "iat"), "it was issued in the future, or does not say when (iat)"),
    (lambda it, expected: "nbf" in it and _is_early(it, expected, "nbf"), "it is not valid yet (nbf)"),
    (lambda it, expected: not _is_nonce(it.get("nonce"), expected.nonce), "it belongs to another sign-in (nonce)"),
)
"""What is wrong with the claims of a token, in the order in which it is looked for."""
