"""Messages about network errors are for operators: they name no Python class and repeat nothing that was received."""

import errno
import re
import socket
import ssl
import threading
from collections.abc import Callable

import pytest
from integration.http.http_calls import CALL_LIMIT, post
from integration.http.scripted_server import Handler, ScriptedServer, read_request, reset_on_close

from orchestrator.adapters.network_errors import describe
from states.errors import KeyturnError

SECRET = b"hunter2"


def message(url: str, **options: object) -> str:
    """Return the message of the error that a write to ``url`` raises."""
    with pytest.raises(KeyturnError) as caught:
        post(url, writes=True, **options)
    return caught.value.message


# --- never sent -------------------------------------------------------------------------------------------------------


def test_connection_refused() -> None:
    """A refused connection is reported as such."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    expected = "NetSuite (127.0.0.1) could not be reached (connection refused); nothing was sent."
    assert expected == message(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (socket.EAI_NONAME, "no such host name"),
        (socket.EAI_AGAIN, "the name server does not answer"),
        (socket.EAI_FAIL, "the host name cannot be looked up"),
    ],
)
def test_host_name(monkeypatch: pytest.MonkeyPatch, number: int, text: str) -> None:
    """The message tells an unknown host name from a name server that does not answer."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "text of the exception")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    expected = f"NetSuite (keyturn.invalid) could not be reached ({text}); nothing was sent."
    assert expected == message("https://keyturn.invalid")


def test_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other errors of the operating system appear with its own text."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EHOSTUNREACH, "text of the exception")

    monkeypatch.setattr(socket.socket, "connect", fail)
    assert "could not be reached (no route to host); nothing was sent." in message("http://127.0.0.1:9")


def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name lookup that takes too long is reported like a host that does not answer."""
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(60))
    try:
        assert "could not be reached (no answer in time)" in message("http://localhost", answer_within=CALL_LIMIT)
    finally:
        ended.set()


def answer_plainly(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 " + SECRET + b"\r\n\r\n")


def hang_up(connection: socket.socket) -> None:
    connection.recv(1000)


def break_off(connection: socket.socket) -> None:
    connection.recv(1)
    reset_on_close(connection)


def alert(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x46")  # fatal: protocol version


def stall(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (answer_plainly, "it does not speak TLS"),
        (hang_up, "TLS failed: unexpected eof while reading"),
        (break_off, "connection reset by peer"),
        (alert, "TLS failed: tlsv1 alert protocol version"),
        (stall, "no answer in time"),
    ],
)
def test_no_tls(serve: Callable[[Handler], ScriptedServer], handler: Handler, text: str) -> None:
    """A failed TLS handshake is reported with OpenSSL's reason, without text from the server."""
    url = serve(handler).url.replace("http:", "https:")
    assert f"could not be reached ({text}); nothing was sent." in message(url, connect_within=CALL_LIMIT)


# --- sent, and lost ---------------------------------------------------------------------------------------------------


def silence(connection: socket.socket) -> None:
    read_request(connection)
    connection.recv(1)


def close(connection: socket.socket) -> None:
    read_request(connection)


def break_off_after_the_request(connection: socket.socket) -> None:
    read_request(connection)
    reset_on_close(connection)


def truncate(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + SECRET)


def truncate_chunks(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n" + SECRET + b"\r\n")


def no_http(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(SECRET + b"\r\n")


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (silence, "no answer in time"),
        (close, "the connection was closed"),
        (break_off_after_the_request, "connection reset by peer"),
        (truncate, "it was cut off"),
        (truncate_chunks, "it was cut off"),
        (no_http, "it is not HTTP"),
    ],
)
def test_lost(serve: Callable[[Handler], ScriptedServer], handler: Handler, text: str) -> None:
    """The message says how the answer was lost, and repeats none of it."""
    reported = message(serve(handler).url, answer_within=CALL_LIMIT)
    assert f"NetSuite (127.0.0.1) was sent a request, but its answer was lost ({text})." == reported


# --- unknown errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("hunter2"), OSError("hunter2"), ssl.SSLError("hunter2")])
def test_unknown_errors_are_named_by_their_class(error: Exception) -> None:
    """An unknown error is described by its class, without its text, which may repeat the request."""
    assert re.fullmatch(r"ValueError|OSError|TLS failed", describe(error))
