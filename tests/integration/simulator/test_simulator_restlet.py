"""The deployed RESTlet itself runs against the simulated record."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from simulator import Simulator
from simulator.certificates import KeyPair, new_ec_key, verifies

PREFIX = b"keyturn-challenge-v1:"


def signed_by(pair: KeyPair, reply: dict[str, Any], request: dict[str, Any]) -> bool:
    """Return whether the key of `pair` signed the request's challenge in the reply."""
    return verifies(pair.certificate, base64.b64decode(reply["signature"]), PREFIX + request["challenge"].encode())


def test_report_shows_the_placeholder(client: Any) -> None:
    """A new account holds the bundle's placeholder, which expired in 2016."""
    reply = client.ask({"action": "report"})
    assert ("openair-certificate.pem", "2016-01-01T00:00:00.000Z") == (
        reply["record"]["fileName"],
        reply["record"]["validTo"],
    )
    assert {"369630": "4.02", "369637": "5.02"} == {
        bundle["id"]: bundle["version"] for bundle in reply["environment"]["bundles"]
    }


def test_report_shows_a_missing_record(sim: Simulator, client: Any) -> None:
    """A deleted record is reported as null."""
    sim.netsuite.record.reset("missing")
    assert client.ask({"action": "report"})["record"] is None


def test_server_time_is_netsuites_clock(sim: Simulator, client: Any) -> None:
    """The script reports the time of NetSuite's clock, which may differ from ours."""
    sim.clock.offset = timedelta(minutes=30)
    server_time = client.ask({"action": "report"})["environment"]["serverTime"]
    assert sim.clock.now().isoformat()[:16] == server_time[:16]


def test_install_replaces_the_key_and_proves_it(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any
) -> None:
    """The reply to install has a signature by the new key, and the record holds the new certificate."""
    request = make_installation(candidate)
    reply = client.ask(request)
    assert (True, False, candidate.fingerprint) == (
        signed_by(candidate, reply, request),
        reply["created"],
        sim.netsuite.record.fingerprint,
    )


def test_sign_uses_the_key_in_the_record(
    client: Any, rsa_candidate: KeyPair, make_installation: Any, make_challenge: Any
) -> None:
    """A challenge is signed with the record's key, which may be RSA."""
    client.ask(make_installation(rsa_candidate))
    request = {"action": "sign", "challenge": make_challenge()}
    assert signed_by(rsa_candidate, client.ask(request), request)


def test_install_leaves_no_private_key_behind(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any
) -> None:
    """After an install neither the File Cabinet nor the script's log holds the private key."""
    client.ask(make_installation(candidate))
    key_lines = candidate.pem().splitlines()
    logged = "\n".join(f"{line.title} {line.details}" for line in sim.netsuite.script_log)
    assert [] == sim.netsuite.record.file_cabinet.paths_with_private_key()
    assert "Keyturn installed a certificate" in logged
    assert [] == [line for line in key_lines if line in logged]


def test_a_missing_record_is_refused_or_created(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any
) -> None:
    """A missing record is refused in the vendor's words, or created if the request allows it."""
    sim.netsuite.record.reset("missing")
    refused = client.ask(make_installation(candidate))
    created = client.ask(make_installation(candidate, create=True))
    assert {
        "code": "CERTIFICATE_NOT_FOUND",
        "message": 'Certificate "custcertificate_oa_realtime" not found',
        "saved": False,
    } == refused["error"]
    assert (True, "OpenAir real-time") == (created["created"], created["record"]["name"])


def test_an_install_for_another_account_changes_nothing(
    client: Any, sim: Simulator, candidate: KeyPair, make_installation: Any
) -> None:
    """The RESTlet of one account does not take the certificate of another."""
    before = sim.netsuite.record.fingerprint
    reply = client.ask({**make_installation(candidate), "account": "TSTDRV2"})
    assert ("WRONG_ACCOUNT", before) == (reply["error"]["code"], sim.netsuite.record.fingerprint)


def test_a_late_install_is_refused(sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any) -> None:
    """After its deadline, by NetSuite's clock, an install changes nothing."""
    before = sim.netsuite.record.fingerprint
    reply = client.ask(make_installation(candidate, seconds=-1))
    assert ("DEADLINE_PASSED", before) == (reply["error"]["code"], sim.netsuite.record.fingerprint)


def test_a_key_that_does_not_match_is_refused(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any
) -> None:
    """NetSuite refuses a certificate with another key, and the record stays unchanged."""
    before = sim.netsuite.record.fingerprint
    reply = client.ask(make_installation(KeyPair(candidate.certificate, new_ec_key())))
    assert ("INVALID_CERTIFICATE", before) == (reply["error"]["code"], sim.netsuite.record.fingerprint)


@pytest.mark.parametrize("request_body", [{"action": "destroy"}, {}, [], "text", {"action": "sign"}])
def test_an_unknown_request_is_refused(client: Any, request_body: Any) -> None:
    """The script refuses a request that does not match the schema."""
    answer = client.call(request_body)
    assert (200, "INVALID_REQUEST") == (answer.status_code, answer.json()["error"]["code"])


def test_a_role_without_the_permission_is_refused(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any
) -> None:
    """A role without Certificate Access is refused every request."""
    sim.netsuite.record.permissions.clear()
    codes = {client.ask(request)["error"]["code"] for request in ({"action": "report"}, make_installation(candidate))}
    assert {"NOT_PERMITTED"} == codes


def test_a_record_without_a_key_cannot_sign(sim: Simulator, client: Any, make_challenge: Any) -> None:
    """If the record holds no usable key, signing fails with SIGNING_FAILED."""
    sim.netsuite.record.reset("keyless")
    assert "SIGNING_FAILED" == client.ask({"action": "sign", "challenge": make_challenge()})["error"]["code"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("script=customscript_other&deploy=customdeploy_keyturn_restlet", "SSS_INVALID_SCRIPTLET_ID"),
        ("script=customscript_keyturn_restlet", "SSS_INVALID_SCRIPTLET_ID"),
    ],
)
def test_an_unknown_script_is_the_platforms_error(client: Any, query: str, code: str) -> None:
    """A script that is not deployed is HTTP 400 with an error of NetSuite's platform."""
    url = client.restlet_url.partition("?")[0] + "?" + query
    answer = client.session.post(url, json={"action": "report"}, timeout=10)
    assert (400, code) == (answer.status_code, answer.json()["error"]["code"])


def test_script_and_deployment_may_be_named_by_number(client: Any) -> None:
    """Script and deployment can be named by internal id instead of script id."""
    url = client.restlet_url.partition("?")[0] + "?script=1&deploy=1"
    assert 200 == client.session.post(url, json={"action": "report"}, timeout=10).status_code


def test_only_json_by_post_is_taken(client: Any) -> None:
    """Another method is answered with 405, another content type with 415, malformed JSON with 400."""
    answers = [
        client.session.get(client.restlet_url, timeout=10),
        client.session.post(client.restlet_url, data="{}", headers={"Content-Type": "text/plain"}, timeout=10),
        client.session.post(client.restlet_url, data="{", headers={"Content-Type": "application/json"}, timeout=10),
    ]
    assert [405, 415, 400] == [answer.status_code for answer in answers]


def test_the_record_takes_an_encrypted_key_but_not_in_ctr_mode(candidate: KeyPair) -> None:
    """The record itself applies NetSuite's rules for the file, without relying on the script."""
    with Simulator() as sim:
        call = sim.history.begin("netsuite", "TSTDRV1", "outside")
        encrypted = candidate.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        ).decode()
        sim.netsuite.record.save(call, "x", "x.pem", candidate.certificate_pem() + encrypted, "secret")
        assert candidate.fingerprint == sim.netsuite.record.fingerprint
        in_ctr = candidate.pem().replace("PRIVATE KEY-----\n", "PRIVATE KEY-----\nDEK-Info: AES-256-CTR,00\n", 1)
        for bad in (in_ctr, candidate.certificate_pem(), encrypted + candidate.certificate_pem(), "x" * 10_485_761):
            with pytest.raises(Exception, match=r"CTR|certificate|10 MB"):
                sim.netsuite.record.save(call, "x", "x.pem", bad, None)
