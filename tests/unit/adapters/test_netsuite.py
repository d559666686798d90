"""The requests that the NetSuite adapter sends, and how it reads the answers. Without HTTP."""

import base64
import json
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.clock import FakeClock
from support.factories import a_certificate, key_pem
from unit.adapters.netsuite_answers import FakeHttp, settings

from orchestrator.adapters.http import Answer
from orchestrator.adapters.netsuite import PATH, NetSuiteAdapter
from states.certificate import Challenge
from states.errors import NotPermitted, SignInRefused, TryLater, Unknown
from states.ports import Record, Report
from states.rotation import PrivateKey
from states.timing import READ_BACK_DELAY

SCHEMA = json.loads(Path("suitescript/schema/restlet.schema.json").read_text())
NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
CHALLENGE = Challenge.of(bytes(32))
SIGNATURE = base64.b64encode(b"signature").decode()
INVALID_TOKEN = Answer(401, {"www-authenticate": 'Bearer realm="1234567", error="invalid_token"'}, b"")


class FakeTokens:
    def __init__(self) -> None:
        self.rejected: list[str] = []

    def token(self, *, rejected: str = "") -> str:
        self.rejected.append(rejected)
        return f"token-{len(self.rejected)}"


def adapter(http: Any, tokens: Any = None, clock: FakeClock | None = None) -> NetSuiteAdapter:
    return NetSuiteAdapter(settings(), tokens or FakeTokens(), http, clock or FakeClock())


def ok(**content: Any) -> Answer:
    return Answer(200, {}, json.dumps({"outcome": "done", **content}).encode())


def install(http: Any, tokens: Any = None) -> str:
    certificate = a_certificate()
    key = PrivateKey(key_pem(certificate))
    return adapter(http, tokens).install(certificate, key, CHALLENGE, deadline=NOW, create=False, warn=lambda _: None)


def assert_valid(definition: str, instance: Any) -> None:
    jsonschema.validate(instance, {"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]})


def test_report_request_and_reply() -> None:
    """The request matches the schema, and the adapter turns the answer into a Report."""
    record = {
        "scriptId": "custcertificate_oa_realtime",
        "name": "OpenAir real-time",
        "fileName": "openair-certificate.pem",
        "validFrom": "2026-01-02T03:04:05.000Z",
        "validTo": None,
    }
    environment = {
        "accountId": "1234567",
        "role": "customrole_keyturn",
        "bundles": [
            {"id": "369630", "installed": True, "version": None},
            {"id": "369637", "installed": False, "version": None},
        ],
        "serverTime": "2026-11-23T20:00:00.000Z",
    }
    answer = ok(action="report", record=record, environment=environment)
    assert_valid("reportReply", json.loads(answer.body))
    http = FakeHttp(answer)
    expected = Report(
        record=Record(
            name="OpenAir real-time",
            file_name="openair-certificate.pem",
            valid_from=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            valid_to=None,
        ),
        server_time=NOW,
        bundles={"369630": None},
        missing_bundles=("369637",),
        account="1234567",
    )
    assert expected == adapter(http).report()
    assert_valid("reportRequest", json.loads(http.requests[0]["body"]))


def test_sign_request() -> None:
    """The request matches the schema, counts as a read, and names the deployment of the settings."""
    http = FakeHttp(ok(action="sign", signature=SIGNATURE))
    assert SIGNATURE == adapter(http).sign(CHALLENGE)
    assert_valid("signRequest", json.loads(http.requests[0].pop("body")))
    assert [
        {
            "path": PATH,
            "headers": {
                "Authorization": "Bearer token-1",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            "writes": False,
            "query": {"script": "customscript_keyturn_restlet", "deploy": "customdeploy_keyturn_restlet"},
        }
    ] == http.requests


def test_install_request() -> None:
    """The request matches the schema, holds certificate, key and the deadline in UTC, and counts as a write."""
    http = FakeHttp(ok(action="install", signature=SIGNATURE, created=False, record=None))
    certificate = a_certificate()
    key = PrivateKey(key_pem(certificate))
    deadline = datetime.fromisoformat("2026-11-23T22:02:00.7+02:00")
    sent = adapter(http).install(certificate, key, CHALLENGE, deadline=deadline, create=True, warn=lambda _: None)
    assert SIGNATURE == sent
    request = json.loads(http.requests[0]["body"])
    assert_valid("installRequest", request)
    expected = {
        "action": "install",
        "account": "1234567_SB1",
        "challenge": CHALLENGE.nonce,
        "pem": certificate.pem + key.reveal().decode(),
        "deadline": "2026-11-23T20:02:00Z",
        "create": True,
    }
    assert expected == request
    assert http.requests[0]["writes"] is True


def test_warnings_reach_the_log_and_the_report(caplog: pytest.LogCaptureFixture) -> None:
    """What the RESTlet could not do is logged, after a refusal too; a report has what is about key files."""
    environment = {"accountId": "1234567", "serverTime": "2026-11-23T20:00:00Z", "bundles": []}
    other = {"about": "BUNDLES", "message": "Could not list the key file's bundles."}
    warned = {"warnings": [{"about": "KEY_FILE", "message": "Delete the key file by hand."}, 7, other]}
    refused = {"outcome": "refused", "error": {"code": "NOT_PERMITTED", "message": "Words."}, **warned}
    http = FakeHttp(ok(record=None, environment=environment, **warned), Answer(200, {}, json.dumps(refused).encode()))
    netsuite = adapter(http)
    assert ('"Delete the key file by hand."',) == netsuite.report().key_files
    with pytest.raises(NotPermitted):
        netsuite.sign(CHALLENGE)
    shown = ['"Delete the key file by hand."', f'"{other["message"]}"']
    assert shown * 2 == [record.__dict__["warning"] for record in caplog.records]
    assert {("WARNING", "1234567_SB1")} == {(each.levelname, each.__dict__["account"]) for each in caplog.records}


@pytest.mark.parametrize("is_refused", [True, False])
def test_warnings_of_an_install_reach_its_caller(is_refused: bool) -> None:  # noqa: FBT001
    """Of an install that was refused as well as of one that was done; one that quotes the key is withheld."""
    certificate = a_certificate()
    pem = key_pem(certificate)
    messages = ["Delete the key file by hand.", f"Look: {pem.decode()}"]
    warned = {"warnings": [{"about": "KEY_FILE", "message": each} for each in messages]}
    refused = {"outcome": "refused", "error": {"code": "NOT_PERMITTED", "message": "Words."}, **warned}
    done = ok(action="install", signature=SIGNATURE, created=False, record=None, **warned)
    warnings: list[str] = []
    with pytest.raises(NotPermitted) if is_refused else nullcontext():
        adapter(FakeHttp(Answer(200, {}, json.dumps(refused).encode()) if is_refused else done)).install(
            certificate, PrivateKey(pem), CHALLENGE, deadline=NOW, create=False, warn=warnings.append
        )
    assert '"Delete the key file by hand."' == warnings[0]
    assert 2 == len(warnings)
    assert "PRIVATE KEY" not in warnings[1]


def test_invalid_token_is_replaced_once() -> None:
    """After `invalid_token` the adapter repeats the call once with a new token, because the script did not run."""
    http, tokens = FakeHttp(INVALID_TOKEN, ok(signature=SIGNATURE)), FakeTokens()
    assert SIGNATURE == install(http, tokens)
    assert ["", "token-1"] == tokens.rejected
    assert ["Bearer token-1", "Bearer token-2"] == [it["headers"]["Authorization"] for it in http.requests]


def test_invalid_token_twice_is_refused() -> None:
    """If NetSuite refuses the new token too, the adapter gives up."""
    http = FakeHttp(INVALID_TOKEN, INVALID_TOKEN)
    with pytest.raises(SignInRefused):
        install(http)
    assert [] == http.answers


@pytest.mark.parametrize(
    "answer",
    [Answer(400, {"www-authenticate": 'Bearer error="invalid_request"'}, b"")],
)
def test_other_refusals_are_not_repeated(answer: Answer) -> None:
    """After any other refusal of the sign-in, the adapter fetches no new token."""
    http, tokens = FakeHttp(answer), FakeTokens()
    with pytest.raises(SignInRefused):
        adapter(http, tokens).sign(CHALLENGE)
    assert [""] == tokens.rejected


BARE = Answer(401, {}, b'{"error": {"code": "INVALID_LOGIN_ATTEMPT", "message": "Invalid login attempt."}}')


def test_a_401_without_a_challenge_is_retried_once() -> None:
    """A read that NetSuite refuses without a Bearer challenge is repeated once, after a delay, with the same token."""
    http, tokens, clock = FakeHttp(BARE, ok(signature=SIGNATURE), BARE, BARE), FakeTokens(), FakeClock()
    netsuite = adapter(http, tokens, clock)
    assert (SIGNATURE, [READ_BACK_DELAY], [""]) == (netsuite.sign(CHALLENGE), clock.slept, tokens.rejected)
    with pytest.raises(SignInRefused, match="INVALID_LOGIN_ATTEMPT"):
        netsuite.sign(CHALLENGE)


def test_an_install_refused_without_a_challenge_is_in_doubt() -> None:
    """An install is not repeated after such an answer: NetSuite is asked to sign first."""
    http = FakeHttp(BARE)
    with pytest.raises(Unknown):
        install(http)
    assert 1 == len(http.requests)


@pytest.mark.parametrize("content", [{}, {"signature": None}, {"signature": 7}])
def test_done_without_signature_is_unclear(content: dict[str, Any]) -> None:
    """After "done" without a signature, a write is in doubt and a read is retried."""
    with pytest.raises(Unknown):
        install(FakeHttp(ok(**content)))
    with pytest.raises(TryLater):
        adapter(FakeHttp(ok(**content))).sign(CHALLENGE)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"record": None},
        {"record": None, "environment": {}},
        {"record": None, "environment": {"serverTime": "today", "bundles": []}},
        {"record": {}, "environment": {"serverTime": "2026-11-23T20:00:00Z", "bundles": []}},
        {"record": None, "environment": {"serverTime": "2026-11-23T20:00:00Z", "bundles": ["369630"]}},
        {"record": 7, "environment": {"serverTime": 7, "bundles": []}},
        {"record": None, "environment": {"serverTime": "0001-01-01T00:00:00+14:00", "bundles": []}},
    ],
)
def test_malformed_report_is_retried(content: dict[str, Any]) -> None:
    """A report that does not match the schema is retried."""
    with pytest.raises(TryLater):
        adapter(FakeHttp(ok(**content))).report()
