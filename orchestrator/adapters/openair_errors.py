"""Turns answers from OpenAir's XML API into errors, by one decision table.

The HTTP status is 200 for nearly everything. The result is in the `status` attributes of the answer's elements.
https://docs.oracle.com/en/cloud/saas/netsuite-openair/nsoa-online-help/article_1127034536.html (Error Codes). The codes
9, 412, 413, 415, 417, 422, 502 to 506 and 606 are from public clients' tables of codes.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from orchestrator.adapters.decision_table import Rule, first_match
from orchestrator.adapters.http import REDIRECTS
from states.errors import (
    KeyturnError,
    NotPermitted,
    Refused,
    SignInRefused,
    Throttled,
    TryLater,
    Unknown,
    WrongBaseUrl,
)
from states.next_action import by_hand

SUCCESS: Final = "0"
UNKNOWN_ERROR: Final = "1"
NO_SUCH_RECORD: Final = "601"
"""Assumption: a Read that finds nothing may return this code, or succeed with an empty answer."""
SIGN_IN: Final = {
    "2": "not signed in",
    "9": "the session or access token is not valid, or has expired",
    "401": "company, user or password are wrong",
    "412": "the API namespace is not this company's",
    "415": "the company is archived",
    "416": "the user is locked",
    "417": "this machine's IP address is not allowed",
    "418": "the session or its authentication is not valid",
    "419": "the session or its authentication is not valid",
    "420": "the session or its authentication is not valid",
    "502": "the API key is not accepted",
    "503": "the API key is missing or not valid",
    "504": "the API namespace is missing or not valid",
    "505": "the API namespace and key do not match",
    "506": "the API key is disabled",
}
TOKEN_REFUSED: Final = ("2", "9", "401", "418", "419", "420")
"""The codes for an access token that was revoked or has expired early. Keyturn tries once with a new one."""
SESSION_ENDED: Final = ("9", "419")
"""Passing where Keyturn signs in with a password: each request signs in again, so there is no session to lose
(assumption)."""
NOT_PRIVILEGED: Final = "413"
NOT_ACCEPTED: Final = ("424", "1106", "1418")
"""OpenAir did not accept the Preference. 1418 is "invalid preference settings format" (release history, April 2023)."""
WRONG_ADDRESS: Final = ("6", "426")
LIMIT_EXCEEDED: Final = "556"
TEMPORARY: Final = {
    "414": "it is not available for the moment",
    "422": "its directory server is not available",
    "606": "it is busy for a few minutes",
    NO_SUCH_RECORD: "the Preference was deleted meanwhile",
    "965": "the record could not be saved",
}
"""OpenAir documents 965 for files. That it also applies to Preferences, and that a retry helps, is an assumption."""

_NO_API: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UPGRADE_REQUIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer from the XML API, in the form that the rules read."""

    status: int
    command: str
    """Read, Add or Modify."""
    code: str = ""
    """The first code other than success, of Auth or else of the command; empty if the answer cannot be read."""
    location: str = ""
    """Where a redirect points: scheme and host, or empty."""
    by_token: bool = True
    """Whether the request signed in with an access token, and not with a password."""
    retry_after: float | None = None

    @property
    def summary(self) -> str:
        """The command, and the code or HTTP status, safe to show: it has no text of OpenAir's."""
        target = f", to {self.location}" if self.location else ""
        return f"{self.command}, " + (f"code {self.code}" if self.code else f"HTTP {self.status}{target}")


def unclear(reply: Reply) -> KeyturnError:
    """Return the error for an answer that does not show whether OpenAir carried out the command.

    A write is in doubt until its result is read back (Unknown). A read changed nothing, so it is retried (TryLater).
    """
    if reply.command != "Read":
        return Unknown(f"OpenAir did not say whether it saved the certificate ({reply.summary}).")
    return TryLater(f"OpenAir gave no usable answer ({reply.summary}).", retry_after=reply.retry_after)


RULES: Final[tuple[Rule[Reply], ...]] = (
    Rule(
        "wrong address",
        lambda it: it.code in WRONG_ADDRESS or it.status in REDIRECTS or it.status in _NO_API,
        lambda it: WrongBaseUrl(f"OpenAir serves this company at another address ({it.summary})."),
    ),
    Rule(
        "throttled",
        lambda it: it.code == LIMIT_EXCEEDED or it.status == HTTPStatus.TOO_MANY_REQUESTS,
        lambda it: Throttled(f"OpenAir's limit of requests is exceeded ({it.summary}).", retry_after=it.retry_after),
    ),
    Rule(
        "session ended",
        lambda it: it.code in SESSION_ENDED and not it.by_token,
        lambda it: TryLater(f"OpenAir ended the session ({it.summary}).", retry_after=it.retry_after),
    ),
    Rule(
        "sign-in refused",
        lambda it: it.code in SIGN_IN or it.status == HTTPStatus.UNAUTHORIZED,
        lambda it: SignInRefused(f"OpenAir refused the sign-in: {SIGN_IN.get(it.code, 'no reason')} ({it.summary})."),
    ),
    Rule(
        "not permitted",
        lambda it: it.status == HTTPStatus.FORBIDDEN or it.code == NOT_PRIVILEGED,
        lambda it: NotPermitted(
            f"OpenAir does not permit this company or Keyturn's user to use the XML API ({it.summary}).",
            next_action=by_hand("Let the user use the XML API and edit Preferences."),
        ),
    ),
    Rule(
        "temporary",
        lambda it: it.code in TEMPORARY,
        lambda it: TryLater(f"OpenAir says: {TEMPORARY[it.code]} ({it.summary}).", retry_after=it.retry_after),
    ),
    Rule(
        "not accepted",
        lambda it: it.code in NOT_ACCEPTED,
        lambda it: Refused(
            f"OpenAir did not accept the Preference ({it.summary}).",
            next_action=by_hand("Correct the Preference's name in the connection, or what OpenAir allows in it."),
        ),
    ),
    Rule("unclear", lambda it: it.code in ("", UNKNOWN_ERROR), unclear),
    Rule(
        "refused",
        lambda _: True,
        lambda it: Refused(
            f"OpenAir refused the request ({it.summary}).",
            next_action=by_hand("Look the code up in OpenAir's API error codes, and correct what it names."),
        ),
    ),
)
"""Decides what an answer without success means. The order matters: the first rule that applies decides."""


def error_of(reply: Reply) -> KeyturnError:
    """Return the error that ``reply`` means; it must not be a success."""
    return first_match(RULES, reply).error(reply)
