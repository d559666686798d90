"""Reads the answers of both systems' OAuth 2.0 token endpoints (RFC 6749 sections 5.1 and 5.2)."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from orchestrator.adapters.decision_table import Rule, first_match
from orchestrator.adapters.http import REDIRECTS, SERVER_ERRORS, Answer, http_date, redirect_target, retry_after
from orchestrator.adapters.quoting import quote
from states.errors import KeyturnError, SignInRefused, Throttled, TryLater, WrongBaseUrl
from states.timing import ASSUMED_TOKEN_LIFE, TOKEN_EXPIRY_MARGIN

NO_ENDPOINT: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UPGRADE_REQUIRED)

CLIENT_ERRORS: Final = range(400, 500)
TRIES_WITHOUT_REASON: Final = 3
"""Postponements after a refusal without a reason: half an hour before the upload, a minute during an outage."""

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
"""Visible ASCII: a token of other characters cannot be sent in a header."""
_REFRESH_TOKEN: Final = re.compile(r"[\x20-\x7e]*")
"""RFC 6749 appendix A.17. One of other characters, such as half of a character, could not be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token as the endpoint issued it."""

    value: str = field(repr=False)
    expires_at: datetime
    refresh_token: str = field(default="", repr=False)
    """The refresh token to use next, or empty if the answer has none."""

    def is_fresh(self, now: datetime) -> bool:
        """Whether a request sent at ``now`` (UTC) can still use the token. False in its last minute."""
        return now < self.expires_at - TOKEN_EXPIRY_MARGIN


def parse_token(answer: Answer, now: datetime) -> Token | None:
    """Return the token in an answer with status 200; None if it holds no usable token.

    ``now`` (UTC) is the time before the request was sent: the token's lifetime counts from there.
    """
    content = _parse_object(answer)
    value, refresh_token = content.get("access_token"), content.get("refresh_token") or ""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        return None
    if not isinstance(refresh_token, str) or not _REFRESH_TOKEN.fullmatch(refresh_token):
        return None
    try:
        # RFC 6749 says a number. NetSuite has sent numbers and strings.
        seconds = float(_text(content, "expires_in"))
        expires_at = now + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        expires_at = now + ASSUMED_TOKEN_LIFE
    return Token(value=value, expires_at=expires_at, refresh_token=refresh_token)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A token endpoint's answer without a token, in the form that the rules read."""

    system: str
    status: int
    error: str = ""
    description: str = ""
    retry_after: float | None = None
    location: str = ""
    """Where a redirect points: scheme and host, or empty."""
    sent: Sequence[str] = field(default=(), repr=False)
    """The secrets in the request, which no message may show."""

    @property
    def summary(self) -> str:
        """Status and error on one line, safe to show: it withholds text that may quote a secret."""
        text = f"{self.error} {self.description}"
        target = f", to {self.location}" if self.location else ""
        return f"HTTP {self.status}{target}" + (f", {quote(text, self.sent)}" if self.error else "")


RULES: Final[tuple[Rule[Refusal], ...]] = (
    Rule(
        "wrong address",
        lambda it: it.status in REDIRECTS or it.status in NO_ENDPOINT,
        lambda it: WrongBaseUrl(f"{it.system} issues no tokens at this address ({it.summary})."),
    ),
    Rule(
        "throttled",
        lambda it: it.status == HTTPStatus.TOO_MANY_REQUESTS or it.error in ("temporarily_unavailable", "slow_down"),
        lambda it: Throttled(f"{it.system} issues no token for the moment ({it.summary}).", retry_after=it.retry_after),
    ),
    Rule(
        "server error",
        lambda it: it.status in SERVER_ERRORS or it.error == "server_error",
        lambda it: TryLater(f"{it.system} could not issue a token ({it.summary}).", retry_after=it.retry_after),
    ),
    Rule(
        "sign-in refusal",
        lambda it: it.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or it.error != "",
        lambda it: SignInRefused(f"{it.system} refusal to issue a token ({it.summary})."),
    ),
    Rule(
        "refusal without a reason",
        # RFC 6749 asks for a reason, so it may come from a gateway and pass. Mostly it is a wrong client or address.
        lambda it: it.status in CLIENT_ERRORS and it.status != HTTPStatus.REQUEST_TIMEOUT,
        lambda it: TryLater(
            f"{it.system} refused the request for a token without a reason ({it.summary}).",
            gives_up_after=TRIES_WITHOUT_REASON,
        ),
    ),
    Rule(
        "something else",
        lambda _: True,
        lambda it: TryLater(f"{it.system} answered the request for a token with something else ({it.summary})."),
    ),
)
"""Decides what an answer without a token means. The order matters: the first rule that applies decides."""


def parse_refusal(system: str, answer: Answer, sent: Sequence[str] = ()) -> Refusal:
    """Parse an answer without a token. Never fails: a field that cannot be read is left empty.

    ``system`` is the other system's name in messages; ``sent`` are the secrets in the request.
    """
    content = _parse_object(answer)
    return Refusal(
        system,
        answer.status,
        _text(content, "error"),
        _text(content, "error_description"),
        retry_after(answer),
        redirect_target(answer, sent),
        sent,
    )


def error_of(refusal: Refusal) -> KeyturnError:
    """Return the error that an answer without a token means."""
    return first_match(RULES, refusal).error(refusal)


def clock_ahead(answer: Answer, now: datetime) -> timedelta | None:
    """Return how far ``now`` (UTC) is ahead of the clock that dated ``answer``; None if its Date cannot be read."""
    dated = http_date(answer.headers.get("date", ""))
    return None if dated is None else now - dated


def _text(content: Mapping[str, object], name: str) -> str:
    """Return a text or a number as text; nothing for null, a list or an object, which give no reason and no time."""
    value = content.get(name)
    return str(value) if isinstance(value, str | int | float) else ""


def _parse_object(answer: Answer) -> Mapping[str, object]:
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
