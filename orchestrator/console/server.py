"""Serves the console until it is stopped."""

import socket
import threading
from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.announcer import Announcer
from orchestrator.bootstrap import Keyturn
from orchestrator.console.app import Console, build
from orchestrator.console.demo_page import Faults
from orchestrator.console.live import Watcher
from orchestrator.operations.verbs import Verbs
from orchestrator.shortage import start
from orchestrator.site import LOOPBACK, Site, check_files, site_of
from orchestrator.stop_request import StopRequest
from states.errors import InvalidInput
from states.next_action import by_hand

MakeApi = Callable[[Keyturn, Site, Watcher, Verbs], ASGIApp]
"""Builds the API, which the same process serves: another face, so it is given."""
_API: Final = "/api/"
_LAST_PORT: Final = 65535
_SPARE: Final = 5
"""Seconds that a stopping console has in addition to what a verb that is under way may take."""


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that the console is served on; port 0 takes a free one.

    Raises InvalidInput where the port is in use, or the host is none of this computer's addresses.
    """
    another = by_hand("Choose another --port.")
    if not 0 <= port <= _LAST_PORT:
        raise InvalidInput(f"A port is 0 to {_LAST_PORT}, not {port}.", next_action=another)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((LOOPBACK if host == "localhost" else host, port), family=family)
    except OSError as error:
        raise InvalidInput(
            f"The console cannot listen on port {port} of {host}: {error.strerror}.", next_action=another
        ) from error
    # The accepted sockets inherit it; asyncio sets it only where a socket names its protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _by_path(console: ASGIApp, api: ASGIApp) -> ASGIApp:
    """Return what answers each request: the API below its path, and the console everything else."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["type"] == "http" and scope["path"].startswith(_API)
        await (api if is_api else console)(scope, receive, send)

    return answer


def serve(
    keyturn: Keyturn,
    listener: socket.socket,
    actor: str,
    stop: StopRequest,
    ready: Callable[[str], None],
    *,
    api: MakeApi,
    faults: Faults | None = None,
) -> None:
    """Serve until ``stop`` is set; what is under way is finished, within its bound.

    ``ready`` is called with the link for signing in as ``actor``, once the console answers. ``api`` builds what answers
    below /api. ``faults`` are the demo's.
    Raises InvalidSettings, TlsRequired, Exhausted.
    """
    settings = keyturn.settings.console
    check_files(settings)
    site = site_of(settings, *listener.getsockname()[:2])
    console = Console(keyturn, site, stop, faults)
    config = uvicorn.Config(
        _by_path(build(console), api(keyturn, site, console.watcher, console.verbs)),
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,  # the address of the sign-in page has its token
        server_header=False,
        proxy_headers=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=int(keyturn.settings.worker.stop_within) + _SPARE,
    )
    server = uvicorn.Server(config)
    # Not in the main thread: signals are this process's own, and uvicorn would raise them again at its end.
    thread = threading.Thread(target=server.run, args=([listener],), name="keyturn-console", daemon=True)
    start(thread)
    try:
        while not (server.started or stop.is_set()) and thread.is_alive():
            stop.wait(0.02)
        ready(f"{site.origin}/sign-in?token={console.sessions.make_link(actor)}")
        with keyturn.events.listening(stop.receive), Announcer(keyturn.store):
            while thread.is_alive() and not stop.wait(1.0):
                pass
    finally:
        console.watcher.stop()  # ends the streams, which would keep the server from stopping
        server.should_exit = True
        thread.join()
        console.carriers.join()
        console.overviews.close()
        listener.close()
