"""What lies below `requests`: connections that tell whether they were ever open, and that keep to a call's time.

`requests` reports a refused connection and one that was reset after sending by the same exception. Here the connection
itself tells the two apart.
"""

import contextlib
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError


def session(ca_bundle: str | None, within: float) -> requests.Session:
    """A session that takes nothing from the environment, keeps no cookie, and always verifies TLS.

    ``ca_bundle`` is a PEM file, else certifi's bundle is trusted; ``within`` (seconds) is all the time of one call.
    """
    made = _Session()
    made.trust_env = False
    made.verify = ca_bundle or True
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        made.mount(scheme, _Adapter(within))
    return made


class _Session(requests.Session):
    """Even with redirects off, `requests` reads a redirect's whole body, however long: it must not see one."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the signature is requests'
        return None


class NotConnected(Exception):
    """The connection was never open. No OSError, so that urllib3 and requests let it pass as it is."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(type(reason).__name__)
        self.reason = reason


@contextlib.contextmanager
def _connecting() -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPError) as error:
        raise NotConnected(error) from error


class NoThread(OSError):
    """This machine lets no more threads start."""


class _InTime(io.RawIOBase):
    """Reads from a socket, for its timeout in all: by itself, a socket gives every single read as much."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__()
        self._socket = connected
        self._raw = connected.makefile("rb", buffering=0)
        self._until = time.monotonic() + cast(float, connected.gettimeout())

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose head and body together must be there within what urllib3 left of the whole call's time.

    Else its reader raises TimeoutError.
    """

    def __init__(self, connected: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(connected, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_InTime(connected))


class _Connection(HTTPConnection):
    """Tells when it could not be opened, and gives each part of a call no more than what is left of the call's time."""

    response_class = _Response

    def __init__(self, *args: Any, within: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._within = within

    def connect(self) -> None:
        # A look-up of a name cannot be stopped, and each of its addresses has a timeout of its own: they are left
        # behind in a thread when they take too long. Whoever is first, it or the end of the time, settles the outcome.
        outcome: Future[None] = Future()
        opener = threading.Thread(target=self._open, args=(outcome,), name="keyturn-connect", daemon=True)
        with _connecting():
            try:
                opener.start()
            except RuntimeError as error:
                raise NoThread from error
            try:
                outcome.result(self._within)
            finally:
                outcome.cancel()

    def _open(self, outcome: "Future[None]") -> None:
        try:
            super().connect()
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            done = partial(outcome.set_exception, error)
        else:
            done = partial(outcome.set_result, None)
        try:
            done()
        except InvalidStateError:
            self.close()  # nobody waits any more, and nothing was sent


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection  # pyright: ignore[reportAssignmentType] - urllib3's own class does not fit either


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection  # pyright: ignore[reportAssignmentType] - likewise


class _Adapter(HTTPAdapter):
    def __init__(self, within: float) -> None:
        self._within = within
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        # A context of its own: urllib3's would write session keys to the file that SSLKEYLOGFILE names.
        super().init_poolmanager(*args, **kwargs, ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_Pool, within=self._within),
            "https": partial(_TlsPool, within=self._within),
        }
