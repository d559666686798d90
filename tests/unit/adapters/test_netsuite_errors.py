"""The decision table for answers from the RESTlet's URL, row by row."""

import json
from typing import Any

import pytest
from support.advice import commands, text

from orchestrator.adapters import netsuite_errors
from orchestrator.adapters.decision_table import first_match
from orchestrator.adapters.http import Answer
from orchestrator.adapters.netsuite_errors import RULES
from states import errors

PAGE = b"<!DOCTYPE html><title>Maintenance</title>"
PLAIN = b"error code: SSS_REQUEST_LIMIT_EXCEEDED\nerror message: Request Limit Exceeded"


def platform(code: str, message: str = "Words.") -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()


def script(name: str, message: str = "Words.") -> bytes:
    inner = json.dumps({"type": "error.SuiteScriptError", "name": name, "message": message, "stack": []})
    return platform("UNEXPECTED_ERROR", inner)


def flat(name: str, message: str = "Words.") -> bytes:
    return json.dumps({"type": "error.SuiteScriptError", "name": name, "message": message, "stack": []}).encode()


def problem(code: str, detail: str = "Words.") -> bytes:
    details = [{"detail": detail, "o:errorCode": code}]
    return json.dumps({"type": "https://x.invalid", "title": "A title", "o:errorDetails": details}).encode()


def refusal(code: str, message: str = "Words.", **more: Any) -> bytes:
    return json.dumps({"outcome": "refused", "error": {"code": code, "message": message, **more}}).encode()


def bearer(error: str) -> dict[str, str]:
    return {"www-authenticate": f'Bearer realm="1234567", error="{error}", error_description="Words."'}


def error_for(status: int, body: bytes = PAGE, headers: dict[str, str] | None = None, *, writes: bool) -> Any:
    reply = netsuite_errors.read(Answer(status, headers or {}, body), writes=writes)
    assert reply.done is None
    return netsuite_errors.error_of(reply)


SAME_FOR_BOTH = [
    ("another data centre", 302, PAGE, {}, errors.WrongBaseUrl),
    ("moved permanently", 301, PAGE, {}, errors.WrongBaseUrl),
    ("limit of requests, as a problem", 429, problem("CONCURRENCY_LIMIT_EXCEEDED"), {}, errors.Throttled),
    ("limit of requests", 400, platform("CONCURRENCY_LIMIT_EXCEEDED"), {}, errors.Throttled),
    ("throttled, in plain text", 400, PLAIN, {}, errors.Throttled),
    ("sign-in, forbidden", 403, platform("INVALID_LOGIN_ATTEMPT"), {}, errors.SignInRefused),
    ("sign-in, as a problem", 403, problem("INVALID_LOGIN"), {}, errors.SignInRefused),
    (
        "permission missing, after a BOM",
        400,
        b"\xef\xbb\xbf" + flat("INSUFFICIENT_PERMISSION"),
        {},
        errors.NotPermitted,
    ),
    ("another domain", 426, PAGE, {}, errors.WrongBaseUrl),
    ("throttled by the platform", 400, platform("SSS_REQUEST_LIMIT_EXCEEDED"), {}, errors.Throttled),
    ("too many sessions", 400, platform("WS_CONCUR_SESSION_DISALLWD"), {}, errors.Throttled),
    ("blocked for a while", 400, platform("WS_REQUEST_BLOCKED"), {}, errors.Throttled),
    ("too many requests", 429, PAGE, {}, errors.Throttled),
    ("too many requests, as a problem", 400, problem("SSS_REQUEST_LIMIT_EXCEEDED"), {}, errors.Throttled),
    ("permission missing, not wrapped", 400, flat("INSUFFICIENT_PERMISSION"), {}, errors.NotPermitted),
    ("record missing, not wrapped", 400, flat("CERTIFICATE_NOT_FOUND"), {}, errors.CertificateRecordMissing),
    ("record missing, by code", 200, refusal("CERTIFICATE_NOT_FOUND"), {}, errors.CertificateRecordMissing),
    ("record missing, in the script", 400, script("CERTIFICATE_NOT_FOUND"), {}, errors.CertificateRecordMissing),
    (
        "record missing, in double quotes",
        400,
        script("X", 'Certificate "custcertificate_oa_realtime" not found'),
        {},
        errors.CertificateRecordMissing,
    ),
    (
        "record missing, in single quotes",
        400,
        platform("X", "Certificate 'custcertificate_oa_realtime' not found"),
        {},
        errors.CertificateRecordMissing,
    ),
    ("token not valid", 401, platform("INVALID_LOGIN_ATTEMPT"), bearer("invalid_token"), errors.SignInRefused),
    ("token missing", 400, platform("INVALID_LOGIN_ATTEMPT"), bearer("invalid_request"), errors.SignInRefused),
    ("forbidden", 403, PAGE, {}, errors.NotPermitted),
    ("forbidden to this token", 403, PAGE, bearer("insufficient_scope"), errors.NotPermitted),
    ("the certificate is another role's", 400, script("ACCESS_TO_CERTIFICATE_RESTRICTED"), {}, errors.NotPermitted),
    ("the platform lacks a permission", 400, script("INSUFFICIENT_PERMISSION"), {}, errors.NotPermitted),
    ("the RESTlet lacks a permission", 200, refusal("NOT_PERMITTED"), {}, errors.NotPermitted),
    ("not found", 404, PAGE, {}, errors.Refused),
    ("no such script", 400, platform("SSS_INVALID_SCRIPTLET_ID"), {}, errors.Refused),
    ("no such script any more", 400, platform("SSS_SCRIPT_NOT_FOUND"), {}, errors.Refused),
    ("request too large", 413, PAGE, {}, errors.Refused),
    ("no POST", 405, PAGE, {}, errors.Refused),
    ("JSON not accepted", 415, PAGE, {}, errors.Refused),
    ("another version", 200, refusal("INVALID_REQUEST"), {}, errors.Refused),
    ("another account", 200, refusal("WRONG_ACCOUNT"), {}, errors.WrongBaseUrl),
    ("folder not private", 200, refusal("FOLDER_NOT_PRIVATE"), {}, errors.Refused),
    ("too late", 200, refusal("DEADLINE_PASSED"), {}, errors.TryLater),
    ("bad certificate", 200, refusal("INVALID_CERTIFICATE"), {}, errors.Refused),
]


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"), [row[1:] for row in SAME_FOR_BOTH], ids=[row[0] for row in SAME_FOR_BOTH]
)
def test_same_for_reads_and_writes(
    status: int, body: bytes, headers: dict[str, str], expected: type[errors.KeyturnError], *, writes: bool
) -> None:
    """These answers mean the same for reads and writes. After a refused write the step looks all the same."""
    assert expected is type(error_for(status, body, headers, writes=writes))


DIFFERENT = [
    ("refused without a reason", 401, PAGE, errors.SignInRefused),
    ("too many sign-ins at once", 401, platform("INVALID_LOGIN_ATTEMPT"), errors.SignInRefused),
    ("server error", 500, PAGE, errors.TryLater),
    ("gateway error", 502, PAGE, errors.TryLater),
    ("not available", 503, PAGE, errors.TryLater),
    ("gateway timeout", 504, PAGE, errors.TryLater),
    ("page instead of JSON", 200, PAGE, errors.TryLater),
    ("empty body", 200, b"", errors.TryLater),
    ("JSON of another kind", 200, b"[]", errors.TryLater),
    ("bytes that are no text", 200, b"\xff\xfe", errors.TryLater),
    ("deep JSON", 200, b"[" * 100_000, errors.TryLater),
    ("unknown outcome", 200, b'{"outcome": "perhaps"}', errors.TryLater),
    ("done, but not OK", 500, b'{"outcome": "done"}', errors.TryLater),
    ("script broke", 400, script("TypeError"), errors.TryLater),
    ("script broke, message is no JSON", 400, platform("UNEXPECTED_ERROR"), errors.TryLater),
    ("unknown status", 418, PAGE, errors.TryLater),
    ("unexpected", 200, refusal("UNEXPECTED"), errors.TryLater),
    ("throttled in the script", 400, script("SSS_REQUEST_LIMIT_EXCEEDED"), errors.Throttled),
    ("throttled in the script, not wrapped", 400, flat("SSS_REQUEST_LIMIT_EXCEEDED"), errors.Throttled),
    ("unknown code", 200, refusal("NEW_CODE"), errors.TryLater),
    ("signing failed", 200, refusal("SIGNING_FAILED"), errors.CannotSign),
]


@pytest.mark.parametrize(
    ("status", "body", "expected"), [row[1:] for row in DIFFERENT], ids=[row[0] for row in DIFFERENT]
)
def test_unclear_for_writes(status: int, body: bytes, expected: type[errors.KeyturnError]) -> None:
    """After these answers a write is in doubt, because the script may have run. A read is retried or refused."""
    assert (expected, errors.Unknown) == (
        type(error_for(status, body, writes=False)),
        type(error_for(status, body, writes=True)),
    )


@pytest.mark.parametrize("code", ["CERTIFICATE_NOT_FOUND", "NOT_PERMITTED", "SIGNING_FAILED", "UNEXPECTED"])
def test_refused_after_saving(code: str) -> None:
    """An error after NetSuite saved the certificate leaves the write in doubt."""
    body = refusal(code, saved=True)
    assert errors.Unknown is type(error_for(200, body, writes=True))


@pytest.mark.parametrize("status", [404, 405])
def test_not_deployed_says_what_to_do(status: int) -> None:
    """If the RESTlet is missing or is another one, the next action is to deploy it."""
    assert "`keyturn suitescript export keyturn-suitescript`" in text(error_for(status, writes=True).next_action)


def test_record_missing_has_the_vendors_words() -> None:
    """A missing record is reported in the vendor's words with the repair steps, for both kinds of quotation marks."""
    error = error_for(200, refusal("CERTIFICATE_NOT_FOUND", "Certificate 'x' not found"), writes=False)
    assert 'Certificate "custcertificate_oa_realtime" not found' in error.message
    assert "openair-certificate.pem" in text(error.next_action)


@pytest.mark.parametrize(("status", "body"), [(400, platform("SSS_REQUEST_LIMIT_EXCEEDED")), (429, PAGE), (503, PAGE)])
def test_retry_after_is_kept(status: int, body: bytes) -> None:
    """The error has the seconds of the answer's Retry-After."""
    seconds = 12.0
    assert seconds == error_for(status, body, {"retry-after": "12"}, writes=False).retry_after


def test_a_redirect_names_its_host() -> None:
    """The message says to which host NetSuite points, without path and query."""
    error = error_for(302, PAGE, {"location": "https://other.example:8443/app?token=x"}, writes=False)
    assert "(HTTP 302, to https://other.example:8443)" in error.message
    assert "(HTTP 302)" in error_for(302, PAGE, {"location": "https://user:secret@x"}, writes=False).message


def test_script_error_is_unpacked() -> None:
    """The message shows the name and text of the script's error, which the platform wraps in JSON."""
    assert (
        'HTTP 400, "TypeError: x is undefined"'
        in error_for(400, script("TypeError", "x is undefined"), writes=False).message
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (platform("A_CODE", "Some words."), '(HTTP 500, "A_CODE: Some words.")'),
        (platform("A_CODE", json.dumps({"code": "INNER", "message": "Inner words."})), '"INNER: Inner words.")'),
        (b'{"error": {"code": "A_CODE"}}', '(HTTP 500, "A_CODE:")'),
        (b'{"error": {"message": "Some words."}}', '(HTTP 500, "Some words.")'),
        (b'{"error": {}}', "(HTTP 500)"),
        (flat("A_CODE", "Some words."), '"A_CODE: Some words.")'),
        (problem("A_CODE", "Some words."), '"A_CODE: Some words.")'),
        (b'{"title": "A title", "o:errorDetails": []}', '"A title")'),
        (b'{"error": "Some words."}', "(HTTP 500)"),
        (PAGE, "(HTTP 500)"),
    ],
)
def test_message_shows_the_error(body: bytes, expected: str) -> None:
    """The message shows the status, and the code and text if the answer has them."""
    assert expected in error_for(500, body, writes=False).message


def test_a_reply_shows_no_secret() -> None:
    """The repr of a reply holds neither the request's secrets nor the RESTlet's answer."""
    body = b'{"outcome": "done", "signature": "a-signature"}'
    reply = netsuite_errors.read(Answer(200, {}, body), writes=False, sent=["a-token"])
    assert (["a-token"], "a-signature") == (reply.sent, (reply.done or {})["signature"])
    assert "a-token" not in repr(reply)
    assert "a-signature" not in repr(reply)


def test_secrets_are_withheld() -> None:
    """A message never repeats a private key from an answer."""
    body = platform("UNEXPECTED_ERROR", "bad input -----BEGIN PRIVATE KEY-----MIIE")
    assert "MIIE" not in error_for(400, body, writes=True).message


def test_unknown_bearer_errors_are_not_shown() -> None:
    """A message shows the `error` of a Bearer challenge only in the form that RFC 6750 gives it."""
    error = error_for(401, PAGE, bearer("S3cret-token"), writes=False)
    assert "S3cret" not in error.message
    assert "(invalid_token)" in error_for(401, PAGE, bearer("invalid_token"), writes=False).message


def test_refused_certificate_needs_another_algorithm() -> None:
    """The next action after a refused certificate is to abandon the rotation and choose another algorithm."""
    advised = error_for(200, refusal("INVALID_CERTIFICATE"), writes=True).next_action
    expected = ["rotation abandon ID", "connection edit NAME --algorithm", "rotate NAME", "rotation resume ID"]
    assert expected == commands(advised.resuming())


DECIDED_BY = {
    "another data centre": "wrong address",
    "too many requests": "throttled",
    "record missing, by code": "record missing",
    "token not valid": "sign-in refused",
    "forbidden": "permission missing",
    "not found": "not deployed",
    "no POST": "another RESTlet",
    "too late": "too late",
    "another account": "another account",
    "folder not private": "folder not private",
    "bad certificate": "certificate refused",
    "signing failed": "cannot sign",
    "server error": "unclear",
    "too many sign-ins at once": "signed in at once with others",
    "failed after saving": "saved, then failed",
}


WRITES = ("too many sign-ins at once",)


def test_every_rule_decides_something() -> None:
    """Each rule is the first that applies to one of the answers above."""
    rows = {row[0]: (row[1], row[2], row[3]) for row in SAME_FOR_BOTH}
    rows |= {row[0]: (row[1], row[2], {}) for row in DIFFERENT}
    rows["failed after saving"] = (200, refusal("SIGNING_FAILED", saved=True), {})
    replies = {
        name: netsuite_errors.read(Answer(status, headers, body), writes=name in WRITES)
        for name, (status, body, headers) in rows.items()
        if name in DECIDED_BY
    }
    assert DECIDED_BY == {name: first_match(RULES, reply).name for name, reply in replies.items()}
    assert {rule.name for rule in RULES} == set(DECIDED_BY.values())
