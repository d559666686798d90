"""What lies below `requests`: connections that tell whether they were ever open, and that keep to a call's time.

`requests` reports a refused connection and one that was reset after sending by the same exception. Here the connection
itself tells the two apart.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
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


def _start(thread: threading.Thread) -> None:
    try:
        thread.start()
    except RuntimeError as error:
        raise NoThread from error


@contextlib.contextmanager
def cut_after(seconds: float, cut: Callable[[], object]) -> Iterator[None]:
    """Stop the block's reading from a connection after ``seconds``: a socket's timeout only bounds each single read.

    Raises TimeoutError then, whatever the block makes of the cut: some readers take it for the end of the answer.
    Raises NoThread where nothing could watch over it.
    """
    too_late = threading.Event()

    def stop() -> None:
        too_late.set()
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # the answer was complete in the same moment
            cut()

    timer = threading.Timer(max(seconds, 0.0), stop)
    timer.daemon = True
    _start(timer)
    try:
        yield
    except Exception as error:
        if too_late.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if too_late.is_set():
        raise TimeoutError


class _Connection(HTTPConnection):
    """Tells when it could not be opened, and gives each part of a call no more than what is left of the call's time."""

    def __init__(self, *args: Any, within: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._within = within

    def connect(self) -> None:
        # A look-up of a name cannot be stopped, and each of its addresses has a timeout of its own: they are left
        # behind in a thread when they take too long. Whoever is first, it or the end of the time, settles the outcome.
        outcome: Future[None] = Future()
        opener = threading.Thread(target=self._open, args=(outcome,), name="keyturn-connect", daemon=True)
        with _connecting():
            _start(opener)
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

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as in urllib3
        seconds = cast(float, self.timeout)  # what urllib3 left of the whole call's time
        with cut_after(seconds, partial(self.sock.shutdown, socket.SHUT_RDWR)):
            return super().getresponse()


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
