"""Real-time imports: NetSuite's key signs the requests, OpenAir's certificate verifies them."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator import Fault, Simulator
from simulator.certificates import KeyPair, sign

SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
"""The DigestInfo of SHA-256, RFC 8017 section 9.2."""


@pytest.fixture
def paired(client: Any, rsa_candidate: KeyPair, make_installation: Any) -> KeyPair:
    """Both systems hold the same RSA certificate."""
    client.ask(make_installation(rsa_candidate))
    client.save(rsa_candidate.certificate_pem())
    return rsa_candidate


def verified_by_hand(key: rsa.RSAPublicKey, signature: bytes, text: bytes) -> bool:
    """Verify RSASSA-PKCS1-v1_5 in integers, so that no library verifies its own signature."""
    numbers = key.public_numbers()
    length = key.key_size // 8
    opened = pow(int.from_bytes(signature), numbers.e, numbers.n).to_bytes(length)
    tail = b"\x00" + SHA256_PREFIX + hashlib.sha256(text).digest()
    return opened == b"\x00\x01" + b"\xff" * (length - 2 - len(tail)) + tail


def test_an_import_is_accepted_if_both_systems_agree(sim: Simulator, paired: KeyPair) -> None:
    """If both systems hold the same certificate, an import request imports its record."""
    assert (paired.fingerprint, "project=T") == (sim.openair.settings.fingerprint, sim.import_requests.send())


def test_the_request_is_the_documented_text(sim: Simulator, paired: KeyPair) -> None:
    """The signature is PKCS#1 v1.5 with SHA-256 over the raw query, verified with integer arithmetic."""
    sim.import_requests.send()
    url = sim.import_requests.counts().last_url
    assert url is not None
    text, _, signature = urlsplit(url).query.partition("&signature=")
    public_key = paired.certificate.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    assert ["action", "db_id", "record_type", "ns_id", "netsuite_user_id", "other_types"] == [
        name for name, _ in parse_qsl(text, keep_blank_values=True)
    ]
    assert verified_by_hand(public_key, base64.b64decode(unquote(signature)), unquote(text).encode())


@pytest.mark.usefixtures("paired")
def test_imports_are_refused_while_the_systems_disagree(
    sim: Simulator, client: Any, candidate: KeyPair, make_installation: Any
) -> None:
    """Imports are refused from the new key in NetSuite until the new certificate in OpenAir: the outage."""
    answers = [sim.import_requests.send()]
    client.ask(make_installation(candidate))
    answers.append(sim.import_requests.send())
    client.save(candidate.certificate_pem())
    answers.append(sim.import_requests.send())
    assert ["project=T", "Error: the signature does not match the certificate", "project=T"] == answers
    counts = sim.import_requests.counts()
    assert (3, 2, 1, 0) == (counts.sent, counts.accepted, counts.refused, counts.failed)
    assert counts.first_refusal is not None
    assert counts.first_refusal == counts.last_refusal


def test_the_history_shows_when_imports_failed_and_recovered(
    sim: Simulator, client: Any, paired: KeyPair, candidate: KeyPair, make_installation: Any
) -> None:
    """The history has an entry for imports only when their outcome changes."""
    for _ in range(3):
        sim.import_requests.send()
    client.ask(make_installation(candidate))
    for _ in range(3):
        sim.import_requests.send()
    client.save(candidate.certificate_pem())
    sim.import_requests.send()
    story = [next(iter(entry.effect.items())) for entry in sim.history.entries() if entry.effect]
    assert [
        ("installed", paired.fingerprint),
        ("saved", paired.fingerprint),
        ("imports", "accepted"),
        ("installed", candidate.fingerprint),
        ("imports", "refused"),
        ("saved", candidate.fingerprint),
        ("imports", "accepted"),
    ] == story


def test_without_a_valid_certificate_nothing_is_imported(sim: Simulator) -> None:
    """OpenAir refuses imports without a certificate or with the placeholder; NetSuite cannot sign without a record."""
    answers = [sim.import_requests.send()]
    sim.openair.settings.set_certificate(sim.netsuite.record.load().pair.certificate_pem())
    answers.append(sim.import_requests.send())
    sim.netsuite.record.reset("missing")
    answers.append(sim.import_requests.send())
    assert [
        "Error: No valid certificate available for real-time import",
        "Error: No valid certificate available for real-time import",
        'Error: Certificate "custcertificate_oa_realtime" not found',
    ] == answers
    assert 3 == sim.import_requests.counts().refused


@pytest.mark.parametrize(
    "change",
    [
        lambda query: query.replace("ns_id=", "ns_id=9"),
        lambda query: query.replace("db_id=", "db_id=x"),
        lambda query: query.replace("action=synchronize", "action=delete"),
        lambda query: query.replace("action=synchronize&", ""),
        lambda query: query + "&more=1",
        lambda query: "other_types=&" + query.replace("&other_types=", ""),
        lambda query: query.partition("&signature=")[0] + "&signature=%00",
        lambda query: query.partition("&signature=")[0] + "&signature=" + quote(base64.b64encode(b"x").decode()),
    ],
)
@pytest.mark.usefixtures("paired")
def test_a_changed_request_is_refused(sim: Simulator, change: Callable[[str], str]) -> None:
    """A request with changed parameters, order or signature is refused."""
    sim.import_requests.send()
    url, _, query = str(sim.import_requests.counts().last_url).partition("?")
    answers = [requests.get(f"{url}?{text}", timeout=10).text for text in (query, change(query))]
    assert ("project=T", "Error: ") == (answers[0], answers[1][:7])


def test_an_unknown_record_type_is_not_imported(sim: Simulator, paired: KeyPair) -> None:
    """A signed request for an unknown record type answers `=F`."""
    company = sim.credentials.database_id
    text = f"action=synchronize&db_id={company}&record_type=moon&ns_id=1&netsuite_user_id=2&other_types="
    signature = quote(base64.b64encode(sign(paired.key, text.encode())).decode(), safe="")
    assert "moon=F" == requests.get(f"{sim.openair_url}/netsuite.pl?{text}&signature={signature}", timeout=10).text


@pytest.mark.usefixtures("paired")
def test_imports_run_continuously_until_stopped(sim: Simulator) -> None:
    """After `start` requests are sent at the given rate; after `stop` no more are sent."""
    sim.import_requests.start(200)
    with pytest.raises(ValueError, match="already"):
        sim.import_requests.start(1)
    sim.history.wait_for(lambda entry: entry.effect.get("imports") == "accepted")
    sim.openair.settings.set_certificate(None)
    sim.history.wait_for(lambda entry: entry.effect.get("imports") == "refused")
    sim.import_requests.stop()
    before = sim.import_requests.counts()
    sim.import_requests.stop()
    assert before == sim.import_requests.counts()
    assert (True, before.sent) == (before.accepted >= 1, before.accepted + before.refused)


@pytest.mark.usefixtures("paired")
def test_imports_that_get_no_answer_are_failed_not_refused(sim: Simulator) -> None:
    """A reset and a server error count as failed, an answer `Error: …` as refused."""
    sim.faults.add(
        Fault("openair.import", "reset"), Fault("openair.import", "500"), Fault("openair.import", "throttle")
    )
    answers = [sim.import_requests.send() for _ in range(4)]
    counts = sim.import_requests.counts()
    assert [None, None, "Error: API limit reached", "project=T"] == answers
    assert (2, 1, 1) == (counts.failed, counts.refused, counts.accepted)
