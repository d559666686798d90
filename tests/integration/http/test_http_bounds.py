"""No answer, slow or large, holds a worker or fills its memory.

The slow servers here never finish, so a call that returns at all was given up by the client.
"""

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable

import pytest
from integration.http.http_calls import CALL_LIMIT, LOST, NEVER_SENT, client, errors_of, post
from integration.http.scripted_server import Handler, ScriptedServer, drip, read_request
from integration.http.tls import Tls
from pytest_httpserver import HTTPServer
from support.polling import WAIT_LIMIT, until

from orchestrator.adapters.http import MAX_ANSWER_BYTES
from states.errors import TryLater

# --- in time ----------------------------------------------------------------------------------------------------------


def silence(connection: socket.socket) -> None:
    read_request(connection)
    connection.recv(1)


def drip_status(connection: socket.socket) -> None:
    read_request(connection)
    drip(connection, b"HTTP/1.1 200 ", b"O")


def drip_headers(connection: socket.socket) -> None:
    read_request(connection)
    drip(connection, b"HTTP/1.1 200 OK\r\nX: ", b"y")


def drip_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    drip(connection, b" ")


def drip_redirect(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1000000\r\n\r\n")
    drip(connection, b" ")


def drip_chunk_size(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    drip(connection, b"0")


@pytest.mark.parametrize("handler", [silence, drip_status, drip_headers, drip_body, drip_redirect, drip_chunk_size])
def test_slow_answers_do_not_hold_a_worker(serve: Callable[[Handler], ScriptedServer], handler: Handler) -> None:
    """The client gives up an answer that is not complete in time, even if bytes keep arriving."""
    assert LOST == errors_of(serve(handler).url, answer_within=CALL_LIMIT)


@pytest.mark.parametrize("at_once", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"])
def test_slow_tls_answers_do_not_hold_a_worker(
    serve: Callable[[Handler], ScriptedServer], tls: Tls, at_once: bytes
) -> None:
    """Under TLS the client gives up too, in the head and in the body."""

    def drip_records(connection: socket.socket) -> None:
        with tls.server.wrap_socket(connection, server_side=True) as wrapped:
            read_request(wrapped)
            wrapped.sendall(at_once)
            drip(wrapped, b"HTTP/1.1 200 OK", b" ")

    url = serve(drip_records).url.replace("http:", "https:")
    assert LOST == errors_of(url, answer_within=CALL_LIMIT, ca_bundle=tls.ca_bundle)


def stall_handshake(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


def drip_handshake(connection: socket.socket) -> None:
    connection.recv(1)
    drip(connection, b"\x16\x03\x03\x3f\xff", b"\x02")  # the header announces a record of 16 KB


@pytest.mark.parametrize("handler", [stall_handshake, drip_handshake])
def test_slow_handshakes_do_not_hold_a_worker(serve: Callable[[Handler], ScriptedServer], handler: Handler) -> None:
    """The client gives up a TLS handshake that stalls or arrives byte by byte, before it sends anything."""
    url = serve(handler).url.replace("http:", "https:")
    assert NEVER_SENT == errors_of(url, connect_within=CALL_LIMIT)


def test_each_call_has_its_own_time_limit(serve: Callable[[Handler], ScriptedServer]) -> None:
    """A kept connection serves calls for longer than the time limit of one call."""

    def answer(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = serve(answer)
    with client(server.url, answer_within=1.0) as http:
        began = time.monotonic()
        assert b"ok" == http.post("/path", b"", {}, writes=True).body
        until(lambda: time.monotonic() - began > 1.0)
        assert b"ok" == http.post("/path", b"", {}, writes=True).body
    assert 1 == server.connections


def test_late_connection_is_not_used(
    serve: Callable[[Handler], ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the name server answers after the time limit, the late connection is closed and nothing is sent."""
    answered, closed = threading.Event(), threading.Event()
    sent: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        sent.append(connection.recv(1))
        closed.set()

    server = serve(listen)
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))

    def look_up(*_: object, **__: object) -> list[object]:
        answered.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        with pytest.raises(TryLater, match="could not be reached"):
            post(f"http://localhost:{address[1]}", writes=True, answer_within=CALL_LIMIT)
    finally:
        answered.set()
    assert closed.wait(WAIT_LIMIT)
    assert [b""] == sent


def test_only_opening_takes_a_thread(
    serve: Callable[[Handler], ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only opening a connection starts a thread, which ends with it; calls on an open connection start none."""
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started.append(thread)
        start(thread)

    def answer(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = serve(answer)
    monkeypatch.setattr(threading.Thread, "start", noted)
    with client(server.url) as http:
        for _ in range(5):
            http.post("/path", b"", {}, writes=False)
        [opener] = [thread for thread in started if thread.name == "keyturn-connect"]
        until(lambda: not opener.is_alive())
    assert (1, 2) == (server.connections, len(started))  # the other one is the server's


# --- in size ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found\r\nLocation: /"])
def test_large_answers_are_not_read(serve: Callable[[Handler], ScriptedServer], status: bytes) -> None:
    """The client stops reading an endless answer soon after MAX_ANSWER_BYTES."""
    sent: list[int] = []

    def endless(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
        with contextlib.suppress(OSError):
            while sum(sent) < 64 * MAX_ANSWER_BYTES:
                connection.sendall(b" " * 65536)
                sent.append(65536)

    assert LOST == errors_of(serve(endless).url)
    assert sum(sent) < 64 * MAX_ANSWER_BYTES


def test_largest_answer(httpserver: HTTPServer) -> None:
    """An answer of exactly MAX_ANSWER_BYTES is read."""
    httpserver.expect_request("/path").respond_with_data(b" " * MAX_ANSWER_BYTES)
    assert len(post(httpserver.url_for("")).body) == MAX_ANSWER_BYTES


def test_one_byte_more_than_the_largest_answer(httpserver: HTTPServer) -> None:
    """An answer with one byte more than MAX_ANSWER_BYTES counts as lost."""
    httpserver.expect_request("/path").respond_with_data(b" " * (MAX_ANSWER_BYTES + 1))
    assert LOST == errors_of(httpserver.url_for(""))


@pytest.mark.parametrize(
    "body",
    [gzip.compress(b" " * 64 * MAX_ANSWER_BYTES), gzip.compress(b"cut off")[:-9], b"no gzip"],
    ids=["bomb", "cut off", "no gzip"],
)
def test_what_cannot_be_expanded_is_lost(httpserver: HTTPServer, body: bytes) -> None:
    """An answer that expands to more than MAX_ANSWER_BYTES is not expanded further, and counts as lost."""
    httpserver.expect_request("/path").respond_with_data(body, headers={"Content-Encoding": "gzip"})
    assert LOST == errors_of(httpserver.url_for(""))


@pytest.mark.parametrize("body", [b"", b"x" * MAX_ANSWER_BYTES], ids=["empty", "largest"])
def test_an_answer_that_a_proxy_compressed_is_read(httpserver: HTTPServer, body: bytes) -> None:
    """A proxy may compress an answer although Keyturn accepts none that is compressed."""
    headers = {"Content-Encoding": "gzip"}
    httpserver.expect_request("/path").respond_with_data(gzip.compress(body) if body else b"", headers=headers)
    assert body == post(httpserver.url_for("")).body
