"""A request that was never sent is safe to repeat; one whose answer was lost may have arrived; none is sent twice."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

import pytest
from integration.http.http_calls import LOST, NEVER_SENT, client, errors_of
from integration.http.scripted_server import Handler, ScriptedServer, read_request, reset_on_close
from support.polling import WAIT_LIMIT

from states.errors import Unknown

# --- never sent -------------------------------------------------------------------------------------------------------


def test_connection_refused() -> None:
    """If the connection is refused, nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert NEVER_SENT == errors_of(f"http://127.0.0.1:{port}")


def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the host name is unknown, nothing was sent."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert NEVER_SENT == errors_of("https://keyturn.invalid")


def test_connect_timeout() -> None:
    """If the connection is not accepted in time, nothing was sent."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as waiting:
        address = listener.getsockname()
        for _ in range(4):  # fills the queue of connections that wait to be accepted
            queued = waiting.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(address)
        assert NEVER_SENT == errors_of(f"http://127.0.0.1:{address[1]}", connect_within=0.2)


# --- sent, and lost ---------------------------------------------------------------------------------------------------


def reset_half_read(connection: socket.socket) -> None:
    connection.recv(1)
    reset_on_close(connection)


def close_after_request(connection: socket.socket) -> None:
    read_request(connection)


def reset_after_request(connection: socket.socket) -> None:
    read_request(connection)
    reset_on_close(connection)


def reset_in_the_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    time.sleep(0.05)
    reset_on_close(connection)


def truncate_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}")


def truncate_chunks(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")


def no_http(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def negative_chunk(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc")


def two_lengths(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}")


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
        negative_chunk,
        two_lengths,
    ],
)
def test_lost_answers(serve: Callable[[Handler], ScriptedServer], handler: Handler) -> None:
    """After the connection was open the request may have arrived: a read is retried, a write is in doubt."""
    server = serve(handler)
    assert LOST == errors_of(server.url)
    assert server.connections == 2, "nothing is sent twice"


# --- on a connection that was kept ------------------------------------------------------------------------------------


def test_request_on_a_broken_connection_is_not_repeated(serve: Callable[[Handler], ScriptedServer]) -> None:
    """If a kept connection breaks during a request, the client does not send the request again."""
    requests: list[bytes] = []

    def once_then_reset(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        requests.append(read_request(connection))
        reset_on_close(connection)

    server = serve(once_then_reset)
    with client(server.url) as http:
        http.post("/", b"first", {}, writes=True)
        with pytest.raises(Unknown):
            http.post("/", b"second", {}, writes=True)
    assert [b"first", b"second"] == [request[-6:].strip() for request in requests]
    assert server.connections == 1


def test_idle_connection_is_replaced(serve: Callable[[Handler], ScriptedServer]) -> None:
    """A kept connection that the server closed while it was idle is replaced before anything is sent."""
    closed = threading.Event()

    def once(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    server = serve(once)
    with client(server.url) as http:
        for _ in range(2):
            assert http.post("/", b"", {}, writes=True).status == 200
            assert closed.wait(WAIT_LIMIT)
            time.sleep(0.02)  # until the client's side has received the close
            closed.clear()


def test_connection_is_kept(serve: Callable[[Handler], ScriptedServer]) -> None:
    """One connection serves many calls, which saves time while imports are refused."""

    def answer_all(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    server = serve(answer_all)
    with client(server.url) as http:
        for _ in range(5):
            http.post("/", b"", {}, writes=True)
    assert server.connections == 1
