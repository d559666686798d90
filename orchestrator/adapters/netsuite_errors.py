"""What an answer of the RESTlet's URL means: one ordered list of pure checks.

The platform and the RESTlet of suitescript/ both answer here. The platform's errors are documented at
https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_4389795065.html; its throttling is an HTTP 400
like any script's error, so a status alone never decides.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from orchestrator.adapters.decision_table import Check, first
from orchestrator.adapters.http import REDIRECTS, Answer, retry_after
from orchestrator.adapters.quoting import quoted
from states.errors import (
    CannotSign,
    CertificateRecordMissing,
    KeyturnError,
    NotPermitted,
    Refused,
    SignInRefused,
    Throttled,
    TryLater,
    Unknown,
    WrongBaseUrl,
)
from states.next_action import NextAction, Verb, by_hand

THROTTLES: Final = ("SSS_REQUEST_LIMIT_EXCEEDED", "WS_CONCUR_SESSION_DISALLWD", "WS_REQUEST_BLOCKED")
PERMISSIONS: Final = ("NOT_PERMITTED", "INSUFFICIENT_PERMISSION", "ACCESS_TO_CERTIFICATE_RESTRICTED")
NOT_DEPLOYED: Final = ("SSS_INVALID_SCRIPTLET_ID", "SSS_SCRIPT_NOT_FOUND")
NOT_UNDERSTOOD: Final = (
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)

_RECORD_NOT_FOUND: Final = re.compile(r"""Certificate ["']\w+["'] not found""")
"""Oracle's help writes the id in double quotes, its public typings in single ones."""
_CHALLENGE: Final = re.compile(r"""^\s*Bearer\b.*\berror="([a-z_]{1,32})\"""", re.IGNORECASE)
_DEPLOY: Final = by_hand("Deploy suitescript/ as its README.md describes.")
_REFUSED_FOR_GOOD: Final = NextAction(
    Verb.ABANDON,
    because="NetSuite would refuse this certificate again; begin another rotation with another key algorithm.",
    then=NextAction(Verb.EDIT_CONNECTION, {"algorithm": None}, then=NextAction(Verb.ROTATE)),
    alternatives=(by_hand("If the message names something in NetSuite, correct that instead."),),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the RESTlet's URL, as the checks look at it."""

    status: int
    writes: bool
    """Whether it answers a request that may have changed something."""
    code: str
    message: str
    """The error's name and words: the platform's, a script's, or the RESTlet's own; empty where there are none."""
    oauth_error: str
    """The `error` of a Bearer challenge (RFC 6750), or empty."""
    saved: bool
    """Whether the RESTlet says that it had saved the certificate before it failed."""
    retry_after: float | None
    done: Mapping[str, Any] | None = field(repr=False)
    """The RESTlet's answer where it did what it was asked."""
    sent: Sequence[str] = field(repr=False)
    """The secrets of the request."""

    @property
    def told(self) -> str:
        """What NetSuite said, fit to be shown."""
        words = f"{self.code}: {self.message}" if self.code else self.message
        return f"HTTP {self.status}" + (f", {quoted(words, self.sent)}" if words else "")


def read(answer: Answer, *, writes: bool, sent: Sequence[str] = ()) -> Reply:
    """Take ``answer`` apart. Never fails: what cannot be read is left empty. ``sent`` are its request's secrets."""
    content = _object(answer.body.decode(errors="replace"))
    error = content.get("error")
    code, message = _unpacked(error) if isinstance(error, dict) else ("", "")
    challenge = _CHALLENGE.match(answer.headers.get("www-authenticate", ""))
    return Reply(
        status=answer.status,
        writes=writes,
        code=code,
        message=message,
        oauth_error=challenge[1] if challenge else "",
        saved=isinstance(error, dict) and error.get("saved") is True,
        retry_after=retry_after(answer),
        done=content if answer.status == HTTPStatus.OK and content.get("outcome") == "done" else None,
        sent=sent,
    )


def _unpacked(error: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message; the message of an unhandled script error is a JSON text with the script's own."""
    code, message = str(error.get("code", "")), str(error.get("message", ""))
    inner = _object(message)
    return str(inner.get("name") or inner.get("code") or code), str(inner.get("message", message))


def _object(text: str) -> Mapping[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def unclear(reply: Reply) -> KeyturnError:
    """The script may have run: a write is in doubt until it is read back, a read is repeated."""
    if reply.writes:
        return Unknown(f"NetSuite did not say whether it took the certificate ({reply.told}).")
    return TryLater(f"NetSuite gave no usable answer ({reply.told}).", retry_after=reply.retry_after)


CHECKS: Final[tuple[Check[Reply], ...]] = (
    Check(
        "wrong address",
        lambda it: it.status in REDIRECTS or it.status == HTTPStatus.UPGRADE_REQUIRED,
        lambda it: WrongBaseUrl(f"NetSuite serves this account at another address ({it.told})."),
    ),
    Check(
        "throttled",
        lambda it: it.code in THROTTLES or it.status == HTTPStatus.TOO_MANY_REQUESTS,
        lambda it: Throttled(f"NetSuite asks for fewer requests ({it.told}).", retry_after=it.retry_after),
    ),
    Check("saved, then failed", lambda it: it.saved, unclear),
    Check(
        "record missing",
        lambda it: it.code == "CERTIFICATE_NOT_FOUND" or bool(_RECORD_NOT_FOUND.search(it.message)),
        lambda _: CertificateRecordMissing(),
    ),
    Check(
        "sign-in refused",
        lambda it: (
            it.status == HTTPStatus.UNAUTHORIZED or (it.status == HTTPStatus.BAD_REQUEST and it.oauth_error != "")
        ),
        lambda it: SignInRefused(f"NetSuite does not accept the access token ({it.oauth_error or it.told})."),
    ),
    Check(
        "permission missing",
        lambda it: it.status == HTTPStatus.FORBIDDEN or it.code in PERMISSIONS,
        lambda it: NotPermitted(f"NetSuite does not permit this to the role that Keyturn signs in with ({it.told})."),
    ),
    Check(
        "not deployed",
        lambda it: it.status == HTTPStatus.NOT_FOUND or it.code in NOT_DEPLOYED,
        lambda it: Refused(
            f"Keyturn's RESTlet is not deployed and released in NetSuite ({it.told}).", next_action=_DEPLOY
        ),
    ),
    Check(
        "another RESTlet",
        lambda it: it.status in NOT_UNDERSTOOD or it.code == "INVALID_REQUEST",
        lambda it: Refused(
            f"The RESTlet in NetSuite does not understand this request ({it.told}).", next_action=_DEPLOY
        ),
    ),
    Check(
        "too late",
        lambda it: it.code == "DEADLINE_PASSED",
        lambda _: TryLater(
            "The request reached NetSuite after its deadline, and changed nothing.",
            next_action=by_hand("Wait a minute. If this repeats, correct this machine's clock."),
        ),
    ),
    Check(
        "certificate refused",
        lambda it: it.code == "INVALID_CERTIFICATE",
        lambda it: Refused(
            f"NetSuite refused the certificate ({it.told}).",
            next_action=_REFUSED_FOR_GOOD,
        ),
    ),
    Check(
        "cannot sign",
        lambda it: it.code == "SIGNING_FAILED" and not it.writes,
        lambda it: CannotSign(f"NetSuite could not sign with the certificate record ({it.told})."),
    ),
    # What is left: 5xx, other script errors, a page instead of JSON, SIGNING_FAILED after an install, UNEXPECTED.
    Check("unclear", lambda _: True, unclear),
)
"""What an answer means in which nothing is done: the first check that applies decides."""


def error_of(reply: Reply) -> KeyturnError:
    """The error that ``reply`` means."""
    return first(CHECKS, reply).error(reply)
