"""NetSuite's endpoint for sign-in certificates, as the simulator has it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator import Simulator
from simulator.certificates import KeyPair, new_ec_key, new_rsa_key, private_key_pem, self_signed
from simulator.sign_in_certificates import ENTITY, PERMISSION, ROLE

SCOPE = ["rest_webservices"]


def pair(days: int = 730, key: Any = None) -> KeyPair:
    """Return a key with its certificate."""
    return self_signed(key or new_ec_key(), "keyturn", datetime.now(UTC) - timedelta(days=1), timedelta(days=days))


def body(made: KeyPair, role: int = ROLE) -> dict[str, Any]:
    return {"fileContent": made.certificate_pem(), "role": role, "entity": ENTITY}


def sign_in_with(client: Any, made: KeyPair, certificate_id: str) -> int:
    """Sign in with another certificate; return the status."""
    claims = jwt.decode(client.assertion(), options={"verify_signature": False})
    assertion = jwt.encode(claims, private_key_pem(made.key), "ES256", headers={"kid": certificate_id})
    status: int = client.sign_in(assertion).status_code
    return status


@pytest.fixture
def permitted(sim: Simulator, client: Any) -> Any:
    """A client that may manage certificates, with a token for it."""
    sim.netsuite.record.permissions.add(PERMISSION)
    assert 200 == client.sign_in(client.assertion(scope=SCOPE)).status_code
    return client


def test_two_are_valid_until_one_is_revoked(sim: Simulator, permitted: Any) -> None:
    """A certificate that was mapped signs in next to the first one; once revoked it does not, and is still listed."""
    made = pair()
    mapped = permitted.certificates(body=body(made)).json()["certificateId"]
    both = sign_in_with(permitted, made, mapped), permitted.sign_in(permitted.assertion(scope=SCOPE)).status_code
    revoked = permitted.certificates(f"/{mapped}/revoke", {}).status_code
    listed = {each["certificateId"]: each["revoked"] for each in permitted.certificates().json()}
    assert ((200, 200), 204) == (both, revoked)
    assert {sim.credentials.certificate_id: False, mapped: True} == listed
    assert 401 == sign_in_with(permitted, made, mapped)
    assert [made.fingerprint] == [each.effect["mapped"] for each in sim.history.effects("mapped")]


def test_an_expired_one_is_refused(sim: Simulator, client: Any) -> None:
    """A certificate does not sign in after its last day."""
    made = pair(days=2)
    mapped = sim.netsuite.map_sign_in(made.certificate_pem())
    before = sign_in_with(client, made, mapped)
    sim.clock.offset = timedelta(days=2)
    claims = jwt.decode(client.assertion(), options={"verify_signature": False})
    later = {**claims, **{name: claims[name] + 2 * 86400 for name in ("iat", "exp")}}
    assertion = jwt.encode(later, private_key_pem(made.key), "ES256", headers={"kid": mapped})
    assert (200, 401) == (before, client.sign_in(assertion).status_code)


def test_refusals(permitted: Any) -> None:
    """A short key, a life of more than two years, another role, a repetition and an unknown integration."""
    made, short = pair(), pair(key=rsa.generate_private_key(65537, 2048))
    permitted.certificates(body=body(made))
    bodies = [body(short), body(pair(days=740)), body(pair(), role=3), body(made), {"fileContent": "x"}]
    statuses = [permitted.certificates(body=each).status_code for each in bodies]
    assert [400, 400, 403, 400, 400] == statuses
    assert 404 == permitted.certificates(client="unknown").status_code
    assert 404 == permitted.certificates("/unknown/revoke", {}).status_code
    assert 200 == permitted.certificates(body=body(pair(key=new_rsa_key_3072()))).status_code


def new_rsa_key_3072() -> rsa.RSAPrivateKey:
    assert new_rsa_key().key_size < 3072
    return rsa.generate_private_key(65537, 3072)


def test_without_the_permission(client: Any) -> None:
    """The integration has no scope for it then, and a RESTlet's token opens nothing."""
    refused = client.sign_in(client.assertion(scope=SCOPE))
    assert (400, "invalid_scope") == (refused.status_code, refused.json()["error"])
    assert 401 == client.certificates().status_code
