"""Turns answers from the RESTlet's URL into errors, by one decision table.

Both NetSuite's platform and the RESTlet of suitescript/ answer at this URL. Oracle documents the platform's errors at
https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_4389795065.html. The platform throttles with an
HTTP 400, like any error of a script, so the rules look at the error's code before the status.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from orchestrator.adapters.decision_table import Rule, first_match
from orchestrator.adapters.http import REDIRECTS, Answer, redirect_target, retry_after
from orchestrator.adapters.quoting import quote
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

THROTTLES: Final = (
    "SSS_REQUEST_LIMIT_EXCEEDED",
    "CONCURRENCY_LIMIT_EXCEEDED",
    "WS_CONCUR_SESSION_DISALLWD",
    "WS_REQUEST_BLOCKED",
)
SIGN_IN_REFUSED: Final = ("INVALID_LOGIN_ATTEMPT", "INVALID_LOGIN")
"""Also with HTTP 403, according to public reports (https://github.com/julbrs/netsuite-api-client/issues/26)."""
_KEY_FILE: Final = "KEY_FILE"
"""What a warning of the RESTlet about the file of a private key is marked with."""
PERMISSIONS: Final = ("NOT_PERMITTED", "INSUFFICIENT_PERMISSION", "ACCESS_TO_CERTIFICATE_RESTRICTED")
NOT_DEPLOYED: Final = ("SSS_INVALID_SCRIPTLET_ID", "SSS_SCRIPT_NOT_FOUND")
NOT_OUR_RESTLET: Final = (
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)

_RECORD_NOT_FOUND: Final = re.compile(r"""Certificate ["']\w+["'] not found""")
"""Oracle's help shows the id in double quotes, Oracle's public typings show it in single quotes."""
_PLAIN: Final = re.compile(r"\s*error code: *([A-Z0-9_]{1,64})\s+error message: *([^\r\n]*)")
"""The error of a script in text/plain."""
_BEARER_ERROR: Final = re.compile(r"""^\s*Bearer\b.*\berror="([a-z_]{1,32})\"""", re.IGNORECASE)
_DEPLOY: Final = NextAction(Verb.EXPORT_SUITESCRIPT, then=by_hand("Deploy that folder as its README.md describes."))
_FOLDER: Final = by_hand("In NetSuite's File Cabinet, check the Private box of the folder that the message names.")
_REFUSED_FOR_GOOD: Final = NextAction(
    Verb.ABANDON,
    because="NetSuite would refuse this certificate again; begin another rotation with another key algorithm.",
    then=NextAction(Verb.EDIT_CONNECTION, {"algorithm": None}, then=NextAction(Verb.ROTATE)),
    alternatives=(by_hand("If the message names something in NetSuite, correct that instead."),),
)


@dataclass(frozen=True, slots=True)
class Warned:
    """One warning of the RESTlet."""

    message: str
    is_about_key_file: bool
    """Whether the file of a private key is left in the File Cabinet, or may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer from the RESTlet's URL, in the form that the rules read."""

    status: int
    writes: bool
    """Whether the request may have changed something."""
    code: str
    message: str
    """The error's code and text, from the platform, a script or the RESTlet; empty if the answer has none."""
    is_thrown: bool
    """Whether a script threw the error: it ran, and may have changed something before."""
    oauth_error: str
    """The `error` of the WWW-Authenticate header (RFC 6750 section 3), or empty."""
    saved: bool
    """Whether the RESTlet reports that it saved the certificate before it failed."""
    ended: bool
    """Whether the RESTlet reports that the request ended before it could save anything."""
    location: str
    """Where a redirect points: scheme and host, or empty."""
    warnings: Sequence[Warned]
    """What the RESTlet could not do, such as remove a key file."""
    retry_after: float | None
    done: Mapping[str, Any] | None = field(repr=False)
    """The RESTlet's answer if it carried out the request, else None. It may hold a signature."""
    sent: Sequence[str] = field(repr=False)
    """The secrets in the request, which no message may show."""

    @property
    def summary(self) -> str:
        """Status, code and message on one line, safe to show: it withholds text that may quote a secret."""
        text = f"{self.code}: {self.message}" if self.code else self.message
        target = f", to {self.location}" if self.location else ""
        return f"HTTP {self.status}{target}" + (f", {quote(text, self.sent)}" if text else "")

    @property
    def is_bare_401(self) -> bool:
        """Whether this is a 401 without a Bearer challenge: NetSuite answers so when too many sign in at once.

        https://github.com/jacobsvante/netsuite/issues/27 (a public report; Oracle documents only the challenge)
        """
        return self.status == HTTPStatus.UNAUTHORIZED and self.oauth_error == ""


def read(answer: Answer, *, writes: bool, sent: Sequence[str] = ()) -> Reply:
    """Parse ``answer``. Never fails: a field that cannot be read is left empty.

    Args:
        answer: Any answer from the RESTlet's URL, from the platform or the RESTlet.
        writes: Whether the request may have changed something.
        sent: The secrets in the request, which no message may show.
    """
    text = answer.body.decode("utf-8-sig", errors="replace")
    content = _parse_object(text)
    error = content.get("error")
    code, message, is_thrown = _shown_error(content)
    if not content and (plain := _PLAIN.match(text)):
        code, message = plain[1], plain[2]
    challenge = _BEARER_ERROR.match(answer.headers.get("www-authenticate", ""))
    return Reply(
        status=answer.status,
        writes=writes,
        code=code,
        message=message,
        is_thrown=is_thrown,
        oauth_error=challenge[1] if challenge else "",
        saved=isinstance(error, dict) and error.get("saved") is True,
        ended=(
            answer.status == HTTPStatus.OK
            and content.get("outcome") == "refused"
            and isinstance(error, dict)
            and error.get("saved") is False
        ),
        location=redirect_target(answer, sent),
        warnings=warnings_in(content),
        retry_after=retry_after(answer),
        done=content if answer.status == HTTPStatus.OK and content.get("outcome") == "done" else None,
        sent=sent,
    )


def _shown_error(content: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Return the error's code and message, and whether a script threw it. Empty where the answer shows none.

    The platform wraps an unhandled script error: its message is JSON that holds the script's own name and message.
    Public reports also show the script's error without that wrapping
    (https://github.com/oracle-samples/netsuite-commerce/issues/2), and problem details as NetSuite's REST services send
    them (https://www.rfc-editor.org/rfc/rfc9457 with `o:errorDetails`; https://github.com/jacobsvante/netsuite/issues/27).
    """
    error, details = content.get("error"), content.get("o:errorDetails")
    if isinstance(error, dict):
        code, message = _text(error, "code"), _text(error, "message")
        inner = _parse_object(message)
        return _text(inner, "name") or _text(inner, "code") or code, _text(inner, "message") or message, bool(inner)
    if isinstance(details, list) and details and isinstance(details[0], dict):
        return _text(details[0], "o:errorCode"), _text(details[0], "detail") or _text(content, "title"), False
    if "name" in content and "message" in content:
        return _text(content, "name"), _text(content, "message"), True
    return "", _text(content, "title") or _text(content, "message"), False


def warnings_in(content: Mapping[str, Any]) -> Sequence[Warned]:
    """Return the RESTlet's warnings; none if they cannot be read."""
    found = content.get("warnings")
    listed = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return [Warned(_text(each, "message"), each.get("about") == _KEY_FILE) for each in listed if _text(each, "message")]


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    # NetSuite has sent numbers for texts. A list or an object is neither a code nor a message.
    return str(value) if isinstance(value, str | int | float) else ""


def _parse_object(text: str) -> Mapping[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def unclear(reply: Reply) -> KeyturnError:
    """Return the error for an answer that does not show whether the script ran.

    A write is in doubt until its result is read back (Unknown). A read changed nothing, so it is retried (TryLater).
    """
    return _unclear(reply.summary, reply.retry_after, writes=reply.writes)


def unusable(status: int, *, writes: bool) -> KeyturnError:
    """Return the error for an answer that could not be read at all; see `unclear`."""
    return _unclear(f"HTTP {status}", None, writes=writes)


def _unclear(summary: str, retry_after: float | None, *, writes: bool) -> KeyturnError:
    if writes:
        return Unknown(f"NetSuite did not say whether it took the certificate ({summary}).")
    return TryLater(f"NetSuite gave no usable answer ({summary}).", retry_after=retry_after)


WRONG_ADDRESS: Final[Rule[Reply]] = Rule(
    "wrong address",
    lambda it: it.status in REDIRECTS or it.status == HTTPStatus.UPGRADE_REQUIRED,
    lambda it: WrongBaseUrl(f"NetSuite serves this account at another address ({it.summary})."),
)
AT_ONCE_WITH_OTHERS: Final[Rule[Reply]] = Rule(
    "signed in at once with others", lambda it: it.is_bare_401 and it.writes, unclear
)
UNCLEAR: Final[Rule[Reply]] = Rule("unclear", lambda _: True, unclear)
"""These three mean the same at each of NetSuite's endpoints."""

RULES: Final[tuple[Rule[Reply], ...]] = (
    WRONG_ADDRESS,
    Rule(
        "throttled",
        # A throttle that a script threw while it installed may come from save(), which may have swapped the key.
        lambda it: (
            (it.code in THROTTLES and not (it.writes and it.is_thrown)) or it.status == HTTPStatus.TOO_MANY_REQUESTS
        ),
        lambda it: Throttled(f"NetSuite asks for fewer requests ({it.summary}).", retry_after=it.retry_after),
    ),
    # Before all rules that read the message: after a save, any failure leaves the rotation in doubt.
    Rule("saved, then failed", lambda it: it.saved, unclear),
    Rule(
        "record missing",
        lambda it: it.code == "CERTIFICATE_NOT_FOUND" or bool(_RECORD_NOT_FOUND.search(it.message)),
        lambda _: CertificateRecordMissing(),
    ),
    AT_ONCE_WITH_OTHERS,
    Rule(
        "sign-in refused",
        lambda it: (
            it.status == HTTPStatus.UNAUTHORIZED
            or it.code in SIGN_IN_REFUSED
            or (it.status == HTTPStatus.BAD_REQUEST and it.oauth_error != "")
        ),
        lambda it: SignInRefused(f"NetSuite does not accept the access token ({it.oauth_error or it.summary})."),
    ),
    Rule(
        "permission missing",
        lambda it: it.status == HTTPStatus.FORBIDDEN or it.code in PERMISSIONS,
        lambda it: NotPermitted(
            f"NetSuite does not permit this to the role that Keyturn signs in with ({it.summary})."
        ),
    ),
    Rule(
        "not deployed",
        lambda it: it.status == HTTPStatus.NOT_FOUND or it.code in NOT_DEPLOYED,
        lambda it: Refused(
            f"Keyturn's RESTlet is not deployed and released in NetSuite ({it.summary}).", next_action=_DEPLOY
        ),
    ),
    Rule(
        "another RESTlet",
        lambda it: it.status in NOT_OUR_RESTLET or it.code == "INVALID_REQUEST",
        lambda it: Refused(
            f"The RESTlet in NetSuite does not understand this request ({it.summary}).", next_action=_DEPLOY
        ),
    ),
    Rule(
        "another account",
        lambda it: it.code == "WRONG_ACCOUNT",
        lambda it: WrongBaseUrl(f"The RESTlet belongs to another NetSuite account ({it.summary})."),
    ),
    Rule(
        "folder not private",
        lambda it: it.code == "FOLDER_NOT_PRIVATE",
        lambda it: Refused(
            f"NetSuite was not given the key, as others could read it there ({it.summary}).", next_action=_FOLDER
        ),
    ),
    Rule(
        "too late",
        lambda it: it.code == "DEADLINE_PASSED",
        lambda _: TryLater(
            "The request reached NetSuite after its deadline, and changed nothing.",
            next_action=by_hand("Wait a minute. If this repeats, correct this machine's clock."),
        ),
    ),
    Rule(
        "certificate refused",
        lambda it: it.code == "INVALID_CERTIFICATE",
        lambda it: Refused(
            f"NetSuite refused the certificate ({it.summary}).",
            next_action=_REFUSED_FOR_GOOD,
        ),
    ),
    Rule(
        "cannot sign",
        # Only for `sign`: when `install` fails to sign, the certificate may have been saved.
        lambda it: it.code == "SIGNING_FAILED" and not it.writes,
        lambda it: CannotSign(f"NetSuite could not sign with the certificate record ({it.summary})."),
    ),
    # The rest: 5xx, other script errors, a page instead of JSON, SIGNING_FAILED after an install, UNEXPECTED.
    UNCLEAR,
)
"""Decides what an answer other than "done" means. The order matters: the first rule that applies decides."""


def error_of(reply: Reply) -> KeyturnError:
    """Return the error that ``reply`` means; ``reply.done`` must be None."""
    error = first_match(RULES, reply).error(reply)
    error.is_ended = reply.ended
    return error
