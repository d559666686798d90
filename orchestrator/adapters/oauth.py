"""What both systems' OAuth 2.0 token endpoints answer (RFC 6749 sections 5.1 and 5.2)."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from orchestrator.adapters.decision_table import Check, first
from orchestrator.adapters.http import REDIRECTS, SERVER_ERRORS, Answer, retry_after
from orchestrator.adapters.quoting import quoted
from states.errors import KeyturnError, SignInRefused, Throttled, TryLater, WrongBaseUrl
from states.timing import ASSUMED_TOKEN_LIFE, TOKEN_EXPIRY_MARGIN

NO_ENDPOINT: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UPGRADE_REQUIRED)

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
"""Anything else could not stand in a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token as it was issued."""

    value: str = field(repr=False)
    expires_at: datetime
    refresh_token: str = field(default="", repr=False)
    """The one to use next time, or empty where none came with it."""

    def is_fresh(self, now: datetime) -> bool:
        """Whether it can still be used at ``now`` (UTC)."""
        return now < self.expires_at - TOKEN_EXPIRY_MARGIN


def issued(answer: Answer, now: datetime) -> Token | None:
    """The token in a 200 answer; None where there is none that could be used."""
    content = _content(answer)
    value, refresh_token = content.get("access_token"), content.get("refresh_token", "")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value) or not isinstance(refresh_token, str):
        return None
    try:
        # NetSuite has sent numbers and strings.
        seconds = float(str(content.get("expires_in", ASSUMED_TOKEN_LIFE.total_seconds())))
        expires_at = now + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        expires_at = now + ASSUMED_TOKEN_LIFE
    return Token(value=value, expires_at=expires_at, refresh_token=refresh_token)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A token endpoint's answer other than 200, as the checks look at it."""

    system: str
    status: int
    error: str = ""
    description: str = ""
    retry_after: float | None = None
    sent: Sequence[str] = field(default=(), repr=False)
    """The secrets of the request."""

    @property
    def told(self) -> str:
        """What the other side said, fit to be shown."""
        words = f"{self.error} {self.description}"
        return f"HTTP {self.status}" + (f", {quoted(words, self.sent)}" if self.error else "")


CHECKS: Final[tuple[Check[Refusal], ...]] = (
    Check(
        "wrong address",
        lambda it: it.status in REDIRECTS or it.status in NO_ENDPOINT,
        lambda it: WrongBaseUrl(f"{it.system} issues no tokens at this address ({it.told})."),
    ),
    Check(
        "throttled",
        lambda it: it.status == HTTPStatus.TOO_MANY_REQUESTS or it.error in ("temporarily_unavailable", "slow_down"),
        lambda it: Throttled(f"{it.system} issues no token for the moment ({it.told}).", retry_after=it.retry_after),
    ),
    Check(
        "server error",
        lambda it: it.status in SERVER_ERRORS or it.error == "server_error",
        lambda it: TryLater(f"{it.system} could not issue a token ({it.told}).", retry_after=it.retry_after),
    ),
    Check(
        "sign-in refused",
        lambda it: it.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or it.error != "",
        lambda it: SignInRefused(f"{it.system} refused to issue a token ({it.told})."),
    ),
    Check(
        "something else",
        lambda _: True,
        lambda it: TryLater(f"{it.system} answered the request for a token with something else ({it.told})."),
    ),
)
"""What an answer without a token means: the first check that applies decides."""


def refusal(system: str, answer: Answer, sent: Sequence[str] = ()) -> Refusal:
    """Take an answer without a token apart; ``sent`` are the secrets of its request. Never fails."""
    content = _content(answer)
    return Refusal(
        system,
        answer.status,
        str(content.get("error", "")),
        str(content.get("error_description", "")),
        retry_after(answer),
        sent,
    )


def error_of(refused: Refusal) -> KeyturnError:
    """The error that an answer without a token means."""
    return first(CHECKS, refused).error(refused)


def _content(answer: Answer) -> Mapping[str, object]:
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
