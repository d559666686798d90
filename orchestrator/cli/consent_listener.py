"""Receives the browser that OpenAir sends back after a consent, on this computer (RFC 8252 section 7.3)."""

import socket
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer
from typing import Final
from urllib.parse import urlsplit

from states.base_url import is_loopback
from states.errors import InvalidInput, TryLater
from states.next_action import REPEAT, by_hand

_REQUEST_LIMIT: Final = 10.0
"""Seconds for a browser to send its request, so that one that sends nothing does not block another."""
_SEEN: Final = b"Keyturn has received OpenAir's answer. Close this window and go back to the terminal.\n"
_FOREIGN: Final = b"This address waits for the answer to a consent in OpenAir.\n"


def can_receive(redirect_uri: str) -> bool:
    """Whether a browser on this computer comes to this process: the redirect URI is http, loopback, with a port."""
    parts = urlsplit(redirect_uri)
    try:
        return parts.scheme == "http" and bool(parts.port) and is_loopback(parts.hostname or "")
    except ValueError:  # its port is none
        return False


class ConsentListener(HTTPServer):
    """Waits for the browser. Use it as a context manager; it listens from the start, so that no browser comes too soon.

    Raises InvalidInput where the port is taken.
    """

    def __init__(self, redirect_uri: str) -> None:
        """``redirect_uri`` is one that `can_receive`."""
        parts = urlsplit(redirect_uri)
        assert parts.port
        self.path = parts.path or "/"
        self.came_back = ""
        """The path and query that the browser asked for, once it came."""
        host = parts.hostname or ""
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, parts.port), _Handler)
        except OSError as error:
            raise InvalidInput(
                f"This computer cannot receive the browser at {redirect_uri}: {error.strerror}.",
                next_action=by_hand("Free that port, or add --paste.", REPEAT),
            ) from error

    def server_bind(self) -> None:
        """Bind without HTTPServer's lookup of the host name, which can block on a name server."""
        TCPServer.server_bind(self)

    def receive(self, within: float) -> str:
        """Return the path and query of the answer. Raises TryLater after ``within`` seconds without one."""
        over = time.monotonic() + within
        while not self.came_back:
            self.timeout = over - time.monotonic()
            if self.timeout <= 0:
                raise TryLater(f"No consent came within {within:.0f} seconds.", next_action=REPEAT)
            self.handle_request()
        return self.came_back

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: a connection that a browser opened and did not use is no error."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_LIMIT

    def do_GET(self) -> None:
        """Take the answer. Any other path, such as the browser's search for an icon, is not found."""
        listener = self.server
        assert isinstance(listener, ConsentListener)
        is_answer = urlsplit(self.path).path == listener.path
        self.send_response(HTTPStatus.OK if is_answer else HTTPStatus.NOT_FOUND)
        for name, value in (
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),  # the address holds the code
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(_SEEN if is_answer else _FOREIGN)
        if is_answer:
            listener.came_back = self.path

    def log_message(self, *_args: object, **_named: object) -> None:
        """Log nothing: the request line holds the code."""
