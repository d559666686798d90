"""Network errors are described for operators: no name of a Python class, nothing that was received."""

import errno
import re
import socket
import ssl
import threading
from collections.abc import Callable

import pytest
from integration.http.http_calls import CALL_LIMIT, post
from integration.http.scripted_server import Handler, Wire, received, reset

from orchestrator.adapters.network_errors import describe
from states.errors import KeyturnError

SECRET = b"hunter2"


def message(url: str, **options: object) -> str:
    """What a write to ``url`` ends in."""
    with pytest.raises(KeyturnError) as caught:
        post(url, writes=True, **options)
    return caught.value.message


# --- never sent -------------------------------------------------------------------------------------------------------


def test_connection_refused() -> None:
    """No server listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    expected = "NetSuite (127.0.0.1) could not be reached (connection refused); nothing was sent."
    assert expected == message(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (socket.EAI_NONAME, "no such host name"),
        (socket.EAI_AGAIN, "the name server does not answer"),
        (socket.EAI_FAIL, "the host name cannot be looked up"),
    ],
)
def test_host_name(monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    """A name that does not exist is distinguished from a name server that is down."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "any text")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    expected = f"NetSuite (keyturn.invalid) could not be reached ({words}); nothing was sent."
    assert expected == message("https://keyturn.invalid")


def test_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other errors of a connection are shown with the system's text."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EHOSTUNREACH, "any text")

    monkeypatch.setattr(socket.socket, "connect", fail)
    assert "could not be reached (no route to host); nothing was sent." in message("http://127.0.0.1:9")


def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that does not answer at all; a name server that delays the call is reported in the same way."""
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
    reset(connection)


def alert(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x46")  # fatal: protocol version


def stall(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (answer_plainly, "it does not speak TLS"),
        (hang_up, "TLS failed: unexpected eof while reading"),
        (break_off, "connection reset by peer"),
        (alert, "TLS failed: tlsv1 alert protocol version"),
        (stall, "no answer in time"),
    ],
)
def test_no_tls(serve: Callable[[Handler], Wire], handler: Handler, words: str) -> None:
    """Where TLS comes to nothing, the message says how; the words are OpenSSL's own, not the other side's."""
    url = serve(handler).url.replace("http:", "https:")
    assert f"could not be reached ({words}); nothing was sent." in message(url, connect_within=CALL_LIMIT)


# --- sent, and lost ---------------------------------------------------------------------------------------------------


def silence(connection: socket.socket) -> None:
    received(connection)
    connection.recv(1)


def close(connection: socket.socket) -> None:
    received(connection)


def break_off_after_the_request(connection: socket.socket) -> None:
    received(connection)
    reset(connection)


def truncate(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + SECRET)


def truncate_chunks(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n" + SECRET + b"\r\n")


def no_http(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(SECRET + b"\r\n")


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (silence, "no answer in time"),
        (close, "the connection was closed"),
        (break_off_after_the_request, "connection reset by peer"),
        (truncate, "it was cut off"),
        (truncate_chunks, "it was cut off"),
        (no_http, "it is not HTTP"),
    ],
)
def test_lost(serve: Callable[[Handler], Wire], handler: Handler, words: str) -> None:
    """How an answer was lost; nothing of it is repeated."""
    reported = message(serve(handler).url, answer_within=CALL_LIMIT)
    assert f"NetSuite (127.0.0.1) was sent a request, but its answer was lost ({words})." == reported


# --- unknown errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("hunter2"), OSError("hunter2"), ssl.SSLError("hunter2")])
def test_only_the_class_where_nothing_better_is_known(error: Exception) -> None:
    """Then the class is shown, but not the error's text, which may repeat what was sent."""
    assert re.fullmatch(r"ValueError|OSError|TLS failed", describe(error))
