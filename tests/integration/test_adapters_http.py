"""HTTP over real sockets: what was never sent, what was sent and lost, and what must not hold a worker."""

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from orchestrator.adapters.http import MOST_BYTES, Answer, Http
from states.errors import InvalidSettings, KeyturnError, Refused, TryLater, Unknown, WrongBaseUrl

PATIENCE = 0.3
"""Seconds a whole call may take where the tests wait for that."""
FAR_TOO_LONG = 10.0
"""Seconds after which a worker counts as held."""

Handler = Callable[[socket.socket], None]


class Wire:
    """A server that does with each connection exactly what it is told."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._handler(connection)

    def close(self) -> None:
        # shutdown wakes the thread that accepts
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def received(connection: socket.socket) -> bytes:
    """One whole request with a Content-Length; empty where the client left."""
    head, _, body = b"", b"", b""
    while b"\r\n\r\n" not in head:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        head += chunk
    head, _, body = head.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length"))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drip(connection: socket.socket, data: bytes) -> None:
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.fixture
def serve() -> Iterator[Callable[[Handler], Wire]]:
    """Starts servers, and ends them with the test."""
    wires: list[Wire] = []

    def start(handler: Handler) -> Wire:
        wires.append(Wire(handler))
        return wires[-1]

    yield start
    for wire in wires:
        wire.close()


@contextlib.contextmanager
def client(url: str, **options: object) -> Iterator[Http]:
    http = Http("NetSuite", url, **options)  # type: ignore[arg-type]
    try:
        yield http
    finally:
        http.close()


def post(url: str, *, writes: bool = False, **options: object) -> Answer:
    with client(url, **options) as http:
        return http.post("/path", b"body", {}, writes=writes)


def errors_of(url: str, **options: object) -> list[type[KeyturnError]]:
    """What a read and a write end in."""
    found = []
    for writes in (False, True):
        with pytest.raises(KeyturnError) as caught:
            post(url, writes=writes, **options)
        found.append(type(caught.value))
    return found


NEVER_SENT = [TryLater, TryLater]
LOST = [TryLater, Unknown]


# --- never sent -------------------------------------------------------------------------------------------------------


def test_connection_refused() -> None:
    """Where nobody listens, nothing was sent, not even a write."""
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
            assert closed.wait(FAR_TOO_LONG)
            time.sleep(0.02)  # until the closing has crossed the loopback
            closed.clear()


# --- bounds -----------------------------------------------------------------------------------------------------------


def silence(connection: socket.socket) -> None:
    received(connection)
    connection.recv(1)


def drip_status(connection: socket.socket) -> None:
    received(connection)
    drip(connection, b"HTTP/1.1 200 " + b"O" * 1000)


def drip_headers(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    drip(connection, b"X: y\r\n" * 200)


def drip_body(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    drip(connection, b" " * 1000)


def drip_redirect(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1000\r\n\r\n")
    drip(connection, b" " * 1000)


def drip_chunk_size(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    drip(connection, b"0" * 1000)


@pytest.mark.parametrize("handler", [silence, drip_status, drip_headers, drip_body, drip_redirect, drip_chunk_size])
def test_slow_answers_do_not_hold_a_worker(serve: Callable[[Handler], Wire], handler: Handler) -> None:
    """An answer that is not complete in time is given up, however steadily it drips."""
    began = time.monotonic()
    assert LOST == errors_of(serve(handler).url, answer_within=PATIENCE)
    assert time.monotonic() - began < FAR_TOO_LONG


@pytest.mark.parametrize("at_once", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_slow_tls_answers_do_not_hold_a_worker(serve: Callable[[Handler], Wire], tls: "Tls", at_once: bytes) -> None:
    """The same under TLS, whose records are read in another way: in the head, and in the body."""

    def drip_records(connection: socket.socket) -> None:
        with tls.server.wrap_socket(connection, server_side=True) as wrapped:
            received(wrapped)
            wrapped.sendall(at_once)
            drip(wrapped, b"HTTP/1.1 200 OK" + b" " * 1000)

    url = serve(drip_records).url.replace("http:", "https:")
    began = time.monotonic()
    assert LOST == errors_of(url, answer_within=PATIENCE, ca_bundle=tls.ca_bundle)
    assert time.monotonic() - began < FAR_TOO_LONG


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found\r\nLocation: /"])
def test_large_answers_are_not_read(serve: Callable[[Handler], Wire], status: bytes) -> None:
    """An answer without end is given up when it is larger than any that would be understood."""
    sent: list[int] = []

    def endless(connection: socket.socket) -> None:
        received(connection)
        connection.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
        with contextlib.suppress(OSError):
            while sum(sent) < 64 * MOST_BYTES:
                connection.sendall(b" " * 65536)
                sent.append(65536)

    assert LOST == errors_of(serve(endless).url)
    assert sum(sent) < 64 * MOST_BYTES


def test_compressed_answers_are_not_expanded(httpserver: HTTPServer) -> None:
    """What is compressed though nobody asked for it stays as it is: a bomb of a few kilobytes is a few kilobytes."""
    bomb = gzip.compress(b" " * 64 * MOST_BYTES)
    httpserver.expect_request("/path").respond_with_data(bomb, headers={"Content-Encoding": "gzip"})
    assert bomb == post(httpserver.url_for("")).body


def test_late_connection_is_not_used(serve: Callable[[Handler], Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer holds nobody; where it answers at last, nothing is sent any more."""
    answered, closed = threading.Event(), threading.Event()
    sent: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        sent.append(connection.recv(1))
        closed.set()

    wire = serve(listen)
    address = ("127.0.0.1", int(wire.url.rpartition(":")[2]))

    def look_up(*_: object, **__: object) -> list[object]:
        answered.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    began = time.monotonic()
    try:
        with pytest.raises(TryLater, match="could not be reached"):
            post(f"http://localhost:{address[1]}", writes=True, answer_within=PATIENCE)
        assert time.monotonic() - began < FAR_TOO_LONG
    finally:
        answered.set()
    assert closed.wait(FAR_TOO_LONG)
    assert [b""] == sent


def test_largest_answer(httpserver: HTTPServer) -> None:
    """An answer of exactly the largest size is read."""
    httpserver.expect_request("/path").respond_with_data(b" " * MOST_BYTES)
    assert len(post(httpserver.url_for("")).body) == MOST_BYTES


def test_calls_in_time_leave_nothing_behind(httpserver: HTTPServer) -> None:
    """The threads that watch the time end with their call."""
    httpserver.expect_request("/path").respond_with_json({})
    before = threading.active_count()
    with client(httpserver.url_for(""), answer_within=60.0) as http:
        for _ in range(5):
            http.post("/path", b"", {}, writes=False)
        time.sleep(0.1)
        assert threading.active_count() <= before + 1, "the server's own thread aside"


# --- what is sent, and what is not ------------------------------------------------------------------------------------


def test_request_and_answer(httpserver: HTTPServer) -> None:
    """Path, query, headers and body arrive as given; status, headers and body come back."""
    httpserver.expect_request(
        "/base/path", method="POST", query_string={"script": "a b"}, data=b"body", headers={"X-Own": "1"}
    ).respond_with_data(b"gone", status=410, headers={"X-Theirs": "2"})
    with client(httpserver.url_for("/base/")) as http:
        answer = http.post("/path", b"body", {"X-Own": "1"}, writes=True, query={"script": "a b"})
    assert (410, "2", b"gone") == (answer.status, answer.headers["x-theirs"], answer.body)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(httpserver: HTTPServer, status: int) -> None:
    """A redirect comes back as it is: a token or a private key never goes to another host unasked."""
    httpserver.expect_request("/path").respond_with_data(b"", status=status, headers={"Location": "/elsewhere"})
    httpserver.expect_request("/elsewhere").respond_with_data(b"")
    assert status == post(httpserver.url_for("")).status
    assert ["/path"] == [request.path for request, _ in httpserver.log]


def test_environment_is_ignored(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Proxies, netrc and certificate bundles of the environment have no say in where secrets go."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    httpserver.expect_request("/path").respond_with_json({})
    with client(httpserver.url_for("").replace("127.0.0.1", "localhost")) as http:
        http.post("/path", b"", {"Authorization": "Bearer mine"}, writes=False)
        http.post("/path", b"", {}, writes=False)
    assert ["Bearer mine", None] == [request.headers.get("Authorization") for request, _ in httpserver.log]


def test_no_cookies(httpserver: HTTPServer) -> None:
    """What the other side wants to be remembered is not sent back."""
    httpserver.expect_request("/path").respond_with_data(b"", headers={"Set-Cookie": "session=1; Path=/"})
    with client(httpserver.url_for("")) as http:
        for _ in range(2):
            http.post("/path", b"", {}, writes=False)
    assert [None, None] == [request.headers.get("Cookie") for request, _ in httpserver.log]


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


def test_threads_may_share(httpserver: HTTPServer) -> None:
    """Many threads at once each get their own answer."""

    def echo(request: Request) -> Response:
        return Response(request.data)

    httpserver.expect_request("/path").respond_with_handler(echo)
    seen: dict[int, bytes] = {}
    with client(httpserver.url_for("")) as http:

        def call(number: int) -> None:
            seen[number] = http.post("/path", str(number).encode(), {}, writes=False).body

        threads = [threading.Thread(target=call, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {number: str(number).encode() for number in range(16)} == seen


# --- TLS --------------------------------------------------------------------------------------------------------------


class Tls:
    """An authority of this test's own, and a server's certificate by it."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        authority = trustme.CA()
        self.ca_bundle = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_bundle)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(self.server)


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """An authority and a certificate for this machine."""
    return Tls(tmp_path)


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[HTTPServer]:
    with HTTPServer(ssl_context=context) as server:
        server.expect_request("/path").respond_with_json({})
        yield server


def test_trusted_certificate(tls: Tls) -> None:
    """A CA bundle that is given is trusted."""
    with tls_server(tls.server) as server:
        assert post(f"https://127.0.0.1:{server.port}", ca_bundle=tls.ca_bundle).status == 200


def test_untrusted_certificate(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate by an unknown authority is refused before anything is sent, whatever the environment trusts."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", tls.ca_bundle)
    monkeypatch.setenv("CURL_CA_BUNDLE", tls.ca_bundle)
    with tls_server(tls.server) as server:
        assert [Refused, Refused] == errors_of(f"https://127.0.0.1:{server.port}")
        assert [] == server.log


def test_certificate_of_another_host(tmp_path: Path) -> None:
    """A certificate for another host means another address, and nothing is sent."""
    tls = Tls(tmp_path, "other.example.com")
    with tls_server(tls.server) as server:
        assert [WrongBaseUrl, WrongBaseUrl] == errors_of(f"https://127.0.0.1:{server.port}", ca_bundle=tls.ca_bundle)
        assert [] == server.log


def test_no_tls_there(serve: Callable[[Handler], Wire]) -> None:
    """Where the other side does not speak TLS, nothing was sent."""

    def plain(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert NEVER_SENT == errors_of(serve(plain).url.replace("http:", "https:"))


def test_handshake_that_never_ends(serve: Callable[[Handler], Wire]) -> None:
    """A TLS handshake that does not get on is given up, and nothing was sent."""

    def stall(connection: socket.socket) -> None:
        while connection.recv(1000):
            pass

    began = time.monotonic()
    assert NEVER_SENT == errors_of(serve(stall).url.replace("http:", "https:"), connect_within=PATIENCE)
    assert time.monotonic() - began < FAR_TOO_LONG


def test_handshake_that_drips(serve: Callable[[Handler], Wire]) -> None:
    """A TLS handshake that comes byte by byte is given up as well, and nothing was sent."""

    def drip_handshake(connection: socket.socket) -> None:
        connection.recv(1)
        drip(connection, b"\x16\x03\x03\x3f\xff" + b"\x02" * 1000)  # a record that is announced, and never complete

    began = time.monotonic()
    assert NEVER_SENT == errors_of(serve(drip_handshake).url.replace("http:", "https:"), connect_within=PATIENCE)
    assert time.monotonic() - began < FAR_TOO_LONG


def test_session_keys_are_not_written(
    tls: Tls, serve: Callable[[Handler], Wire], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SSLKEYLOGFILE, with which whoever recorded the traffic could read it, is ignored, as is SSL_CERT_FILE."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    monkeypatch.setenv("SSL_CERT_FILE", tls.ca_bundle)
    with tls_server(tls.server) as server:
        assert [Refused, Refused] == errors_of(f"https://127.0.0.1:{server.port}")

    def converse(connection: socket.socket) -> None:
        with tls.server.wrap_socket(connection, server_side=True) as wrapped:
            received(wrapped)
            wrapped.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    assert post(serve(converse).url.replace("http:", "https:"), ca_bundle=tls.ca_bundle).status == 200
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_unusable_ca_bundle(tmp_path: Path, content: str | None) -> None:
    """A CA bundle that cannot be read is the settings' mistake, and is found before anything is sent."""
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(InvalidSettings, match=bundle.name):
        Http("NetSuite", "https://example.com", ca_bundle=str(bundle))
