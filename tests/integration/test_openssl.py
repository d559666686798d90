"""OpenSSL's command line verifies the signatures of a whole rotation, independently of Keyturn's libraries."""

import base64
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from integration.fixture_types import Rotate
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from states.connection import Algorithm
from states.state import State


@pytest.fixture(params=[Algorithm.RSA_3072, Algorithm.EC_P256], autouse=True)
def _algorithm(app: Keyturn, request: pytest.FixtureRequest) -> None:
    connection = app.connections.show(NAME)
    app.connections.edit(
        replace(connection, policy=replace(connection.policy, algorithm=request.param)), {}, actor="tester"
    )


def verifies(folder: Path, certificate: str, message: bytes, signature: str) -> bool:
    """Return whether OpenSSL verifies ``signature`` (Base64) over ``message`` with the certificate."""
    (folder / "certificate.pem").write_text(certificate)
    (folder / "message").write_bytes(message)
    (folder / "signature").write_bytes(base64.b64decode(signature))
    run = ["openssl", "x509", "-in", "certificate.pem", "-noout", "-pubkey", "-out", "public.pem"]
    subprocess.run(run, cwd=folder, check=True)
    run = ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "message"]
    return subprocess.run(run, cwd=folder, check=False, capture_output=True).returncode == 0


def test_confirmation(app: Keyturn, rotate: Rotate, tmp_path: Path) -> None:
    """The signature in the journal's entry of the upload verifies over its challenge, and over no other text."""
    done = rotate()
    assert done.proofs.candidate
    (entry,) = (each for each in app.rotations.journal(done.id) if each.target is State.UPLOADED_TO_NETSUITE)
    challenge, signature = str(entry.detail["challenge"]), str(entry.detail["signature"])
    pem = done.proofs.candidate.certificate.pem
    signed = f"keyturn-challenge-v1:{challenge}".encode()
    assert (True, False) == (
        verifies(tmp_path, pem, signed, signature),
        verifies(tmp_path, pem, challenge.encode(), signature),
    )


def test_trigger(simulator: Simulator, rotate: Rotate, tmp_path: Path) -> None:
    """The signature of a real-time import verifies with the certificate in OpenAir."""
    done = rotate()
    assert done.proofs.candidate
    assert simulator.import_requests.send() == "project=T"
    url = simulator.import_requests.counts().last_url
    assert url
    fields = {name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}
    signature = fields.pop("signature")
    order = ("action", "db_id", "record_type", "ns_id", "netsuite_user_id", "other_types")
    signed = "&".join(f"{name}={fields[name]}" for name in order)
    assert verifies(tmp_path, done.proofs.candidate.certificate.pem, signed.encode(), signature)
