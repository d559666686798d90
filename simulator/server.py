"""A threaded HTTP server on loopback that can also send broken answers.

It builds on the standard library's server because that gives access to the socket: a reset, a truncated body and a slow
answer then take a few lines each.
"""

import contextlib
import json
import logging
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

LOG = logging.getLogger("simulator.server")
LOOPBACK = "127.0.0.1"
LARGEST_BODY = 10 * 1024 * 1024
"""Bytes; NetSuite's own limit for a RESTlet call."""


@dataclass(frozen=True)
class Request:
    """An HTTP request. `path` excludes the query, `raw_query` is the query as sent, header names are lower case."""

    method: str
    path: str
    raw_query: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def query(self) -> dict[str, str]:
        """The decoded query. If a name occurs twice, the last value counts."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    def form(self) -> dict[str, str]:
        """Parse the body as an HTML form."""
        return dict(parse_qsl(self.body.decode("ascii", "replace"), keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    """An HTTP answer. `code` is the system's own error code for the history; the server does not send it."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    code: str | None = None


def json_reply(
    status: int, content: Any, *, code: str | None = None, headers: tuple[tuple[str, str], ...] = ()
) -> Reply:
    """Build an answer with a JSON body."""
    return Reply(status, json.dumps(content).encode(), headers=headers, code=code)


NOT_FOUND = Reply(404, b"Not Found", "text/plain")


@dataclass(frozen=True)
class Delivery:
    """How to send an answer. `reply` None resets the connection. `pause` is the time between bytes, in seconds.

    `raw` is sent in place of the reply, and ends the connection: an answer that may be no HTTP.
    """

    reply: Reply | None
    truncated: bool = False
    pause: float = 0.0
    raw: bytes = field(default=b"", repr=False)


App = Callable[[Request], Delivery]


class Server:
    """Serves `app` on 127.0.0.1 in its own threads. `port` 0 takes a free port.

    Set `stopping` before you call `stop`, so that delayed answers end.
    """

    def __init__(self, app: App, stopping: threading.Event, port: int = 0) -> None:
        handler = type("Handler", (_Handler,), {"app": staticmethod(app), "stopping": stopping})
        self._http = _HTTPServer((LOOPBACK, port), handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, name="simulator-server", daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://{LOOPBACK}:{self._http.server_address[1]}"

    def start(self) -> None:
        """Start to answer requests. The port is already open."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, close every connection and wait for the threads."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.close_connections()
        self._http.server_close()


class _HTTPServer(ThreadingHTTPServer):
    """Tracks open connections, so that stopping does not wait for idle clients."""

    request_queue_size = 128
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: dict[socket.socket, threading.Thread] = {}
        self._open_lock = threading.Lock()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's lookup of the host name, which can block on a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in its own thread, and track it until it ends."""
        thread = threading.Thread(
            target=self._serve_connection, args=(request, client_address), name="simulator-connection", daemon=True
        )
        with self._open_lock:
            self._open[request] = thread
        thread.start()

    def _serve_connection(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._open_lock:
                self._open.pop(request, None)

    def close_connections(self) -> None:
        """Close every connection and wait for its thread."""
        with self._open_lock:
            connections = list(self._open.items())
        for connection, thread in connections:
            with contextlib.suppress(OSError):  # the client closed it first
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)


class _Handler(BaseHTTPRequestHandler):
    """Reads a `Request` from the connection and writes a `Delivery` to it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    app: App
    stopping: threading.Event

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *_args: Any, **_kwargs: Any) -> None:
        """Log nothing: request lines contain authorization codes and signatures. The history has what tests need."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the client closed the connection, or we reset it

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(Delivery(Reply(413, b"a body needs a Content-Length of at most 10 MB", "text/plain")))
            return
        url = urlsplit(self.path)
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self._answer(Request(self.command, url.path, url.query, headers, body)))

    def _answer(self, request: Request) -> Delivery:
        try:
            return self.app(request)
        except Exception:
            # A bug in the simulator must not look like an injected fault.
            LOG.exception("the simulator failed at %s %s", request.method, request.path)
            return Delivery(Reply(500, b"the simulator itself failed; see its log", "text/plain"))

    def _send(self, delivery: Delivery) -> None:
        reply = delivery.reply
        if reply is None:
            self._reset()
            return
        if delivery.raw:
            self.close_connection = True
            self.wfile.write(delivery.raw)
            return
        head = self._head(reply)
        if delivery.truncated:
            self.wfile.write(head + reply.body[: len(reply.body) // 2])
            self.close_connection = True
        elif delivery.pause:
            self._drip(head, reply.body, delivery.pause)
        else:
            self.wfile.write(head + reply.body)

    def _head(self, reply: Reply) -> bytes:
        lines = [f"{self.protocol_version} {reply.status} {responses.get(reply.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        lines += [f"Content-Type: {reply.content_type}", f"Content-Length: {len(reply.body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def _drip(self, head: bytes, body: bytes, pause: float) -> None:
        self.wfile.write(head)
        for byte in body:
            if self.stopping.wait(pause):
                self.close_connection = True
                return
            self.wfile.write(bytes([byte]))

    def _reset(self) -> None:
        """Close so that the client sees a reset: a linger time of 0 discards unsent data and sends RST."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()  # it shares the socket, which closes only when its last user does
        self.connection.close()
