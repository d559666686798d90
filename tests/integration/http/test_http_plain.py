"""Plain http ends at this computer: judged by the address that is connected, not by the name alone."""

import socket
from collections.abc import Callable

import pytest
from integration.http.http_calls import errors_of
from integration.http.scripted_server import Handler, ScriptedServer, read_request

from states.errors import WrongBaseUrl

Serve = Callable[[Handler], ScriptedServer]


def own_address() -> str:
    """An address of this computer that is not loopback; the test is skipped without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; the network is one for documentation (RFC 5737)
        except OSError:
            pytest.skip("this computer has no network")
        return str(probe.getsockname()[0])


def test_a_name_that_leads_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a name server says that localhost is another address, nothing is sent there, and the base URL is wrong."""
    received: list[bytes] = []
    lookup = socket.getaddrinfo
    with socket.create_server((own_address(), 0)) as listener:
        address, port = listener.getsockname()
        listener.settimeout(5)
        monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest, **more: lookup(address, *rest, **more))
        assert [WrongBaseUrl, WrongBaseUrl] == errors_of(f"http://localhost:{port}")
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                received.append(connection.recv(1))
    assert [b"", b""] == received


def test_localhost_is_this_computer(serve: Serve) -> None:
    """A name that leads to a loopback address is called in plain http."""
    received: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        received.append(read_request(connection))

    server = serve(answer)
    errors_of(server.url.replace("127.0.0.1", "localhost"))
    assert [b"POST", b"POST"] == [request[:4] for request in received]
