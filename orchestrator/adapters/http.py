"""HTTP client of both adapters: sends one request and returns one answer, or says whether the request was sent.

A request that fails before its connection is open was never sent. One that fails later may have arrived, although its
answer is lost (transport.py tells the two apart).
"""

import email.utils
import os
import re
import ssl
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import requests
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from orchestrator.adapters.answer_guard import guarded
from orchestrator.adapters.idle_connections import IDLE
from orchestrator.adapters.network_errors import describe
from orchestrator.adapters.quoting import may_quote
from orchestrator.adapters.transport import NotConnected, NotThisComputer, Proxy, session
from persistence.descriptors import descriptor_shortage
from states.base_url import check_url, origin_of
from states.errors import Exhausted, InvalidSettings, KeyturnError, Refused, TryLater, Unknown, WrongBaseUrl
from states.next_action import by_hand
from states.shortage import shortage
from states.timing import LONGEST_RETRY_AFTER

MAX_ANSWER_BYTES: Final = 1024 * 1024
"""The largest answer that is read, in bytes. The answers that Keyturn understands have a few thousand."""

REDIRECTS: Final = range(300, 400)
SERVER_ERRORS: Final = range(500, 600)

_PROXY_VARIABLES: Final = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_HOST: Final = r"(?:[A-Za-z0-9-]{1,39}(?:\.[A-Za-z0-9-]{1,39}){0,9})"
"""No label has 40 characters: so long a word may be a token (quoting.py)."""
_TARGET: Final = re.compile(rf"https?://(?:{_HOST}|\[[0-9A-Fa-f:.]{{2,45}}\])(?::\d{{1,5}})?(?=[/?#]|$)")
_GZIP: Final = 16 + zlib.MAX_WBITS
"""zlib's window for data with a gzip header."""
_LOST: Final = (requests.RequestException, HTTPError, OSError)
"""What requests and urllib3 raise where an answer is lost."""
_EXPECTED: Final = (NotConnected, *_LOST)
_HOST_MISMATCH: Final = (62, 64)
"""OpenSSL's codes for another host's certificate (X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of any status. The body may hold a token and stays out of ``repr``."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)


class Http:
    """Sends requests to one base URL. Safe to share between threads; call `close` when done.

    It verifies TLS always, follows no redirect, sends nothing twice and keeps no cookie. It ignores the proxies, netrc
    files, certificate bundles and key logs that the environment names. Its connections are closed when they are idle.
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        *,
        ca_bundle: str | None = None,
        proxy: Proxy | None = None,
        connect_within: float = 5.0,
        answer_within: float = 30.0,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            system: The other system's name in messages.
            base_url: https, or http to a loopback address.
            ca_bundle: A PEM file of trusted certificate authorities; without one, certifi's bundle is trusted.
            proxy: The way out of this network; without one, calls go straight to the other system.
            connect_within: The time limit for connecting to each of the host's addresses, in seconds.
            answer_within: The time limit of a whole call, in seconds: from the name lookup to the last byte of the
                answer, even if the bytes arrive one at a time.

        Raises:
            InvalidInput: The base URL is not allowed.
            InvalidSettings: The CA bundle cannot be read.
        """
        check_url(base_url)
        if ca_bundle:
            _require_readable_bundle(ca_bundle)
        self._base_url = base_url.rstrip("/")
        origin = origin_of(base_url)
        self._peer = f"{system} ({origin.host})"
        self._connect_within = connect_within
        self.answer_within = answer_within
        self._is_proxied = proxy is not None and origin.scheme == "https"
        if proxy and self._is_proxied:
            self._peer += f" through the proxy {proxy.host}"
        self._session = session(ca_bundle, answer_within, proxy)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        writes: bool,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send ``body`` to ``path`` under the base URL and return the answer, which may have any status.

        Sends at most once, so the caller decides whether to repeat: safe after TryLater, not after Unknown.

        Args:
            path: Begins with a slash; appended to the base URL.
            body: The request's body.
            headers: Replace the client's own headers of the same name.
            writes: Whether the request may change something in the other system.
            query: The parameters to append to the URL.

        Raises:
            TryLater: The request was never sent, or its answer was lost and it changes nothing.
            Unknown: The answer was lost, and the request may have changed something.
            Refused, WrongBaseUrl: The other system's TLS certificate is not acceptable; nothing was sent.
        """
        return self._call("POST", path, body, headers, writes=writes, query=query)

    def get(self, path: str, headers: Mapping[str, str], *, query: Mapping[str, str] | None = None) -> Answer:
        """Ask for ``path``: like ``post``, without a body, and it changes nothing in the other system.

        Raises TryLater, Refused, WrongBaseUrl.
        """
        return self._call("GET", path, None, headers, writes=False, query=query)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        writes: bool,
        query: Mapping[str, str] | None,
    ) -> Answer:
        # Answers are small. One that is compressed in spite of this header is expanded up to MAX_ANSWER_BYTES.
        headers = {"Accept-Encoding": "identity", "User-Agent": "Keyturn", **headers}
        timeout: Any = Timeout(connect=self._connect_within, total=self.answer_within)  # types-requests: numbers only
        try:
            with (
                IDLE.in_use(self._session),
                # Around the whole exchange: requests reads the head before it returns, and raises what it happens to.
                guarded(self._peer, lambda: self._lost_answer_error("it cannot be read", writes=writes), _EXPECTED),
                self._session.request(
                    method,
                    self._base_url + path,
                    params=query,
                    data=body,
                    headers=headers,
                    timeout=timeout,
                    stream=True,
                    allow_redirects=False,
                ) as response,
            ):
                return self._read_answer(response, writes=writes)
        # The order matters: only NotConnected proves that nothing was sent. Every later error, even while the request
        # was still being written, leaves it open how much of it arrived.
        except NotConnected as error:
            raise self._not_sent_error(error.reason) from error
        except _LOST as error:
            raise self._lost_answer_error(describe(error), writes=writes) from error

    def _read_answer(self, response: requests.Response, *, writes: bool) -> Answer:
        body = bytearray()
        # Read from urllib3 directly: requests' own readers would expand compression and load a body of any size.
        for chunk in response.raw.stream(65536, decode_content=False):
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise self._lost_answer_error(f"more than {MAX_ANSWER_BYTES} bytes", writes=writes)
        headers = {name.lower(): value for name, value in response.headers.items()}
        unpacked = _unpacked(headers, bytes(body))
        if unpacked is None:
            raise self._lost_answer_error("it cannot be decompressed", writes=writes)
        return Answer(response.status_code, headers, unpacked)

    def _not_sent_error(self, reason: Exception) -> KeyturnError:
        if isinstance(reason, NotThisComputer):
            return WrongBaseUrl(
                f"The base URL of {self._peer} is plain http, and its host is not this computer; nothing was sent."
            )
        if not isinstance(reason, ssl.SSLCertVerificationError):
            if lacking := shortage(reason) or descriptor_shortage():
                return Exhausted(f"{lacking.message} {self._peer} was not reached; nothing was sent.")
            return TryLater(
                f"{self._peer} could not be reached ({describe(reason)}); nothing was sent." + self._proxy_hint(),
                next_action=by_hand("Wait a minute. If this repeats, check the base URL and the network."),
            )
        if reason.verify_code in _HOST_MISMATCH:
            return WrongBaseUrl(f"{self._peer} answers with a TLS certificate for another host; nothing was sent.")
        return Refused(
            f"The TLS certificate of {self._peer} is not trusted ({reason.verify_message}); nothing was sent.",
            next_action=by_hand("Correct the base URL or the CA bundle."),
        )

    def _proxy_hint(self) -> str:
        """Name the variable by which other programs find their proxy here: Keyturn goes by its setting alone."""
        if self._is_proxied or not self._base_url.startswith("https:"):
            return ""
        ignored = next((name for name in _PROXY_VARIABLES if os.environ.get(name)), None)
        return (
            f" The environment variable {ignored} is ignored; the setting http.proxy names a proxy." if ignored else ""
        )

    def _lost_answer_error(self, what: str, *, writes: bool) -> KeyturnError:
        if writes:
            return Unknown(f"{self._peer} was sent a request, but its answer was lost ({what}).")
        return TryLater(f"The answer of {self._peer} was lost ({what}); the request changed nothing.")


def _require_readable_bundle(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        if lacking := shortage(error):
            raise lacking from error
        raise InvalidSettings(f"The CA bundle {path} cannot be read: {error.strerror or error}.") from error


def redirect_target(answer: Answer, sent: Sequence[str]) -> str:
    """Return scheme and host of the answer's Location; an empty string if it has none, or if it may quote a secret.

    Path and query are never shown. ``sent`` are the secrets in the request: a system that repeats the request may
    repeat them as a host too.
    """
    found = _TARGET.match(answer.headers.get("location", ""))
    if not found or may_quote(found[0].lower(), [secret.lower() for secret in sent]):  # hosts have no upper case
        return ""
    return found[0]


def _unpacked(headers: Mapping[str, str], body: bytes) -> bytes | None:
    """Return the body; of one that is compressed with gzip although none was asked for, what it expands to.

    None where that is broken, or larger than MAX_ANSWER_BYTES.
    """
    if headers.get("content-encoding", "").strip().lower() not in ("gzip", "x-gzip") or not body:
        return body
    unpacker = zlib.decompressobj(_GZIP)
    try:
        expanded = unpacker.decompress(body, MAX_ANSWER_BYTES + 1)
    except zlib.error:
        return None
    return expanded if unpacker.eof and len(expanded) <= MAX_ANSWER_BYTES else None


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that the answer's Retry-After asks for, at most LONGEST_RETRY_AFTER, or None.

    Retry-After holds seconds or a date (RFC 9110 section 10.2.3). A date is compared with the answer's own Date,
    because the other system's clock may differ from ours. The result is None if either is missing or invalid.
    """
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        until, sent = http_date(value), http_date(answer.headers.get("date", ""))
        if until is None or sent is None:
            return None
        seconds = (until - sent).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def http_date(text: str) -> datetime | None:
    """Return the moment (UTC) in an HTTP date, or None if it cannot be read."""
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a number that no date can hold
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
