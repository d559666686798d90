"""What was never sent may be sent again; what was sent and lost may have arrived, and nothing is sent twice."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

import pytest
from integration.http.http_calls import LOST, NEVER_SENT, client, errors_of
from integration.http.scripted_server import Handler, Wire, received, reset
from support.polling import WAIT_LIMIT

from states.errors import Unknown

# --- never sent -------------------------------------------------------------------------------------------------------


def test_connection_refused() -> None:
    """If no server listens, nothing was sent, not even a write."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert NEVER_SENT == errors_of(f"http://127.0.0.1:{port}")


def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the name is not known, nothing was sent."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert NEVER_SENT == errors_of("https://keyturn.invalid")


def test_connect_timeout() -> None:
    """Where the connection is not taken up in time, nothing was sent."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as waiting:
        address = listener.getsockname()
        for _ in range(4):  # the queue of those that wait to be taken up is full then
            queued = waiting.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(address)
        assert NEVER_SENT == errors_of(f"http://127.0.0.1:{address[1]}", connect_within=0.2)


# --- sent, and lost ---------------------------------------------------------------------------------------------------


def reset_half_read(connection: socket.socket) -> None:
    connection.recv(1)
    reset(connection)


def close_after_request(connection: socket.socket) -> None:
    received(connection)


def reset_after_request(connection: socket.socket) -> None:
    received(connection)
    reset(connection)


def reset_in_the_body(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    time.sleep(0.05)
    reset(connection)


def truncate_body(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}")


def truncate_chunks(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")


def no_http(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.mark.parametrize(
    "handler",
    [
        reset_half_read,
        close_after_request,
        reset_after_request,
        reset_in_the_body,
        truncate_body,
        truncate_chunks,
        no_http,
    ],
)
def test_lost_answers(serve: Callable[[Handler], Wire], handler: Handler) -> None:
    """Once the connection was open the request may have arrived: a read is repeated, a write is in doubt."""
    wire = serve(handler)
    assert LOST == errors_of(wire.url)
    assert wire.connections == 2, "nothing is sent twice"


# --- on a connection that was kept ------------------------------------------------------------------------------------


def test_broken_connection_is_not_sent_on_twice(serve: Callable[[Handler], Wire]) -> None:
    """A kept connection that breaks under the next request is not replaced in silence: a write would be sent twice."""
    seen: list[bytes] = []

    def once_then_reset(connection: socket.socket) -> None:
        seen.append(received(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        seen.append(received(connection))
        reset(connection)

    wire = serve(once_then_reset)
    with client(wire.url) as http:
        http.post("/", b"first", {}, writes=True)
        with pytest.raises(Unknown):
            http.post("/", b"second", {}, writes=True)
    assert [b"first", b"second"] == [request[-6:].strip() for request in seen]
    assert wire.connections == 1


def test_idle_connection_is_replaced(serve: Callable[[Handler], Wire]) -> None:
    """A kept connection that the other side closed while it was idle is replaced before anything is sent."""
    closed = threading.Event()

    def once(connection: socket.socket) -> None:
        received(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    wire = serve(once)
    with client(wire.url) as http:
        for _ in range(2):
            assert http.post("/", b"", {}, writes=True).status == 200
            assert closed.wait(WAIT_LIMIT)
            time.sleep(0.02)  # until the closing has crossed the loopback
            closed.clear()


def test_connection_is_kept(serve: Callable[[Handler], Wire]) -> None:
    """One connection serves many calls: while imports are refused, no time goes into new ones."""

    def answer_all(connection: socket.socket) -> None:
        while received(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    wire = serve(answer_all)
    with client(wire.url) as http:
        for _ in range(5):
            http.post("/", b"", {}, writes=True)
    assert wire.connections == 1
