"""Turns network exceptions into messages for operators.

No text of an exception is repeated, because it may quote what was sent or received. Every message is a constant of this
module, or the text that the operating system or OpenSSL has for the error's number.
"""

import os
import re
import socket
import ssl
from collections.abc import Callable
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected
from typing import Any, Final

from urllib3.exceptions import ProtocolError

_LOOKUP_ERRORS: Final = {
    socket.EAI_NONAME: "no such host name",
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME): "no such host name",
    socket.EAI_AGAIN: "the name server does not answer",
}
_NOT_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
"""OpenSSL's names for an error when the server's first bytes are not TLS."""
_TUNNEL: Final = re.compile(r"Tunnel connection failed: (\d{3})\b")
"""How Python reports a proxy that does not open the way; what follows is the proxy's own text."""


def describe(error: BaseException) -> str:
    """Return in a few words what ``error`` means.

    Follows the chain of causes to the first exception that this module knows: urllib3 and requests wrap the one that
    matters. Without one, returns the name of the class of ``error``.
    """
    cause: BaseException | None = error
    while cause:
        if text := _describe_known(cause):
            return text
        cause = _cause_of(cause)
    return type(error).__name__


def _cause_of(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _describe_known(error: BaseException) -> str:
    return next((text(error) for kind, text in _DESCRIPTIONS if isinstance(error, kind)), "")


def _describe_tls(error: ssl.SSLError) -> str:
    reason = getattr(error, "reason", None)
    if reason in _NOT_TLS:
        return "it does not speak TLS"
    return f"TLS failed: {reason.lower().replace('_', ' ')}" if reason else "TLS failed"


def _describe_os_error(error: OSError) -> str:
    if refused := _TUNNEL.match(str(error)):
        return f"the proxy answered {refused[1]}"
    text = os.strerror(error.errno) if error.errno else ""
    return text[:1].lower() + text[1:]


_DESCRIPTIONS: Final[tuple[tuple[type[BaseException], Callable[[Any], str]], ...]] = (
    (socket.gaierror, lambda error: _LOOKUP_ERRORS.get(error.errno, "the host name cannot be looked up")),
    (ssl.SSLError, _describe_tls),
    (TimeoutError, lambda _: "no answer in time"),
    (RemoteDisconnected, lambda _: "the connection was closed"),
    (IncompleteRead, lambda _: "it was cut off"),
    (BadStatusLine, lambda _: "it is not HTTP"),
    (ProtocolError, lambda error: "" if _cause_of(error) else "it was cut off"),  # between two chunks of the body
    (OSError, _describe_os_error),
)
"""The first class that fits decides, so a subclass precedes its base class."""
