"""A proxy is named by the settings alone; a call that it does not let out was never sent."""

import base64
import contextlib
import socket
import threading
from collections.abc import Callable

import pytest
from integration.http.http_calls import NEVER_SENT, errors_of, post
from integration.http.scripted_server import Handler, ScriptedServer, read_request
from integration.http.tls import Tls, tls_server

from orchestrator.adapters.transport import Proxy
from states.errors import TryLater

Serve = Callable[[Handler], ScriptedServer]


def read_head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and (chunk := connection.recv(1)):
        head += chunk
    return head


def relay(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


def tunnel(asked: list[bytes]) -> Handler:
    """A proxy that opens each way that it is asked for, and writes the request down."""

    def handle(connection: socket.socket) -> None:
        asked.append(read_head(connection))
        host, _, port = asked[-1].split()[1].decode().partition(":")
        with socket.create_connection((host, int(port))) as target:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=relay, args=(target, connection), daemon=True)
            back.start()
            relay(connection, target)
            back.join()

    return handle


@pytest.mark.parametrize("credentials", [None, "user:pässword"])
def test_a_call_through_a_proxy(serve: Serve, tls: Tls, credentials: str | None) -> None:
    """The call goes through the proxy, TLS is verified end to end, and the credentials are sent to the proxy alone."""
    asked: list[bytes] = []
    with tls_server(tls.server) as server:
        proxy = Proxy(serve(tunnel(asked)).url, credentials)
        answer = post(f"https://127.0.0.1:{server.port}", ca_bundle=tls.ca_bundle, proxy=proxy)
        [(request, _)] = server.log
    expected = credentials and b"Basic " + base64.b64encode(credentials.encode())
    assert 200 == answer.status
    assert [True] == [head.startswith(f"CONNECT 127.0.0.1:{server.port} ".encode()) for head in asked]
    assert (expected or b"Proxy-Authorization") in asked[0] or not credentials
    assert ("Proxy-Authorization" in request.headers, b"Basic" in asked[0]) == (False, bool(credentials))


def test_an_untrusted_system_behind_a_proxy(serve: Serve, tls: Tls) -> None:
    """A proxy that answers for the other system is not believed."""
    with tls_server(tls.server) as server:
        errors = errors_of(f"https://127.0.0.1:{server.port}", proxy=Proxy(serve(tunnel([])).url))
    assert ["Refused", "Refused"] == [error.__name__ for error in errors]


REFUSALS = {
    "it asks for credentials": (b"HTTP/1.1 407 s3cret words\r\n\r\n", "the proxy answered 407"),
    "it does not know the host": (b"HTTP/1.1 503 no\r\n\r\n", "the proxy answered 503"),
    "it closes the connection": (b"", "the connection was closed"),
    "it is no proxy": (b"SSH-2.0-OpenSSH\r\n", "it is not HTTP"),
}


@pytest.mark.parametrize(("answer", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_a_proxy_that_does_not_open_the_way(serve: Serve, answer: bytes, reason: str) -> None:
    """Nothing was sent; the message names the proxy and its answer's number, and repeats none of its words."""

    def refuse(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer)

    proxy = Proxy(serve(refuse).url, "user:hunter2")
    assert NEVER_SENT == errors_of("https://keyturn.invalid", proxy=proxy)
    with pytest.raises(TryLater) as caught:
        post("https://keyturn.invalid", proxy=proxy)
    host = proxy.url.removeprefix("http://")
    assert f"NetSuite (keyturn.invalid) through the proxy {host} could not be reached ({reason})" in str(caught.value)
    assert "hunter2" not in repr(proxy) + str(caught.value)


def test_loopback_needs_no_proxy(serve: Serve) -> None:
    """Plain http, which is for loopback alone, goes straight to the other system."""

    def answer(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert 204 == post(serve(answer).url, proxy=Proxy("http://127.0.0.1:1")).status


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_the_ignored_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Where a host is not found, the message names the variable that other programs go by, and the setting."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TryLater, match=r"could not be reached \(no such host name\); nothing was sent\.$"):
        post("https://keyturn.invalid")
    monkeypatch.setenv(variable, "http://user:hunter2@proxy:3128")
    with pytest.raises(TryLater, match=f"variable {variable} is ignored; the setting http.proxy") as caught:
        post("https://keyturn.invalid")
    assert "hunter2" not in str(caught.value)
