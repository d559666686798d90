"""A server with TLS on a machine, in front of one that this computer serves in clear on loopback."""

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

from machines.network import Machine

_PIECE: Final = 65536


@contextmanager
def tls_front(machine: Machine, context: ssl.SSLContext, plain_url: str) -> Iterator[str]:
    """Serve what ``plain_url`` serves, on the machine's address outside. Yields the URL with https."""
    place = urlsplit(plain_url)
    address = machine.address("outside")
    with machine.entered():
        listener = socket.create_server((address, 0))
    ended = threading.Event()

    def accept() -> None:
        while not ended.is_set():
            with suppress(OSError):  # a handshake that failed, a side that was reset, or the end of the listener
                arrived, _ = listener.accept()
                serve = (arrived, context, (str(place.hostname), int(place.port or 0)))
                threading.Thread(target=_serve, args=serve, name="tls-front-connection", daemon=True).start()

    thread = threading.Thread(target=accept, name="tls-front", daemon=True)
    thread.start()
    try:
        yield f"https://{address}:{listener.getsockname()[1]}"
    finally:
        ended.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # ends the wait for the next one
        thread.join()
        listener.close()


def _serve(arrived: socket.socket, context: ssl.SSLContext, plain: tuple[str, int]) -> None:
    with suppress(OSError), ExitStack() as stack:
        stack.enter_context(arrived)
        client = stack.enter_context(context.wrap_socket(arrived, server_side=True))
        server = stack.enter_context(socket.create_connection(plain))
        while True:
            ready = [client] if client.pending() else select.select([client, server], [], [])[0]
            for side, other in ((client, server), (server, client)):
                if side in ready:
                    piece = side.recv(_PIECE)
                    if not piece:
                        return
                    other.sendall(piece)
