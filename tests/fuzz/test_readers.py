"""Each adapter makes a value, or an error of Keyturn's own, of any answer. `make fuzz` tries more of them."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from support.clock import FakeClock
from support.factories import a_candidate, a_certificate, a_confirmation, a_rotation, key_pem
from unit.adapters.openair_tokens import FakeSecrets

from orchestrator.adapters.http import Answer
from orchestrator.adapters.netsuite import NetSuiteAdapter
from orchestrator.adapters.netsuite_certificates import NetSuiteCertificates
from orchestrator.adapters.netsuite_token import NetSuiteTokens
from orchestrator.adapters.openair_auth import Grant, OAuthSignIn
from orchestrator.adapters.openair_xml import OpenAirXml
from states.certificate import Certificate, Challenge
from states.connection import NetSuiteSettings, OpenAirSettings
from states.errors import InternalError, KeyturnError, Stale, TryLater, Unknown
from states.ports import Report
from states.rotation import PrivateKey
from tests.fuzz import mutations, openid_readers

SECONDS: Final = float(os.environ.get("FUZZ_SECONDS", "0"))
"""How long each reader is tried; 0 for a few hundred answers, always the same."""
SEED: Final = int(os.environ.get("SEED", "0"))
EXAMPLES: Final = 150

NOW: Final = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
CERTIFICATE: Final = a_certificate()
KEY: Final = PrivateKey(key_pem(CERTIFICATE))
CHALLENGE: Final = Challenge.of(bytes(32))
CONFIRMATION: Final = a_confirmation(a_rotation(candidate=a_candidate()))
NETSUITE: Final = NetSuiteSettings(
    account="1234567", client_id="client", certificate_id="kid", assertion_algorithm="ES256"
)
OPENAIR: Final = OpenAirSettings(
    url="https://acme.app.openair.com", company="acme", user="keyturn", namespace="ns", client_id="client"
)
FOUND: Final = (mutations.CORPUS / "openair" / "found.xml").read_bytes()


class Http:
    """Gives the odd answer, and gives the ``first`` ones before it."""

    answer_within = 20.0

    def __init__(self, odd: Answer, *first: Answer) -> None:
        self._odd = odd
        self._first = list(first)

    def post(self, *_: object, **__: object) -> Answer:
        return self._first.pop(0) if self._first else self._odd

    get = post


class SignIn:
    def fields(self) -> Mapping[str, str]:
        return {"access_token": "first"}

    def renew(self, rejected: Mapping[str, str]) -> Mapping[str, str] | None:
        return {"access_token": f"not {rejected['access_token']}"}


def _netsuite(odd: Answer) -> NetSuiteAdapter:
    tokens = SimpleNamespace(token=lambda **_: "token")
    return NetSuiteAdapter(NETSUITE, tokens, Http(odd), FakeClock())  # type: ignore[arg-type]


def _openair(odd: Answer, *first: Answer) -> OpenAirXml:
    return OpenAirXml(OPENAIR, SignIn(), Http(odd, *first), api_key="key")  # type: ignore[arg-type]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value and value.encode("utf-8", "replace").decode() == value


def report(odd: Answer) -> None:
    found = _netsuite(odd).report()
    assert isinstance(found, Report)
    texts = [found.account, *found.key_files, *found.bundles, *filter(None, found.bundles.values())]
    texts += [found.record.name, found.record.file_name] if found.record else []
    assert all(map(_is_text, texts))
    assert found.server_time.tzinfo is UTC


def sign(odd: Answer) -> None:
    CERTIFICATE.verifies(_netsuite(odd).sign(CHALLENGE), CHALLENGE.text)


def install(odd: Answer) -> None:
    warnings: list[str] = []
    call = _netsuite(odd).install
    try:
        signature = call(CERTIFICATE, KEY, CHALLENGE, deadline=NOW, create=False, warn=warnings.append)
        CERTIFICATE.verifies(signature, CHALLENGE.text)
    finally:
        assert all(map(_is_text, warnings))


def netsuite_token(odd: Answer) -> None:
    token = NetSuiteTokens(NETSUITE, KEY, Http(odd), FakeClock()).token()  # type: ignore[arg-type]
    assert token.isascii()
    assert token.isprintable()


def certificates(odd: Answer) -> None:
    tokens = NetSuiteTokens(NETSUITE, KEY, Http(Answer(200, {}, b'{"access_token": "a.e30.c"}')), FakeClock())  # type: ignore[arg-type]
    port = NetSuiteCertificates("client", tokens, Http(odd), lambda _key, _id: _netsuite(odd))  # type: ignore[arg-type]
    assert all(each.id.isprintable() for each in port.held())


def openair_token(odd: Answer) -> None:
    secrets = FakeSecrets(Grant(refresh_token="refresh"))
    sign_in = OAuthSignIn(OPENAIR, "secret", Http(odd), secrets, FakeClock())  # type: ignore[arg-type]
    try:
        assert sign_in.fields()["access_token"].isascii()
    finally:
        assert secrets.grant.refreshing_until is None, "the note that a refresh is running is removed"
        assert secrets.grant.refresh_token.isascii()


def read(odd: Answer) -> None:
    held = _openair(odd).read()
    assert held is None or isinstance(held, Certificate)


def save(odd: Answer) -> None:
    found = Answer(200, {}, FOUND.replace(b"@CERTIFICATE@", b""))
    _openair(odd, found).save(CONFIRMATION, lambda: None)


JSON: Final = mutations.json_answers("netsuite")
TOKEN: Final = mutations.json_answers("token")
XML: Final = mutations.xml_answers(CERTIFICATE.pem)
OPENID: Final = mutations.json_answers("openid")
READERS_OF_OPENID: Final = [
    (each, OPENID)
    for each in (
        *(openid_readers.openid_configuration, openid_readers.openid_tokens, openid_readers.openid_keys),
        *(openid_readers.openid_user_info, openid_readers.openid_claims),
    )
]
READERS: Final = [
    (report, JSON),
    (sign, JSON),
    (certificates, JSON),
    (install, JSON),
    (netsuite_token, TOKEN),
    (openair_token, TOKEN),
]
READERS_OF_XML: Final = [(read, XML), (save, XML)]


@pytest.mark.timeout(0 if SECONDS else 300)
@pytest.mark.parametrize(
    ("reader", "answers"),
    [pytest.param(*each, id=each[0].__name__) for each in READERS + READERS_OF_XML + READERS_OF_OPENID],
)
def test_an_odd_answer_is_no_bug(reader: Callable[[Answer], None], answers: st.SearchStrategy[Answer]) -> None:
    """Any answer is a value or an error of Keyturn's own, whose message can be stored and printed."""

    def try_it(odd: Answer) -> None:
        try:
            reader(odd)
        except (InternalError, Stale) as error:
            raise AssertionError(error.message) from error
        except KeyturnError as error:
            assert _is_text(error.message)  # noqa: PT017 - one of two outcomes

    _fuzz(try_it, answers)


WRITES: Final = [(install, JSON), (save, XML)]


@pytest.mark.timeout(0 if SECONDS else 300)
@pytest.mark.parametrize(("writer", "answers"), [pytest.param(*each, id=each[0].__name__) for each in WRITES])
def test_a_write_that_was_answered_unreadably_is_in_doubt(
    writer: Callable[[Answer], None], answers: st.SearchStrategy[Answer]
) -> None:
    """After a write, what says nothing that Keyturn knows leaves a doubt; it never says that nothing happened."""

    def try_it(odd: Answer) -> None:
        garbled = Answer(200, odd.headers, b"\xff" + odd.body)
        with suppress(Unknown):
            writer(garbled)
            raise AssertionError("taken for a success")

    _fuzz(try_it, answers)


def test_what_no_reader_foresaw_is_unusable(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An error that a reader did not foresee makes a read's answer unusable and leaves a write in doubt; it is logged
    without its text.
    """

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret")

    for place in ("netsuite_errors.read", "oauth.parse_token", "openair_xml._parse_answer"):
        monkeypatch.setattr(f"orchestrator.adapters.{place}", broken)
    odd = Answer(200, {}, b"{}")
    expected = [TryLater] * 5 + [Unknown]
    assert expected == [_error_of(each, odd) for each in (report, sign, netsuite_token, openair_token, read, install)]
    found = _openair(odd)
    monkeypatch.setattr(found, "_find_preferences", lambda _: [])
    with pytest.raises(Unknown):
        found.save(CONFIRMATION, lambda: None)
    records: list[Any] = caplog.records
    assert {"ZeroDivisionError"} == {record.error for record in records}
    assert "a secret" not in caplog.text


def _error_of(reader: Callable[[Answer], None], odd: Answer) -> type[KeyturnError]:
    with pytest.raises(KeyturnError) as caught:
        reader(odd)
    return type(caught.value)


def _fuzz(try_it: Callable[[Answer], None], answers: st.SearchStrategy[Answer]) -> None:
    """Try a few hundred answers, the same each time; or others, until ``SECONDS`` have passed."""
    usual = settings(
        max_examples=EXAMPLES,
        derandomize=not SECONDS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    until = time.monotonic() + SECONDS
    usual(given(answers)(try_it))()
    number = SEED
    while time.monotonic() < until:
        number += 1
        seed(number)(usual(given(answers)(try_it)))()
