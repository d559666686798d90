"""No secret appears in failures: of a system, a seal, a key, an input, or of Keyturn itself."""

import base64
import json
import os
from collections.abc import Callable
from urllib.parse import quote

import pytest
import requests
from acceptance.installed_keyturn import NAME
from security.known_secrets import SearchedKeyturn

from orchestrator.adapters.keys import VaultKeys
from orchestrator.adapters.netsuite_token import NetSuiteTokens
from persistence.vault import Vault
from simulator import Fault

FAULTS = {
    "netsuite.token": ("throttle", "500", "401", "403", "302", "reset", "html", "truncate"),
    "netsuite.restlet": ("throttle", "error", "503", "401", "403", "302", "reset", "html", "truncate"),
    "openair.token": ("throttle", "500", "401", "302", "html"),
    "openair.api": ("throttle", "error", "503", "401", "403", "302", "reset", "html", "truncate"),
}


@pytest.mark.parametrize(("endpoint", "kinds"), FAULTS.items(), ids=FAULTS)
def test_every_fault(keyturn: SearchedKeyturn, endpoint: str, kinds: tuple[str, ...]) -> None:
    """No secret appears for any kind of fault, before and after the save of a certificate."""
    for kind in kinds:
        keyturn.simulator.openair.revoke_tokens()
        keyturn.simulator.netsuite.revoke_tokens()
        keyturn.simulator.faults.add(Fault(endpoint, kind, times=3))
        keyturn("doctor", NAME, "-o", "json")
        keyturn.simulator.faults.add(Fault(endpoint, kind, skip=1, times=None))
        keyturn.advance()
        keyturn("rotation", "explain", keyturn.rotation()["id"])
        keyturn.simulator.faults.clear()
    keyturn.assert_nothing_leaked()


@pytest.mark.parametrize("how", ["missing", "wrong", "no key", "open to others"])
def test_wrong_key(keyturn: SearchedKeyturn, how: str) -> None:
    """A wrong key-encryption key is not quoted."""
    keyturn("rotate", NAME, "--detach")
    file = keyturn.config / "kek"
    right = file.read_text()
    if how == "open to others":
        file.chmod(0o644)
    else:
        file.unlink()
    if how in ("wrong", "no key"):
        file.touch(mode=0o600)
        file.write_text(wrong := base64.b64encode(os.urandom(32 if how == "wrong" else 40)).decode())
        keyturn.known.add("the wrong key", wrong)
    for words in (
        ("doctor",),
        ("run-due",),
        ("rotation", "explain", keyturn.rotation()["id"]),
        ("vault", "rewrap", file),
    ):
        keyturn(*words, "--yes", "--verbose")
    file.chmod(0o600) if file.exists() else file.touch(mode=0o600)
    file.write_text(right)
    keyturn.assert_nothing_leaked()


@pytest.mark.parametrize("where", ["secrets SET sealed", "certificates SET sealed_key", "datakeys SET wrapped"])
@pytest.mark.parametrize("what", ["zeroblob(99)", "{0} || x'00'", "substr({0}, 1, 20)"])
def test_corrupt_seals(keyturn: SearchedKeyturn, where: str, what: str) -> None:
    """A corrupt sealed value, of any length, reveals nothing of its content."""
    keyturn.simulator.netsuite.record.reset("missing")
    keyturn("rotate", NAME)
    keyturn.learn_sealed_secrets()
    column = where.rsplit(maxsplit=1)[-1]
    keyturn.alter(f"UPDATE {where} = CAST({what.format(column)} AS BLOB) WHERE {column} IS NOT NULL")
    rotation = keyturn.rotation()["id"]
    for words in (("doctor",), ("rotation", "resume", rotation), ("rotation", "abandon", rotation), ("health",)):
        keyturn(*words, "--yes", "--verbose", "-o", "json")
    keyturn.assert_nothing_leaked(sealed=False)


def test_bad_input(keyturn: SearchedKeyturn) -> None:
    """Malformed secrets, and secrets in the wrong place, are not quoted."""
    given = keyturn.folder / "given-TSTDRV1"
    spoilt = given / "spoilt"
    pem = (given / "netsuite-key-file").read_text()
    secret = base64.b85encode(os.urandom(30)).decode()
    keyturn.known.add("the mistyped secret", secret)
    for text in (pem[: len(pem) // 2], pem.replace("BEGIN", "BEGINN"), f"{pem[:60]}{secret}{pem[90:]}", secret):
        spoilt.write_text(text)
        keyturn("connection", "edit", NAME, "--netsuite-key-file", spoilt, "-o", "json")
        keyturn("connection", "edit", NAME, "--netsuite-key-file", "-", given=text)
        keyturn("vault", "rewrap", spoilt, "--yes")
        keyturn("--config", spoilt, "health")
    keyturn("connection", "edit", NAME, "--openair-password-file", "-", "--days", "3", given=secret)
    keyturn("request", "verify", f"https://example.com/netsuite.pl?signature={quote(secret)}", "--connection", NAME)
    for url in (f"https://u:{secret}@example.com", f"https://example.com/?key={secret}"):
        keyturn("connection", "edit", NAME, "--openair-url", url)
    keyturn.assert_nothing_leaked()


@pytest.mark.parametrize(
    "url", ["postgresql://keyturn:{}@127.0.0.1:9/keyturn", "postgresql://u:{}@@h:x/d", "mysql://u:{}@h"]
)
def test_database_password(keyturn: SearchedKeyturn, url: str) -> None:
    """The password in a database's URL is not shown if the database is down or the URL is malformed."""
    secret = os.urandom(12).hex()
    keyturn.known.add("the database's password", secret)
    for text in (secret, f"{secret}@{secret}", f"{secret}/{secret}"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KEYTURN_STORE__URL", url.format(text))
            for words in (("doctor",), ("health",), ("init",), ("worker",)):
                assert 0 != keyturn(*words, "--verbose")[0]
    keyturn.config.joinpath("keyturn.toml").write_text(f'[store]\nurl = "{secret}\n')
    assert 2 == keyturn("health")[0]
    keyturn.assert_nothing_leaked(sealed=False, files=False)


@pytest.mark.parametrize(
    "broken", [requests.Session.request, Vault.open, NetSuiteTokens._assertion, VaultKeys.generate]
)
def test_errors_in_keyturn_itself(keyturn: SearchedKeyturn, broken: Callable[..., object]) -> None:
    """A logged traceback shows no secret, although the exception's text holds every one.

    The log hides secrets when it writes a record, so this test searches the written log and not the records.
    """
    owner = {"Session": requests.Session, "Vault": Vault, "NetSuiteTokens": NetSuiteTokens, "VaultKeys": VaultKeys}

    def breaks(*given: object, **options: object) -> None:
        raise ZeroDivisionError(f"{_requests(keyturn)} {given} {options}")

    name, _, method = broken.__qualname__.partition(".")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner[name], method, breaks)
        for words in (("rotate", NAME), ("health", NAME), ("doctor",), ("run-due",)):
            keyturn(*words, "--verbose")
    keyturn.outputs[:] = [(source, text) for source, text in keyturn.outputs if not source.startswith("the log ")]
    # An error while an answer is read is logged by its kind alone.
    logged = b'"ZeroDivisionError"' if owner[name] is requests.Session else b"ZeroDivisionError: <request namespace="
    assert any(logged in text for _, text in keyturn.outputs)
    keyturn.assert_nothing_leaked()


def _requests(keyturn: SearchedKeyturn) -> str:
    """Return the requests to both systems, with every secret."""
    known = keyturn.simulator.credentials
    client = base64.b64encode(f"{known.openair_client_id}:{known.openair_client_secret}".encode()).decode()
    return (
        f'<request namespace="{known.api_namespace}" key="{known.api_key}"><password>{known.password}</password> '
        f"Authorization: Basic {client} grant_type=refresh_token&refresh_token={known.refresh_token} "
        f"client_secret={known.openair_client_secret} {json.dumps({'pem': known.private_key_pem})}"
    )
