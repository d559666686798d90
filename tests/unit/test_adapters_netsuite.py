"""What the NetSuite adapter sends, and how it takes answers, without any HTTP."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from factories import a_certificate, key_pem

from orchestrator.adapters.http import Answer
from orchestrator.adapters.netsuite import PATH, NetSuiteAdapter
from orchestrator.adapters.netsuite_token import PATH as TOKEN_PATH
from orchestrator.adapters.netsuite_token import NetSuiteTokens
from states.certificate import Challenge
from states.connection import NetSuiteSettings
from states.errors import SignInRefused, Throttled, TryLater, Unknown
from states.ports import Record, Report
from states.rotation import PrivateKey

SCHEMA = json.loads(Path("suitescript/schema/restlet.schema.json").read_text())
NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
CHALLENGE = Challenge.of(bytes(32))
SIGNATURE = base64.b64encode(b"signature").decode()
INVALID_TOKEN = Answer(401, {"www-authenticate": 'Bearer realm="1234567", error="invalid_token"'}, b"")


class FakeClock:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class FakeHttp:
    """Answers from a list, and remembers what it was asked."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        writes: bool,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        self.asked.append({"path": path, "body": body, "headers": headers, "writes": writes, "query": query})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeTokens:
    def __init__(self) -> None:
        self.rejected: list[str] = []

    def token(self, *, rejected: str = "") -> str:
        self.rejected.append(rejected)
        return f"token-{len(self.rejected)}"


def settings(**changes: Any) -> NetSuiteSettings:
    return NetSuiteSettings(**({"account": "1234567_SB1", "client_id": "client", "certificate_id": "kid"} | changes))


def adapter(http: Any, tokens: Any = None) -> NetSuiteAdapter:
    return NetSuiteAdapter(settings(), tokens or FakeTokens(), http)


def ok(**content: Any) -> Answer:
    return Answer(200, {}, json.dumps({"outcome": "done", **content}).encode())


def token_answer(value: str = "abc", expires_in: Any = 3600) -> Answer:
    return Answer(
        200, {}, json.dumps({"access_token": value, "expires_in": expires_in, "token_type": "Bearer"}).encode()
    )


def sign_in_key(key: Any = None) -> PrivateKey:
    key = key or ec.generate_private_key(ec.SECP256R1())
    return PrivateKey(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def token_source(http: Any, clock: FakeClock | None = None) -> NetSuiteTokens:
    return NetSuiteTokens(settings(assertion_algorithm="ES256"), sign_in_key(), http, clock or FakeClock())


def install(http: Any, tokens: Any = None) -> str:
    certificate = a_certificate()
    key = PrivateKey(key_pem(certificate))
    return adapter(http, tokens).install(certificate, key, CHALLENGE, deadline=NOW, create=False)


def assert_valid(definition: str, instance: Any) -> None:
    jsonschema.validate(instance, {"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]})


def test_report_request_and_reply() -> None:
    """A report is asked for in the schema's form, and its answer becomes the port's Report."""
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
    )
    assert expected == adapter(http).report()
    assert_valid("reportRequest", json.loads(http.asked[0]["body"]))


def test_sign_request() -> None:
    """A signature is asked for in the schema's form, as a read, of the deployment that the settings name."""
    http = FakeHttp(ok(action="sign", signature=SIGNATURE))
    assert SIGNATURE == adapter(http).sign(CHALLENGE)
    assert_valid("signRequest", json.loads(http.asked[0].pop("body")))
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
    ] == http.asked


def test_install_request() -> None:
    """An install carries certificate and key in the schema's form, the deadline in UTC, and counts as a write."""
    http = FakeHttp(ok(action="install", signature=SIGNATURE, created=False, record=None))
    certificate = a_certificate()
    key = PrivateKey(key_pem(certificate))
    deadline = datetime.fromisoformat("2026-11-23T22:02:00.7+02:00")
    assert SIGNATURE == adapter(http).install(certificate, key, CHALLENGE, deadline=deadline, create=True)
    request = json.loads(http.asked[0]["body"])
    assert_valid("installRequest", request)
    expected = {
        "action": "install",
        "challenge": CHALLENGE.nonce,
        "pem": certificate.pem + key.reveal().decode(),
        "deadline": "2026-11-23T20:02:00Z",
        "create": True,
    }
    assert expected == request
    assert http.asked[0]["writes"] is True


def test_invalid_token_is_replaced_once() -> None:
    """A token that NetSuite calls invalid is replaced, and the call repeated: the script had not run."""
    http, tokens = FakeHttp(INVALID_TOKEN, ok(signature=SIGNATURE)), FakeTokens()
    assert SIGNATURE == install(http, tokens)
    assert ["", "token-1"] == tokens.rejected
    assert ["Bearer token-1", "Bearer token-2"] == [it["headers"]["Authorization"] for it in http.asked]


def test_invalid_token_twice_is_refused() -> None:
    """When the new token is called invalid too, nothing is sent a third time."""
    http = FakeHttp(INVALID_TOKEN, INVALID_TOKEN)
    with pytest.raises(SignInRefused):
        install(http)
    assert [] == http.answers


@pytest.mark.parametrize(
    "answer",
    [Answer(401, {}, b""), Answer(400, {"www-authenticate": 'Bearer error="invalid_request"'}, b"")],
)
def test_other_refusals_are_not_repeated(answer: Answer) -> None:
    """Only a token that is called invalid is worth another one."""
    http, tokens = FakeHttp(answer), FakeTokens()
    with pytest.raises(SignInRefused):
        adapter(http, tokens).sign(CHALLENGE)
    assert [""] == tokens.rejected


@pytest.mark.parametrize("content", [{}, {"signature": None}, {"signature": 7}])
def test_done_without_a_signature(content: dict[str, Any]) -> None:
    """An answer that says done but brings no signature leaves a write in doubt, and a read to be repeated."""
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
    ],
)
def test_report_in_another_form(content: dict[str, Any]) -> None:
    """A report that cannot be understood is no report."""
    with pytest.raises(TryLater):
        adapter(FakeHttp(ok(**content))).report()


def test_token_request() -> None:
    """The token is asked for as Oracle's help says, and is not a write."""
    http = FakeHttp(token_answer("abc"))
    tokens = token_source(http)
    assert "abc" == tokens.token()
    form = parse_qs(http.asked[0]["body"].decode())
    assert TOKEN_PATH == http.asked[0]["path"]
    assert http.asked[0]["writes"] is False
    assert ["client_credentials"] == form["grant_type"]
    assert ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"] == form["client_assertion_type"]


def test_token_is_kept_until_shortly_before_it_expires() -> None:
    """One token serves many calls; a minute before it expires the next one is fetched."""
    http, clock = FakeHttp(token_answer("first"), token_answer("second")), FakeClock()
    tokens = token_source(http, clock)
    seen = [tokens.token()]
    for seconds in (3539, 1, 3539):
        clock.sleep(seconds)
        seen.append(tokens.token())
    assert ["first", "first", "second", "second"] == seen


def test_rejected_token_is_fetched_once_only() -> None:
    """Two callers whose token was rejected share the one that is fetched in its place."""
    http = FakeHttp(token_answer("first"), token_answer("second"))
    tokens = token_source(http)
    first = tokens.token()
    assert ["second", "second"] == [tokens.token(rejected=first), tokens.token(rejected=first)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(401, {}, b'{"error": "invalid_client"}'), SignInRefused),
        (Answer(429, {"retry-after": "3"}, b""), Throttled),
        (Answer(503, {}, b""), TryLater),
        (Answer(200, {}, b"<html>"), TryLater),
    ],
)
def test_token_refused(answer: Answer, expected: type[Exception]) -> None:
    """Without a token nothing is sent to the RESTlet, and nothing is kept."""
    http = FakeHttp(answer, token_answer("abc"))
    tokens = token_source(http)
    with pytest.raises(expected):
        tokens.token()
    assert "abc" == tokens.token()


def test_refused_sign_in_names_the_way_out() -> None:
    """Where NetSuite refuses the sign-in, the next action names what can be wrong, the certificate's expiry too."""
    http = FakeHttp(Answer(401, {}, b'{"error": "invalid_client"}'))
    tokens = token_source(http)
    with pytest.raises(SignInRefused) as caught:
        tokens.token()
    assert "expired" in caught.value.next_action


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("PS256", sign_in_key()),
        ("ES256", sign_in_key(rsa.generate_private_key(public_exponent=65537, key_size=2048))),
        ("ES384", sign_in_key()),
        ("ES256", PrivateKey(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")),
        ("ES256", PrivateKey(b"no key at all")),
    ],
)
def test_key_that_does_not_fit(algorithm: str, key: PrivateKey) -> None:
    """A sign-in key that does not fit its algorithm is refused here, without a word of the key."""
    tokens = NetSuiteTokens(settings(assertion_algorithm=algorithm), key, FakeHttp(), FakeClock())
    with pytest.raises(SignInRefused, match=f"does not fit {algorithm}") as caught:
        tokens.token()
    assert caught.value.__cause__ is None
