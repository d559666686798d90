"""NetSuite's token endpoint accepts the assertions that Oracle documents, and no others."""

import re
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator import Simulator
from simulator.certificates import new_ec_key, private_key_pem


def test_a_good_assertion_gets_a_token_for_sixty_minutes(sim: Simulator, make_client: Any) -> None:
    """An ES256 assertion is accepted, and `expires_in` is the number 3600."""
    answer = make_client(sim.credentials).sign_in()
    assert (200, 3600, "bearer") == (
        answer.status_code,
        answer.json()["expires_in"],
        answer.json()["token_type"].lower(),
    )


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512"])
def test_an_rsa_key_signs_in_by_pss(rsa_key: rsa.RSAPrivateKey, make_client: Any, algorithm: str) -> None:
    """With an RSA certificate, each PSS algorithm is accepted."""
    with Simulator(sign_in_key=rsa_key) as sim:
        client = make_client(sim.credentials)
        assert 200 == client.sign_in(client.assertion(algorithm=algorithm)).status_code


def test_an_rsa_key_is_refused_by_pkcs1(rsa_key: rsa.RSAPrivateKey, make_client: Any) -> None:
    """An RS256 assertion is refused although its key is right."""
    with Simulator(sign_in_key=rsa_key) as sim:
        client = make_client(sim.credentials)
        assert 401 == client.sign_in(client.assertion(algorithm="RS256")).status_code


@dataclass(frozen=True)
class FromNow:
    """So many seconds from the moment at which the test runs: that may be long after it was collected."""

    seconds: int


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"iss": "another-client"}, "invalid_client"),
        ({"iss": None}, "invalid_client"),
        ({"aud": "https://elsewhere.invalid/token"}, "invalid_client"),
        ({"aud": None}, "invalid_client"),
        ({"scope": ["rest_webservices"]}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"iat": None}, "invalid_client"),
        ({"exp": None}, "invalid_client"),
        ({"iat": FromNow(-600), "exp": FromNow(-1)}, "invalid_client"),
        ({"iat": FromNow(-10), "exp": FromNow(3600)}, "invalid_client"),
        ({"iat": FromNow(600), "exp": FromNow(900)}, "invalid_client"),
        ({"exp": "soon"}, "invalid_client"),
        ({"headers": {"kid": "unknown"}}, "invalid_client"),
        ({"headers": {"typ": "JWT"}}, "invalid_client"),
    ],
)
def test_a_wrong_claim_is_refused(sim: Simulator, make_client: Any, changes: dict[str, Any], error: str) -> None:
    """An assertion with one wrong or missing claim or header is refused with an error of RFC 6749."""
    client, now = make_client(sim.credentials), int(time.time())
    given = {name: now + each.seconds if isinstance(each, FromNow) else each for name, each in changes.items()}
    answer = client.sign_in(client.assertion(**given))
    expected = 400 if error == "invalid_scope" else 401
    assert (expected, error) == (answer.status_code, answer.json()["error"])


def test_another_key_is_refused(sim: Simulator, make_client: Any) -> None:
    """An assertion signed with an unknown key is refused although its claims are right."""
    client = make_client(sim.credentials)
    claims = jwt.decode(client.assertion(), options={"verify_signature": False})
    forged = jwt.encode(claims, private_key_pem(new_ec_key()), "ES256", headers={"kid": sim.credentials.certificate_id})
    assert 401 == client.sign_in(forged).status_code


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_an_unsigned_or_symmetric_assertion_is_refused(sim: Simulator, make_client: Any, algorithm: str) -> None:
    """An unsigned assertion, and one with a symmetric signature, is refused."""
    client = make_client(sim.credentials)
    claims = jwt.decode(client.assertion(), options={"verify_signature": False})
    key = "" if algorithm == "none" else "k" * 64
    forged = jwt.encode(claims, key, algorithm, headers={"kid": sim.credentials.certificate_id})
    assert 401 == client.sign_in(forged).status_code


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "invalid_request"),
        ({"grant_type": "client_credentials", "client_assertion": "x"}, "invalid_request"),
    ],
)
def test_an_incomplete_form_is_refused(sim: Simulator, make_client: Any, form: dict[str, str], error: str) -> None:
    """A form with missing fields is refused with an error of RFC 6749."""
    answer = requests.post(make_client(sim.credentials).token_url, data=form, timeout=10)
    assert (400, error) == (answer.status_code, answer.json()["error"])


def test_the_restlet_wants_a_bearer_token(client: Any) -> None:
    """Without a token: 400 invalid_request; with an unknown one: 401 invalid_token; both in WWW-Authenticate."""
    answers = []
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer unknown"}):
        answer = requests.post(client.restlet_url, json={"action": "report"}, headers=headers, timeout=10)
        found = re.fullmatch(r'Bearer realm="TSTDRV1", error="(\w+)", .*', answer.headers["WWW-Authenticate"])
        answers.append((answer.status_code, found and found[1]))
    assert [(400, "invalid_request"), (400, "invalid_request"), (401, "invalid_token")] == answers


def test_a_token_expires(sim: Simulator, client: Any) -> None:
    """A token works until it expires by NetSuite's clock."""
    before = client.call({"action": "report"}).status_code
    sim.clock.offset = timedelta(hours=1)
    assert (200, 401) == (before, client.call({"action": "report"}).status_code)


def test_tokens_can_be_revoked(sim: Simulator, client: Any) -> None:
    """A revoked token is refused at once."""
    sim.netsuite.revoke_tokens()
    assert 401 == client.call({"action": "report"}).status_code


def test_accounts_are_separate(make_client: Any) -> None:
    """One process serves several accounts, and the credentials of one are refused by another."""
    with Simulator(accounts=2) as sim:
        first, second = (make_client(pair.credentials) for pair in sim.pairs.values())
        assert ["TSTDRV1", "TSTDRV2"] == list(sim.pairs)
        assert 401 == second.sign_in(first.assertion(aud=second.token_url)).status_code
        assert 200 == second.sign_in().status_code
