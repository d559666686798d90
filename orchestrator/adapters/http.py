"""HTTP as both adapters use it: one request, one answer; where there is none, a clear word on what may have happened.

What fails before the connection is open was never sent; what fails later may have arrived (transport.py).
"""

import email.utils
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from orchestrator.adapters.network_errors import in_words
from orchestrator.adapters.transport import NotConnected, session
from states.connection import check_url
from states.errors import InvalidSettings, KeyturnError, Refused, TryLater, Unknown, WrongBaseUrl
from states.next_action import by_hand
from states.timing import LONGEST_RETRY_AFTER

MOST_BYTES: Final = 1024 * 1024
"""The largest answer that is read, in bytes. The answers that are understood have a few thousand."""

REDIRECTS: Final = range(300, 400)
SERVER_ERRORS: Final = range(500, 600)

_WRONG_HOST: Final = (62, 64)
"""OpenSSL's codes for a certificate that names another host (X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, whatever its status. The body may hold a token and stays out of ``repr``."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)


class Http:
    """Sends requests to one base URL. Safe to share between threads; close it when done.

    No redirect is followed, nothing is sent twice, no cookie is kept; proxies, netrc, certificate bundles and key logs
    that the environment names are ignored; TLS is always verified.
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        *,
        ca_bundle: str | None = None,
        connect_within: float = 5.0,
        answer_within: float = 30.0,
    ) -> None:
        """``system`` is its name in messages; ``ca_bundle`` is a PEM file, else certifi's bundle is trusted.

        ``answer_within`` (seconds) bounds the whole call, from looking the host's name up to the answer's last byte,
        also when that drips in byte by byte; ``connect_within`` bounds the try of each of the host's addresses. Raises
        InvalidInput for a base URL that is neither https nor http to a loopback address, InvalidSettings for a CA
        bundle that cannot be read.
        """
        check_url(base_url)
        if ca_bundle:
            _check_bundle(ca_bundle)
        self._base_url = base_url.rstrip("/")
        self._peer = f"{system} ({urlsplit(base_url).hostname})"
        self._connect_within = connect_within
        self.answer_within = answer_within
        self._session = session(ca_bundle, answer_within)

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
        """Send ``body`` to ``path`` under the base URL and return the answer, whatever its status.

        ``writes`` says whether the request may change something there. Raises TryLater when it was never sent, or when
        its answer was lost and it changes nothing; Unknown when its answer was lost and it may have changed something;
        Refused or WrongBaseUrl when the other side's TLS certificate is not acceptable.
        """
        # The answers are small. What comes compressed in spite of this is not expanded: it might be a bomb.
        headers = {"Accept-Encoding": "identity", "User-Agent": "Keyturn", **headers}
        timeout: Any = Timeout(connect=self._connect_within, total=self.answer_within)  # types-requests: numbers only
        try:
            response = self._session.post(
                self._base_url + path,
                params=query,
                data=body,
                headers=headers,
                timeout=timeout,
                stream=True,
                allow_redirects=False,
            )
            with response:
                return self._complete(response, writes=writes)
        except NotConnected as error:
            raise self._not_sent(error.reason) from error
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self._lost(in_words(error), writes=writes) from error

    def _complete(self, response: requests.Response, *, writes: bool) -> Answer:
        body = bytearray()
        for chunk in response.raw.stream(65536, decode_content=False):
            body += chunk
            if len(body) > MOST_BYTES:
                raise self._lost(f"more than {MOST_BYTES} bytes", writes=writes)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, bytes(body))

    def _not_sent(self, reason: Exception) -> KeyturnError:
        if not isinstance(reason, ssl.SSLCertVerificationError):
            return TryLater(
                f"{self._peer} could not be reached ({in_words(reason)}); nothing was sent.",
                next_action=by_hand("Wait a minute. If this repeats, check the base URL and the network."),
            )
        if reason.verify_code in _WRONG_HOST:
            return WrongBaseUrl(f"{self._peer} answers with a TLS certificate for another host; nothing was sent.")
        return Refused(
            f"The TLS certificate of {self._peer} is not trusted ({reason.verify_message}); nothing was sent.",
            next_action=by_hand("Correct the base URL or the CA bundle."),
        )

    def _lost(self, what: str, *, writes: bool) -> KeyturnError:
        if writes:
            return Unknown(f"{self._peer} was sent a request, but its answer was lost ({what}).")
        return TryLater(f"The answer of {self._peer} was lost ({what}); the request changed nothing.")


def _check_bundle(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        raise InvalidSettings(f"The CA bundle {path} cannot be read: {error.strerror or error}.") from error


def retry_after(answer: Answer) -> float | None:
    """The seconds that the answer's Retry-After asks for (RFC 9110 section 10.2.3), capped; None without a valid one.

    A date is measured against the answer's own Date, so that clocks may disagree.
    """
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        seconds = float(asked)
    else:
        until, sent = _http_date(asked), _http_date(answer.headers.get("date", ""))
        if until is None or sent is None:
            return None
        seconds = (until - sent).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _http_date(text: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
