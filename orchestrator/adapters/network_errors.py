"""What went wrong on the way to the other system, in an operator's words.

Nothing that an error says is repeated, as it may hold what was sent or received: the words are ours, or those that the
operating system and OpenSSL have for an error's number.
"""

import os
import socket
import ssl
from collections.abc import Callable
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected
from typing import Any, Final

from urllib3.exceptions import ProtocolError

from orchestrator.adapters.transport import NoThread

_NAMES: Final = {
    socket.EAI_NONAME: "no such host name",
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME): "no such host name",
    socket.EAI_AGAIN: "the name server does not answer",
}
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
"""OpenSSL's names for a first answer that is none of TLS."""


def in_words(error: BaseException) -> str:
    """What ``error``, or the first error behind it that is known, means; else the name of the error's class."""
    cause: BaseException | None = error
    while cause:
        if words := _known(cause):
            return words
        cause = _behind(cause)
    return type(error).__name__


def _behind(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _known(error: BaseException) -> str:
    return next((words(error) for kind, words in _KINDS if isinstance(error, kind)), "")


def _tls(error: ssl.SSLError) -> str:
    reason = getattr(error, "reason", None)
    if reason in _NO_TLS:
        return "it does not speak TLS"
    return f"TLS failed: {reason.lower().replace('_', ' ')}" if reason else "TLS failed"


def _system(error: OSError) -> str:
    words = os.strerror(error.errno) if error.errno else ""
    return words[:1].lower() + words[1:]


_KINDS: Final[tuple[tuple[type[BaseException], Callable[[Any], str]], ...]] = (
    (NoThread, lambda _: "this machine lets no more threads start"),
    (socket.gaierror, lambda error: _NAMES.get(error.errno, "the host name cannot be looked up")),
    (ssl.SSLError, _tls),
    (TimeoutError, lambda _: "no answer in time"),
    (RemoteDisconnected, lambda _: "the connection was closed"),
    (IncompleteRead, lambda _: "it was cut off"),
    (BadStatusLine, lambda _: "it is not HTTP"),
    (ProtocolError, lambda error: "" if _behind(error) else "it was cut off"),  # between two chunks
    (OSError, _system),
)
"""The first that fits counts: a narrower kind stands before a wider one."""
