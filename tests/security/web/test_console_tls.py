"""Off loopback: the console and the API answer over TLS, or to one proxy, under one name."""

import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
import requests
import trustme
from support.api import add_token
from support.console import PASSWORD, RunningConsole, running_console
from support.environment import keyturn

from orchestrator.api.app import build
from orchestrator.bootstrap import Keyturn
from orchestrator.console import server
from states.access import OF_ADDRESS, Role
from states.errors import TlsRequired

HOST = "keyturn.example.com"


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Keyturn, RunningConsole]]:
    """A console with a certificate for localhost."""
    authority, port = trustme.CA(), a_free_port()
    pair = authority.issue_cert("localhost")
    certificate, key, root = (tmp_path / name for name in ("cert.pem", "key.pem", "root.pem"))
    pair.cert_chain_pems[0].write_to_path(certificate)
    pair.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(root)
    settings = {
        "KEYTURN_CONSOLE__ADDRESS": f"https://localhost:{port}",
        "KEYTURN_CONSOLE__TLS_CERTIFICATE": str(certificate),
        "KEYTURN_CONSOLE__TLS_KEY": str(key),
    }
    with keyturn(tmp_path / "own", monkeypatch, **settings) as app, running_console(app, port=port) as console:
        console.http.verify = str(root)
        yield app, console


@pytest.fixture
def proxied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Keyturn, requests.Session, str]]:
    """A console whose proxy is on this computer: the application, a proxy's session, and where the console listens."""
    port = a_free_port()
    settings = {"KEYTURN_CONSOLE__ADDRESS": f"https://{HOST}", "KEYTURN_CONSOLE__TRUSTED_PROXY": "127.0.0.1"}
    with (
        keyturn(tmp_path, monkeypatch, **settings) as app,
        running_console(app, port=port) as console,
        requests.Session() as http,
    ):
        assert console.link.startswith(f"https://{HOST}/sign-in?token=")
        http.trust_env = False
        http.headers.update({"Host": HOST, "Origin": f"https://{HOST}"})
        yield app, http, f"http://127.0.0.1:{port}"


def test_a_console_with_tls(secure: tuple[Keyturn, RunningConsole]) -> None:
    """Over TLS a person signs in with the link or a password, and a program with its token; only the address's name is
    answered, and nothing without TLS.
    """
    app, console = secure
    assert HTTPStatus.UNAUTHORIZED == console.get("/").status_code
    answer = console.post("/sign-in", {"token": console.token})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-keyturn=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "max-age=31536000" == console.get("/").headers["strict-transport-security"]
    assert HTTPStatus.OK == console.get("/").status_code
    for host in (f"127.0.0.1:{console.port}", "localhost", HOST):
        assert HTTPStatus.MISDIRECTED_REQUEST == console.get("/", Host=host).status_code
    own = {"Sec_Fetch_Site": "", "Origin": console.url}
    assert (
        HTTPStatus.FORBIDDEN
        == console.post("/sign-out", **{**own, "Origin": console.url.replace("s:", ":")}).status_code
    )
    assert HTTPStatus.SEE_OTHER == console.post("/sign-out", **own).status_code
    secret = add_token(app, "nightly", Role.VIEWER)
    status = console.get("/api/v1/status", Authorization=f"Bearer {secret}")
    assert HTTPStatus.OK == status.status_code
    with pytest.raises(requests.RequestException):
        console.http.get(console.url.replace("https:", "http:"), timeout=60)


def test_the_proxy_says_where_a_request_comes_from(proxied: tuple[Keyturn, requests.Session, str]) -> None:
    """Guesses are counted by the last address of X-Forwarded-For, which the proxy added; what a client wrote before it
    counts for nothing.
    """
    app, http, url = proxied
    app.accounts.add("ada", Role.VIEWER, PASSWORD, actor="root")
    for _ in range(OF_ADDRESS.size):
        app.store.attempts.take(OF_ADDRESS, "203.0.113.5", app.clock.now())

    def sign_in(forwarded: str) -> int:
        form = {"name": "ada", "password": PASSWORD}
        headers = {"X-Forwarded-For": forwarded}
        return http.post(f"{url}/sign-in", form, headers=headers, allow_redirects=False, timeout=60).status_code

    assert [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SEE_OTHER] == [
        sign_in(each) for each in ("203.0.113.5", "198.51.100.2, 203.0.113.5", "203.0.113.5, 198.51.100.2")
    ]


def test_only_the_proxys_name_is_answered(proxied: tuple[Keyturn, requests.Session, str]) -> None:
    """Behind a proxy the console answers under the address's name, and to forms of its pages; loopback is none."""
    _, http, url = proxied
    assert HTTPStatus.OK == http.get(f"{url}/sign-in", timeout=60).status_code
    local = http.get(f"{url}/sign-in", headers={"Host": url.removeprefix("http://")}, timeout=60)
    assert HTTPStatus.MISDIRECTED_REQUEST == local.status_code
    for origin in (f"http://{HOST}", "https://example.com", "null"):
        answer = http.post(f"{url}/sign-in", {"token": "x"}, headers={"Origin": origin}, timeout=60)
        assert HTTPStatus.FORBIDDEN == answer.status_code


def test_only_the_proxy_connects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another address than the proxy's gets nothing of the console or the API, under any name."""
    settings = {"KEYTURN_CONSOLE__ADDRESS": f"https://{HOST}", "KEYTURN_CONSOLE__TRUSTED_PROXY": "192.0.2.7"}
    port = a_free_port()
    with keyturn(tmp_path, monkeypatch, **settings) as app, running_console(app, port=port):
        for path in ("/sign-in", "/api/v1/health"):
            answer = requests.get(f"http://127.0.0.1:{port}{path}", headers={"Host": HOST}, timeout=60)
            assert HTTPStatus.MISDIRECTED_REQUEST == answer.status_code


def test_a_socket_off_loopback_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is served is checked again: a socket that listens off loopback is refused without TLS."""
    with (
        keyturn(tmp_path, monkeypatch) as app,
        socket.create_server(("0.0.0.0", 0)) as listener,  # noqa: S104 - it is refused
        pytest.raises(TlsRequired),
    ):
        server.serve(app, listener, "ada", app.stop_request(), print, api=build)
