"""A TCP server that runs a test's handler for each connection."""

import contextlib
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable

Handler = Callable[[socket.socket], None]


class ScriptedServer:
    """Listens on a loopback port until it is closed."""

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
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._handler(connection)

    def close(self) -> None:
        # close() alone does not wake the thread in accept(); shutdown() does
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def read_request(connection: socket.socket) -> bytes:
    """Return one whole request with a Content-Length, or no bytes if the client closed the connection."""
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


def reset_on_close(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drip(connection: socket.socket, *data: bytes) -> None:
    """Send ``data`` byte by byte, and its last part again and again until the client closes the connection."""
    for byte in itertools.chain(b"".join(data), itertools.cycle(data[-1])):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)
