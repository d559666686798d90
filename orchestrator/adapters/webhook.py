"""Posts the messages about alerts to a URL, signed as Standard Webhooks has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from http import HTTPStatus
from pathlib import Path
from typing import Final

from orchestrator.adapters.http import REDIRECTS, SERVER_ERRORS, Http
from orchestrator.views.alert import body
from states.alert import Message
from states.errors import AlertRefused, InvalidSettings, TryLater
from states.next_action import by_hand
from states.ports import Clock
from states.shortage import shortage

WITHIN: Final = 10.0
"""Seconds for a call. A receiver should note the message and answer at once."""
_PREFIX: Final = "whsec_"
_SHORTEST_SECRET: Final = 24
_LONGEST_SECRET: Final = 64
"""Bytes, as the specification says."""
_LATER: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class Webhook:
    """A receiver behind a URL. It may get a message more than once, always with the same id."""

    def __init__(self, http: Http, secret: bytes, clock: Clock) -> None:
        self._http = http
        self._secret = secret
        self._clock = clock

    def send(self, message: Message) -> None:
        """Post ``message``. Safe to repeat: the receiver tells a repetition by the id.

        Raises:
            TryLater: The receiver is away, or says that it has no time now.
            Unknown: Its answer was lost.
            AlertRefused: It answers with an error.
            Refused, WrongBaseUrl: Its TLS certificate is not acceptable.
        """
        content, now = body(message), int(self._clock.now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(self._secret, message.id, now, content),
        }
        status = self._http.post("", content, headers, writes=True).status
        if status in _LATER or status in SERVER_ERRORS:
            raise TryLater(f"The receiver answers with {status}.")
        if status in REDIRECTS:
            raise AlertRefused(f"The receiver answers with {status}, and redirects are not followed.")
        if not HTTPStatus(200) <= status < HTTPStatus(300):
            raise AlertRefused(f"The receiver answers with {status}.")


def sign(secret: bytes, message_id: str, timestamp: int, content: bytes) -> str:
    """Return the signature of a message: of its id, of when it is sent (seconds since 1970), and of its body."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), content))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def read_secret(name: str, file: Path) -> bytes:
    """Read the secret of the route ``name``. Raises InvalidSettings where the file has none; Exhausted."""
    setting = f"The file alerts.routes.{name}.secret_file, {file},"
    try:
        text = file.read_text(encoding="ascii").strip()
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (UnicodeDecodeError, binascii.Error):
        secret = b""
    except OSError as error:
        if lacking := shortage(error):
            raise lacking from error
        raise InvalidSettings(f"{setting} cannot be read: {error.strerror}.") from error
    if not _SHORTEST_SECRET <= len(secret) <= _LONGEST_SECRET:
        raise InvalidSettings(
            f"{setting} has no secret of {_SHORTEST_SECRET} to {_LONGEST_SECRET} bytes in base64.",
            next_action=by_hand("Write one into it: printf whsec_; openssl rand -base64 32."),
        )
    return secret
