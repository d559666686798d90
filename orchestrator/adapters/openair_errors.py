"""What an answer of OpenAir's XML API means: one ordered list of pure checks.

HTTP is 200 for nearly everything; the codes are in the `status` attributes of the answer's elements.
https://docs.oracle.com/en/cloud/saas/netsuite-openair/nsoa-online-help/article_1127034536.html (Error Codes)
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from orchestrator.adapters.decision_table import Check, first
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
"""Assumption: a Read that finds nothing may say so by this code, or succeed with nothing in it."""
SIGN_IN: Final = {
    "2": "not signed in",
    "401": "company, user or password are wrong",
    "413": "the API namespace or key is wrong",
    "416": "the user is locked",
    "418": "the session or its authentication is not valid",
    "419": "the session or its authentication is not valid",
    "420": "the session or its authentication is not valid",
}
TOKEN_REFUSED: Final = ("2", "401", "418", "419", "420")
"""How an access token that was revoked or has expired early may be refused: a new one is worth one try."""
WRONG_ADDRESS: Final = ("6", "426")
LIMIT_EXCEEDED: Final = "556"
TEMPORARY: Final = {
    "414": "it is not available for the moment",
    NO_SUCH_RECORD: "the Preference was deleted meanwhile",
    "965": "the record could not be saved",
}
"""965 is documented for files; that a Preference may be refused so, and another try help, is an assumption."""

_NO_API: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UPGRADE_REQUIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the XML API, as the checks look at it."""

    status: int
    command: str
    """Read, Add or Modify."""
    code: str = ""
    """The first code that is not success: of Auth, else of the command; empty where the answer cannot be read."""
    retry_after: float | None = None

    @property
    def told(self) -> str:
        """What OpenAir said, fit to be shown."""
        return f"{self.command}, " + (f"code {self.code}" if self.code else f"HTTP {self.status}")


def unclear(reply: Reply) -> KeyturnError:
    """The command may have been carried out: a write is in doubt until it is read back, a read is repeated."""
    if reply.command != "Read":
        return Unknown(f"OpenAir did not say whether it saved the certificate ({reply.told}).")
    return TryLater(f"OpenAir gave no usable answer ({reply.told}).", retry_after=reply.retry_after)


CHECKS: Final[tuple[Check[Reply], ...]] = (
    Check(
        "wrong address",
        lambda it: it.code in WRONG_ADDRESS or it.status in REDIRECTS or it.status in _NO_API,
        lambda it: WrongBaseUrl(f"OpenAir serves this company at another address ({it.told})."),
    ),
    Check(
        "throttled",
        lambda it: it.code == LIMIT_EXCEEDED or it.status == HTTPStatus.TOO_MANY_REQUESTS,
        lambda it: Throttled(f"OpenAir's limit of requests is exceeded ({it.told}).", retry_after=it.retry_after),
    ),
    Check(
        "sign-in refused",
        lambda it: it.code in SIGN_IN or it.status == HTTPStatus.UNAUTHORIZED,
        lambda it: SignInRefused(f"OpenAir refused the sign-in: {SIGN_IN.get(it.code, 'no reason')} ({it.told})."),
    ),
    Check(
        "not permitted",
        lambda it: it.status == HTTPStatus.FORBIDDEN,
        lambda it: NotPermitted(
            f"OpenAir does not permit this to Keyturn's user ({it.told}).",
            next_action=by_hand("Let the user use the XML API and edit Preferences."),
        ),
    ),
    Check(
        "temporary",
        lambda it: it.code in TEMPORARY,
        lambda it: TryLater(f"OpenAir says: {TEMPORARY[it.code]} ({it.told}).", retry_after=it.retry_after),
    ),
    Check("unclear", lambda it: it.code in ("", UNKNOWN_ERROR), unclear),
    Check(
        "refused",
        lambda _: True,
        lambda it: Refused(
            f"OpenAir refused the request ({it.told}).",
            next_action=by_hand("Look the code up in OpenAir's API error codes, and correct what it names."),
        ),
    ),
)
"""What an answer without success means: the first check that applies decides."""


def error_of(reply: Reply) -> KeyturnError:
    """The error that ``reply`` means."""
    return first(CHECKS, reply).error(reply)
