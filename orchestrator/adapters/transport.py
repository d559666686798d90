"""Sessions for `requests` whose connections report whether they were ever open, and keep to one time limit per call.

`requests` raises the same exception for a connection that was refused and for one that was reset after sending. The
first is safe to repeat, the second is not. So the connection itself raises NotConnected if it was never open.
"""

import base64
import contextlib
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.connection import is_connection_dropped

from orchestrator.shortage import start
from states.base_url import is_loopback, origin_of


@dataclass(frozen=True, slots=True)
class Proxy:
    """The way out of a network: every https call goes through it. Plain http, which is for loopback alone, does not."""

    url: str
    """http or https, with host and port; without user and password."""
    credentials: str | None = field(default=None, repr=False)
    """``user:password``, sent to the proxy alone."""

    @property
    def host(self) -> str:
        """The proxy's name in messages."""
        return str(origin_of(self.url))


class Session(requests.Session):
    """Hides redirects from `requests`: even with redirects off, it reads a redirect's whole body, of any length."""

    @property
    def is_dropped(self) -> bool:
        """Whether the other side closed a connection that no call uses. Ask only while the session has no call."""
        adapters = [each for each in self.adapters.values() if isinstance(each, HTTPAdapter)]
        managers = [each for adapter in adapters for each in (adapter.poolmanager, *adapter.proxy_manager.values())]
        # A closed connection can be read from: it gives the end at once. So can one on which nothing was asked for.
        return any(
            connection is not None and connection.sock is not None and is_connection_dropped(connection)
            for manager in managers
            for key in manager.pools.keys()  # noqa: SIM118 - urllib3's own container, which is no dict
            if (pool := manager.pools.get(key)) is not None and pool.pool is not None
            for connection in list(pool.pool.queue)
        )

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the signature is requests'
        """Return None: see above."""
        return


def session(ca_bundle: str | None, within: float, proxy: Proxy | None = None) -> Session:
    """Create a session that reads no settings from the environment, keeps no cookie, and always verifies TLS.

    Args:
        ca_bundle: A PEM file of trusted certificate authorities; without one, certifi's bundle is trusted.
        within: The time limit for one whole call, in seconds.
        proxy: The way out of this network; without one, calls go straight to the other system.
    """
    made = Session()
    made.trust_env = False
    made.verify = ca_bundle or True
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if proxy:
        made.proxies = {"https": proxy.url}
    for scheme in ("https://", "http://"):
        made.mount(scheme, _Adapter(within, proxy.credentials if proxy else None))
    return made


class NotConnected(Exception):
    """The connection was never open, so nothing was sent.

    It is no OSError, because urllib3 and requests would wrap one in their own exceptions.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(type(reason).__name__)
        self.reason = reason


@contextlib.contextmanager
def _raising_not_connected() -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPError, http.client.HTTPException) as error:  # the last one for a proxy's answer
        raise NotConnected(error) from error


class NotThisComputer(OSError):
    """A connection without TLS does not end at this computer: nothing may be sent on it."""


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket until a deadline: the socket's timeout, counted once from now.

    A socket applies its timeout to every single read, so a server that sends a byte at a time could hold a worker for
    ever. The clock is monotonic: a change of the wall clock must not stretch the limit.
    """

    def __init__(self, connected: socket.socket) -> None:
        super().__init__()
        self._socket = connected
        self._raw = connected.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + cast(float, connected.gettimeout())

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose head and body must arrive within the rest of the call's time; otherwise raises TimeoutError.

    urllib3 sets the socket's timeout to that rest before it reads the answer.
    """

    def __init__(self, connected: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(connected, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_DeadlineReader(connected))


class _Connection(HTTPConnection):
    """Raises NotConnected if it cannot be opened, and limits each part of a call to the rest of the call's time."""

    def __init__(self, *args: Any, within: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._within = within
        self._answer: _Response | None = None
        self.response_class = self._receive  # type: ignore[assignment]  # http.client only calls it

    def _receive(self, *args: Any, **kwargs: Any) -> _Response:
        self._answer = _Response(*args, **kwargs)
        return self._answer

    def getresponse(self) -> Any:
        """Return the answer's head. Closes the answer where urllib3 refuses its head, which forgets to."""
        try:
            return super().getresponse()
        except BaseException:
            if self._answer:
                self._answer.close()
            raise

    def connect(self) -> None:
        # A name lookup cannot be interrupted, and each of the host's addresses has its own timeout. So both happen in a
        # thread, which is abandoned when the time is over. Thread and time limit race for the Future: the thread sets
        # its result, or the caller cancels it, and only the first of the two succeeds.
        outcome: Future[None] = Future()
        opener = threading.Thread(target=self._open, args=(outcome,), name="keyturn-connect", daemon=True)
        with _raising_not_connected():
            start(opener)  # raises Exhausted where the machine has no thread to spare; nothing is sent then
            try:
                outcome.result(self._within)
            finally:
                outcome.cancel()

    def _open(self, outcome: "Future[None]") -> None:
        try:
            super().connect()
        except Exception as error:  # noqa: BLE001 - connect() raises it in the waiting thread
            done = partial(outcome.set_exception, error)
        else:
            done = partial(outcome.set_result, None)
        try:
            done()
        except InvalidStateError:
            self.close()  # the caller has given up: the connection was opened too late, and nothing was sent on it


class _PlainConnection(_Connection):
    """Ends at this computer. The URL names a loopback address, or a name, which may be resolved to another address."""

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        try:
            if not is_loopback(connected.getpeername()[0]):
                raise NotThisComputer
        except OSError:  # or the other side has reset it already
            connected.close()
            raise
        return connected


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection  # pyright: ignore[reportAssignmentType] - urllib3's own class does not fit either


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection  # pyright: ignore[reportAssignmentType] - likewise


class _Adapter(HTTPAdapter):
    def __init__(self, within: float, proxy_credentials: str | None) -> None:
        self._within = within
        self._proxy_credentials = proxy_credentials
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=_ssl_context())
        self._use_own_connections(self.poolmanager)

    def build_connection_pool_key_attributes(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        # What checked the URL also says where to connect: requests' own parser has no say.
        origin = origin_of((request.url or "").partition("?")[0])
        _, tls = super().build_connection_pool_key_attributes(request, *args, **kwargs)
        return {"scheme": origin.scheme, "host": origin.host, "port": origin.port}, tls

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy not in self.proxy_manager:
            self._use_own_connections(super().proxy_manager_for(proxy, **kwargs, ssl_context=_ssl_context()))
        return self.proxy_manager[proxy]

    def proxy_headers(self, proxy: str) -> dict[str, str]:  # noqa: ARG002 - the signature is requests'
        if not self._proxy_credentials:
            return {}
        encoded = base64.b64encode(self._proxy_credentials.encode()).decode()  # UTF-8: RFC 7617
        return {"Proxy-Authorization": f"Basic {encoded}"}

    def _use_own_connections(self, manager: Any) -> None:  # urllib3's types know classes alone
        manager.pool_classes_by_scheme = {
            "http": partial(_Pool, within=self._within),
            "https": partial(_TlsPool, within=self._within),
        }


def _ssl_context() -> ssl.SSLContext:
    # Our own context: the one that urllib3 creates writes TLS session keys to the file that SSLKEYLOGFILE names.
    # PROTOCOL_TLS_CLIENT verifies certificates and host names from the start.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
