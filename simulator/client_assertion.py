"""Checks the client assertion that NetSuite's OAuth 2.0 token endpoint receives.

Source of the rules: Oracle's help, section_162790605110 (OAuth 2.0 client credentials). The simulator verifies with
joserfc. Keyturn signs with another library, so the two cannot share a bug.
"""

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from http import HTTPStatus
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol, RSAKey

from simulator.oauth_errors import OAuthError

ALGORITHMS = ("PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE = 3600
"""Most seconds from `iat` to `exp`."""
CLOCK_TOLERANCE = 60
"""Most seconds that `iat` may be ahead of NetSuite's clock (assumption)."""


def check_assertion(
    form: dict[str, str],
    *,
    token_url: str,
    client_id: str,
    public_keys: Mapping[str, ECKey | RSAKey],
    scopes: Collection[str],
    now: Callable[[], datetime],
) -> AbstractSet[str]:
    """Accept a token request that is signed with one of ``public_keys``, by their certificates' ids.

    Returns those of ``scopes``, which the integration has, that the token gets.

    Raises:
        OAuthError: the request is refused, with the error code of RFC 6749 section 5.2.
    """
    if form.get("grant_type") != "client_credentials":
        raise OAuthError("unsupported_grant_type", "grant_type must be client_credentials")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
        raise OAuthError("invalid_request", "client_assertion and client_assertion_type are required")
    claims = _verified(form["client_assertion"], public_keys)
    if claims.get("iss") != client_id:
        raise _refused("iss is not a known client")
    if claims.get("aud") not in (token_url, [token_url]):
        raise _refused("aud is not this token endpoint")
    _check_times(claims, now().timestamp())
    scope = claims.get("scope", [])
    asked = set(scope if isinstance(scope, list) else str(scope).replace(",", " ").split())
    if not asked or not asked <= set(scopes):
        raise OAuthError("invalid_scope", "scope must contain only scopes of the integration")
    return asked


def _verified(assertion: str, public_keys: Mapping[str, ECKey | RSAKey]) -> dict[str, Any]:
    def key_of(token: GuestProtocol) -> ECKey | RSAKey:
        key = public_keys.get(str(token.headers().get("kid")))
        if key is None:
            raise _refused("kid is not a known certificate")
        return key

    try:
        token = jwt.decode(assertion, key_of, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, TypeError) as error:
        raise _refused("the assertion's algorithm or signature is not acceptable") from error
    if token.header.get("typ", "JWT") != "JWT":
        raise _refused("typ is not JWT")
    return dict(token.claims)


def _check_times(claims: dict[str, Any], now: float) -> None:
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int | float) or not isinstance(expires, int | float):
        raise _refused("iat and exp are required")
    if expires <= now:
        raise _refused("the assertion has expired")
    if expires - issued > LONGEST_LIFE:
        raise _refused("exp is more than 60 minutes after iat")
    if issued > now + CLOCK_TOLERANCE:
        raise _refused("iat lies in the future")


def _refused(description: str) -> OAuthError:
    return OAuthError("invalid_client", description, HTTPStatus.UNAUTHORIZED)
