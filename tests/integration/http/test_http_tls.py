"""The client trusts the configured certificates only, and sends nothing to a server without one."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from integration.http.http_calls import NEVER_SENT, errors_of, post
from integration.http.scripted_server import Handler, ScriptedServer, read_request
from integration.http.tls import Tls, tls_server

from orchestrator.adapters.http import Http
from states.errors import InvalidSettings, Refused, WrongBaseUrl


def test_trusted_certificate(tls: Tls) -> None:
    """A server certificate by an authority of the CA bundle is trusted."""
    with tls_server(tls.server) as server:
        assert post(f"https://127.0.0.1:{server.port}", ca_bundle=tls.ca_bundle).status == 200


def test_untrusted_certificate(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate by another authority is refused before anything is sent, even if the environment trusts it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", tls.ca_bundle)
    monkeypatch.setenv("CURL_CA_BUNDLE", tls.ca_bundle)
    with tls_server(tls.server) as server:
        assert [Refused, Refused] == errors_of(f"https://127.0.0.1:{server.port}")
        assert [] == server.log


def test_certificate_of_another_host(tmp_path: Path) -> None:
    """A certificate for another host means a wrong base URL, and nothing is sent."""
    tls = Tls(tmp_path, "other.example.com")
    with tls_server(tls.server) as server:
        assert [WrongBaseUrl, WrongBaseUrl] == errors_of(f"https://127.0.0.1:{server.port}", ca_bundle=tls.ca_bundle)
        assert [] == server.log


def test_server_without_tls(serve: Callable[[Handler], ScriptedServer]) -> None:
    """If the server does not speak TLS, nothing is sent."""

    def plain(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert NEVER_SENT == errors_of(serve(plain).url.replace("http:", "https:"))


def test_session_keys_are_not_written(
    tls: Tls, serve: Callable[[Handler], ScriptedServer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SSLKEYLOGFILE, which makes recorded traffic readable, is ignored, and so is SSL_CERT_FILE."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    monkeypatch.setenv("SSL_CERT_FILE", tls.ca_bundle)
    with tls_server(tls.server) as server:
        assert [Refused, Refused] == errors_of(f"https://127.0.0.1:{server.port}")

    def converse(connection: socket.socket) -> None:
        with tls.server.wrap_socket(connection, server_side=True) as wrapped:
            read_request(wrapped)
            wrapped.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    assert post(serve(converse).url.replace("http:", "https:"), ca_bundle=tls.ca_bundle).status == 200
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_unusable_ca_bundle(tmp_path: Path, content: str | None) -> None:
    """A CA bundle that cannot be read is an error of the settings, raised before anything is sent."""
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(InvalidSettings, match=bundle.name):
        Http("NetSuite", "https://example.com", ca_bundle=str(bundle))
