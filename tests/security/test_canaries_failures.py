"""No secret shows when something is wrong: a system fails, a seal, a key or an input is not right, we erred."""

import base64
import json
import os
from collections.abc import Callable
from urllib.parse import quote

import pytest
import requests
from acceptance.installed_keyturn import NAME
from security.known_secrets import Stage

from orchestrator.adapters.keys import VaultKeys
from orchestrator.adapters.netsuite_token import NetSuiteTokens
from persistence.vault import Vault
from simulator import Fault

TROUBLE = {
    "netsuite.token": ("throttle", "500", "401", "403", "302", "reset", "html", "truncate"),
    "netsuite.restlet": ("throttle", "error", "503", "401", "403", "302", "reset", "html", "truncate"),
    "openair.token": ("throttle", "500", "401", "302", "html"),
    "openair.api": ("throttle", "error", "503", "401", "403", "302", "reset", "html", "truncate"),
}


@pytest.mark.parametrize(("endpoint", "kinds"), TROUBLE.items(), ids=TROUBLE)
def test_every_trouble(play: Stage, endpoint: str, kinds: tuple[str, ...]) -> None:
    """In any way that a system fails, before and after a certificate was saved."""
    for kind in kinds:
        play.simulator.openair.revoke_tokens()
        play.simulator.netsuite.revoke_tokens()
        play.simulator.faults.add(Fault(endpoint, kind, times=3))
        play("doctor", NAME, "-o", "json")
        play.simulator.faults.add(Fault(endpoint, kind, skip=1, times=None))
        play.go_on()
        play("rotation", "explain", play.rotation()["id"])
        play.simulator.faults.clear()
    play.assert_nothing_leaked()


@pytest.mark.parametrize("how", ["missing", "wrong", "no key", "open to others"])
def test_wrong_key(play: Stage, how: str) -> None:
    """Without the right key-encryption key, the value in its place is not shown."""
    play("rotate", NAME, "--detach")
    file = play.config / "kek"
    right = file.read_text()
    if how == "open to others":
        file.chmod(0o644)
    else:
        file.unlink()
    if how in ("wrong", "no key"):
        file.touch(mode=0o600)
        file.write_text(wrong := base64.b64encode(os.urandom(32 if how == "wrong" else 40)).decode())
        play.known.add("the wrong key", wrong)
    for words in (("doctor",), ("run-due",), ("rotation", "explain", play.rotation()["id"]), ("vault", "rewrap", file)):
        play(*words, "--yes", "--verbose")
    file.chmod(0o600) if file.exists() else file.touch(mode=0o600)
    file.write_text(right)
    play.assert_nothing_leaked()


@pytest.mark.parametrize("where", ["secrets SET sealed", "certificates SET sealed_key", "datakeys SET wrapped"])
@pytest.mark.parametrize("what", ["zeroblob(99)", "{0} || x'00'", "substr({0}, 1, 20)"])
def test_corrupt_seals(play: Stage, where: str, what: str) -> None:
    """A seal that was spoilt, longer or shorter than it was, shows nothing of what it held."""
    play.simulator.netsuite.record.reset("missing")
    play("rotate", NAME)
    play.learn_what_is_sealed()
    column = where.rsplit(maxsplit=1)[-1]
    play.alter(f"UPDATE {where} = CAST({what.format(column)} AS BLOB) WHERE {column} IS NOT NULL")
    rotation = play.rotation()["id"]
    for words in (("doctor",), ("rotation", "resume", rotation), ("rotation", "abandon", rotation), ("health",)):
        play(*words, "--yes", "--verbose", "-o", "json")
    play.assert_nothing_leaked(sealed=False)


def test_bad_input(play: Stage) -> None:
    """Secrets that are malformed, come in the wrong place, or next to mistakes, are not quoted."""
    given = play.folder / "given"
    spoilt = given / "spoilt"
    pem = (given / "netsuite-key-file").read_text()
    secret = base64.b85encode(os.urandom(30)).decode()
    play.known.add("what was mistyped", secret)
    for text in (pem[: len(pem) // 2], pem.replace("BEGIN", "BEGINN"), f"{pem[:60]}{secret}{pem[90:]}", secret):
        spoilt.write_text(text)
        play("connection", "edit", NAME, "--netsuite-key-file", spoilt, "-o", "json")
        play("connection", "edit", NAME, "--netsuite-key-file", "-", given=text)
        play("vault", "rewrap", spoilt, "--yes")
        play("--config", spoilt, "health")
    play("connection", "edit", NAME, "--openair-password-file", "-", "--days", "3", given=secret)
    play("request", "verify", f"https://example.com/netsuite.pl?signature={quote(secret)}", "--connection", NAME)
    for url in (f"https://u:{secret}@example.com", f"https://example.com/?key={secret}"):
        play("connection", "edit", NAME, "--openair-url", url)
    play.assert_nothing_leaked()


@pytest.mark.parametrize(
    "url", ["postgresql://keyturn:{}@127.0.0.1:9/keyturn", "postgresql://u:{}@@h:x/d", "mysql://u:{}@h"]
)
def test_database_password(play: Stage, url: str) -> None:
    """The password in a database's URL is not shown when the database is down, or the URL is not valid."""
    secret = os.urandom(12).hex()
    play.known.add("the database's password", secret)
    for text in (secret, f"{secret}@{secret}", f"{secret}/{secret}"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KEYTURN_STORE__URL", url.format(text))
            for words in (("doctor",), ("health",), ("init",), ("worker",)):
                assert 0 != play(*words, "--verbose")[0]
    play.config.joinpath("keyturn.toml").write_text(f'[store]\nurl = "{secret}\n')
    assert 2 == play("health")[0]
    play.assert_nothing_leaked(sealed=False, files=False)


@pytest.mark.parametrize("broken", [requests.Session.post, Vault.open, NetSuiteTokens._assertion, VaultKeys.generate])
def test_our_own_mistakes(play: Stage, broken: Callable[..., object]) -> None:
    """A traceback, logged in full, tells lines and not values: in a step, in a command, and in a worker's thread.

    The text of the exception holds every secret, as the requests have them, and the arguments of what broke; what is
    handed to the log is hidden there last of all, so only what comes out of it is looked at.
    """
    owner = {"Session": requests.Session, "Vault": Vault, "NetSuiteTokens": NetSuiteTokens, "VaultKeys": VaultKeys}

    def breaks(*given: object, **options: object) -> None:
        raise ZeroDivisionError(f"{_requests(play)} {given} {options}")

    name, _, method = broken.__qualname__.partition(".")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner[name], method, breaks)
        for words in (("rotate", NAME), ("health", NAME), ("doctor",), ("run-due",)):
            play(*words, "--verbose")
    play.said[:] = [(who, what) for who, what in play.said if not who.startswith("the log ")]
    assert any(b"ZeroDivisionError: <request namespace=" in what for _, what in play.said)
    play.assert_nothing_leaked()


def _requests(play: Stage) -> str:
    """What is sent to the two systems, with every secret in its place."""
    known = play.simulator.credentials
    client = base64.b64encode(f"{known.openair_client_id}:{known.openair_client_secret}".encode()).decode()
    return (
        f'<request namespace="{known.api_namespace}" key="{known.api_key}"><password>{known.password}</password> '
        f"Authorization: Basic {client} grant_type=refresh_token&refresh_token={known.refresh_token} "
        f"client_secret={known.openair_client_secret} {json.dumps({'pem': known.private_key_pem})}"
    )
