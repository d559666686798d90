"""The NetSuite port: the adapter against the simulator, which runs the deployed RESTlet; and the tests' own fake."""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support import environment
from support.advice import text
from support.clock import FakeClock
from support.factories import a_certificate, key_pem
from support.fake_systems import FakeSystems

from orchestrator.adapters.http import Http
from orchestrator.adapters.netsuite import NetSuiteAdapter
from orchestrator.adapters.netsuite_token import NetSuiteTokens
from orchestrator.adapters.system import SystemClock, SystemRandom
from simulator import Fault, Simulator
from simulator.errors import SuiteScriptError
from states.certificate import Certificate, Challenge
from states.errors import (
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
from states.ports import NetSuite
from states.rotation import PrivateKey

RESTLET, TOKEN = "netsuite.restlet", "netsuite.token"


class Implementation:
    """One implementation of the port, and what its certificate record really holds."""

    def __init__(self, port: NetSuite) -> None:
        self.port = port
        self.warnings: list[str] = []
        """What NetSuite could not do in any install."""

    def install(self, certificate: Certificate, *, create: bool = False, within: float = 60.0) -> bool:
        """Install ``certificate``; return whether the answer's signature verifies with it."""
        challenge = Challenge.of(SystemRandom().bytes(32))
        signature = self.port.install(
            certificate,
            PrivateKey(key_pem(certificate)),
            challenge,
            deadline=datetime.now(UTC) + timedelta(seconds=within),
            create=create,
            warn=self.warnings.append,
        )
        return certificate.verifies(signature, challenge.text)

    def proves(self, certificate: Certificate) -> bool:
        """Return whether the record's signature verifies with ``certificate``."""
        challenge = Challenge.of(SystemRandom().bytes(32))
        return certificate.verifies(self.port.sign(challenge), challenge.text)

    def remove_record(self) -> None:
        """Delete the record, as another party would."""
        raise NotImplementedError

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the certificate in the record; None without a record."""
        raise NotImplementedError


class Account(Implementation):
    """One simulated NetSuite account, with its adapter."""

    def __init__(self, simulator: Simulator, **changes: str) -> None:
        settings = replace(environment.netsuite(simulator.credentials), **changes)
        key = PrivateKey(simulator.credentials.private_key_pem.encode())
        self.http = Http("NetSuite", settings.restlet_url, answer_within=5.0)
        self.adapter = NetSuiteAdapter(
            settings, NetSuiteTokens(settings, key, self.http, SystemClock()), self.http, SystemClock()
        )
        self.simulator = simulator
        super().__init__(self.adapter)

    def remove_record(self) -> None:
        self.simulator.netsuite.record.reset("missing")

    @property
    def fingerprint(self) -> str | None:
        return self.simulator.netsuite.record.fingerprint

    def count(self, endpoint: str) -> int:
        return len(self.simulator.history.entries(endpoint=endpoint))


class Fake(Implementation):
    """The NetSuite of the tests."""

    def __init__(self) -> None:
        self.netsuite = FakeSystems(FakeClock(datetime.now(UTC))).netsuite
        self.netsuite.hold_placeholder()
        super().__init__(self.netsuite)

    def remove_record(self) -> None:
        self.netsuite.hold(None)

    @property
    def fingerprint(self) -> str | None:
        return self.netsuite.holds.fingerprint if self.netsuite.holds else None


@pytest.fixture
def account() -> Iterator[Account]:
    """An account whose record holds the placeholder."""
    with Simulator() as simulator:
        it = Account(simulator)
        yield it
        it.http.close()


@pytest.fixture(params=["adapter", "fake"])
def netsuite(request: pytest.FixtureRequest) -> Implementation:
    """Each implementation in turn; its record still holds the placeholder."""
    if request.param == "fake":
        return Fake()
    account: Account = request.getfixturevalue("account")
    return account


# --- what every implementation does -----------------------------------------------------------------------------------


def test_report(netsuite: Implementation) -> None:
    """A report has the record, NetSuite's time and the bundles, and changes nothing."""
    before = netsuite.fingerprint
    report = netsuite.port.report()
    assert report.record is not None
    assert report.record.is_placeholder
    assert report.server_time.tzinfo is UTC
    assert abs(report.server_time - datetime.now(UTC)) < timedelta(minutes=1)
    assert {"369630": "4.02", "369637": "5.02"} == report.bundles
    assert before == netsuite.fingerprint


def test_report_without_a_record(netsuite: Implementation) -> None:
    """A missing record is reported as None, not as an error."""
    netsuite.remove_record()
    assert netsuite.port.report().record is None


def test_install_proves_itself(netsuite: Implementation) -> None:
    """The signature in the answer to an install is made with the new key."""
    certificate = a_certificate()
    assert netsuite.install(certificate)
    assert certificate.fingerprint == netsuite.fingerprint


def test_report_shows_the_validity_to_the_second(netsuite: Implementation) -> None:
    """The report has the installed certificate's validity to the second, which reveals an unfinished install."""
    certificate = a_certificate(days=90)
    netsuite.install(certificate)
    record = netsuite.port.report().record
    assert record
    assert (certificate.not_before, certificate.not_after) == (record.valid_from, record.valid_to)


def test_install_again(netsuite: Implementation) -> None:
    """Installing the same certificate again is safe."""
    certificate = a_certificate()
    assert [True, True] == [netsuite.install(certificate), netsuite.install(certificate)]


def test_sign(netsuite: Implementation) -> None:
    """A signature verifies with the certificate in the record, and with no other."""
    first, second = a_certificate(), a_certificate()
    netsuite.install(first)
    assert (True, False) == (netsuite.proves(first), netsuite.proves(second))
    netsuite.install(second)
    assert (False, True) == (netsuite.proves(first), netsuite.proves(second))


def test_install_after_the_deadline(netsuite: Implementation) -> None:
    """An install that arrives after its deadline changes nothing, and is safe to retry."""
    before = netsuite.fingerprint
    with pytest.raises(TryLater, match="deadline"):
        netsuite.install(a_certificate(), within=-1.0)
    assert before == netsuite.fingerprint


def test_record_missing(netsuite: Implementation) -> None:
    """A missing record is reported in the vendor's words, and none is created without permission."""
    netsuite.remove_record()
    for call in (lambda: netsuite.proves(a_certificate()), lambda: netsuite.install(a_certificate())):
        with pytest.raises(CertificateRecordMissing, match='Certificate "custcertificate_oa_realtime" not found'):
            call()
    assert netsuite.fingerprint is None


def test_record_created(netsuite: Implementation) -> None:
    """A missing record is created if the request allows it."""
    netsuite.remove_record()
    certificate = a_certificate()
    assert netsuite.install(certificate, create=True)
    assert netsuite.proves(certificate)


# --- what the adapter does over HTTP ----------------------------------------------------------------------------------


def test_no_key_is_left_behind(account: Account) -> None:
    """After an install no file in the File Cabinet holds a private key."""
    account.install(a_certificate())
    assert account.simulator.netsuite.record.file_cabinet.paths_with_private_key() == []


def test_a_key_file_that_cannot_be_removed(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is warned with the file's name; a report ten minutes later removes the file."""
    cabinet = account.simulator.netsuite.record.file_cabinet

    def refuse(_identifier: int) -> None:
        raise SuiteScriptError("INSUFFICIENT_PERMISSION", "No.")

    with monkeypatch.context() as patched:
        patched.setattr(cabinet, "delete", refuse)
        assert account.install(a_certificate())
    (path,) = cabinet.paths_with_private_key()
    (warning,) = account.warnings
    assert path.rpartition("/")[2] in warning
    account.simulator.clock.offset = timedelta(minutes=11)
    assert () == account.adapter.report().warnings
    assert [] == cabinet.paths_with_private_key()


def refused(account: Account, *, create: bool = False, within: float = 60) -> KeyturnError:
    """The error of an install that the RESTlet refuses."""
    with pytest.raises(KeyturnError) as caught:
        account.install(a_certificate(), create=create, within=within)
    return caught.value


def test_a_refusal_before_the_save_has_ended_the_request(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """For another account, in a folder that is not private, without room or record: nothing can take effect later."""
    record = account.simulator.netsuite.record
    ended = []
    with monkeypatch.context() as patched:
        patched.setattr(record, "account", "OTHER1")
        ended.append(refused(account))
    folder = record.file_cabinet.create_folder(name="Keyturn private files of user 17", private=False)
    ended.append(refused(account))
    record.file_cabinet._folders.pop(folder)
    with monkeypatch.context() as patched:
        patched.setattr(record.file_cabinet, "save", raises("STORAGE_FULL"))
        ended.append(refused(account))
    account.remove_record()
    ended.append(refused(account))
    assert [(WrongBaseUrl, True), (Refused, True), (Unknown, True), (CertificateRecordMissing, True)] == [
        (type(each), each.is_ended) for each in ended
    ]


@pytest.mark.parametrize("error", ["UNEXPECTED_ERROR", "CERTIFICATE_NOT_FOUND", "INSUFFICIENT_PERMISSION"])
def test_an_error_of_the_save_ends_nothing(account: Account, error: str) -> None:
    """What save() throws does not prove that nothing was saved, or is still to be saved."""
    account.simulator.netsuite.record.save_throws = error
    assert not refused(account).is_ended


@pytest.mark.parametrize("kind", ["error", "500", "html", "reset", "403", "throttle"])
def test_an_answer_that_is_not_the_restlets_ends_nothing(account: Account, kind: str) -> None:
    """Only the RESTlet's own word counts: it knows whether it reached the save."""
    account.simulator.faults.add(Fault(RESTLET, kind, action="install"))
    assert not refused(account).is_ended


def raises(name: str) -> Callable[..., None]:
    """An operation of NetSuite that fails."""

    def fail(*_: object, **__: object) -> None:
        raise SuiteScriptError(name, "No.")

    return fail


def test_permission_missing(account: Account) -> None:
    """A role without the permission is refused, and the next action names the page about the role."""
    account.simulator.netsuite.record.permissions.clear()
    with pytest.raises(NotPermitted) as caught:
        account.proves(a_certificate())
    assert "suitescript/README.md" in text(caught.value.next_action)


def test_one_token_serves_many_calls(account: Account) -> None:
    """Three calls use one token."""
    for _ in range(3):
        account.adapter.report()
    assert (1, 3) == (account.count(TOKEN), account.count(RESTLET))


def test_revoked_token(account: Account) -> None:
    """A revoked token is replaced in the same call."""
    certificate = a_certificate()
    account.install(certificate)
    account.simulator.netsuite.revoke_tokens()
    assert account.proves(certificate)
    assert (2, 3) == (account.count(TOKEN), account.count(RESTLET))


def test_token_refused_for_good(account: Account) -> None:
    """If NetSuite rejects every token, the sign-in is refused after the second one."""
    account.simulator.faults.add(Fault(RESTLET, "401", times=None))
    with pytest.raises(SignInRefused):
        account.install(a_certificate())
    assert (2, 2) == (account.count(TOKEN), account.count(RESTLET))


@pytest.mark.parametrize("field", ["client_id", "certificate_id"])
def test_wrong_credentials(account: Account, field: str) -> None:
    """Wrong credentials are refused at the token endpoint, and nothing is sent to the RESTlet."""
    with pytest.raises(SignInRefused):
        Account(account.simulator, **{field: "wrong"}).adapter.report()
    assert account.count(RESTLET) == 0


def test_not_deployed(account: Account) -> None:
    """If the script is not deployed, the next action is to deploy it."""
    with pytest.raises(Refused, match="not deployed") as caught:
        Account(account.simulator, script="customscript_other").adapter.report()
    assert "suitescript/" in text(caught.value.next_action)


def test_another_address(account: Account) -> None:
    """An address without such an account is a wrong base URL, which the token endpoint shows."""
    elsewhere = account.simulator.netsuite_url + "x"
    with pytest.raises(WrongBaseUrl):
        Account(account.simulator, restlet_url=elsewhere, token_url=elsewhere).adapter.report()


@pytest.mark.parametrize(
    ("kind", "read", "write"),
    [
        ("throttle", Throttled, Throttled),
        ("302", WrongBaseUrl, WrongBaseUrl),
        ("403", NotPermitted, NotPermitted),
        ("error", TryLater, Unknown),
        ("500", TryLater, Unknown),
        ("502", TryLater, Unknown),
        ("503", TryLater, Unknown),
        ("html", TryLater, Unknown),
        ("reset", TryLater, Unknown),
    ],
)
def test_faults_before(account: Account, kind: str, read: type[KeyturnError], write: type[KeyturnError]) -> None:
    """After a fault before the script ran, a read is retried; a write is in doubt unless the answer is clear."""
    held = a_certificate()
    account.install(held)
    account.simulator.faults.add(Fault(RESTLET, kind, times=2))
    for call, expected in (
        (lambda: account.proves(held), read),
        (lambda: account.install(a_certificate()), write),
    ):
        with pytest.raises(KeyturnError) as caught:
            call()
        assert expected is type(caught.value)
    assert account.proves(held)


@pytest.mark.parametrize("kind", ["error", "500", "502", "503", "html", "reset", "truncate"])
def test_faults_after(account: Account, kind: str) -> None:
    """A fault after an install leaves it in doubt; a signature shows that it took effect."""
    certificate = a_certificate()
    account.simulator.faults.add(Fault(RESTLET, kind, when="after", action="install"))
    with pytest.raises(Unknown):
        account.install(certificate)
    assert account.proves(certificate)


def test_late_write(account: Account) -> None:
    """A write that reaches NetSuite after its deadline is refused, so it cannot undo a newer one."""
    late, newer = a_certificate(), a_certificate()
    account.simulator.faults.add(Fault(RESTLET, "late", action="install", seconds=0.3))
    with pytest.raises(Unknown):
        account.install(late, within=-1.0)
    account.install(newer)
    while not any(entry.ended == "applied late" for entry in account.simulator.history.entries()):
        SystemClock().sleep(0.02)
    assert account.proves(newer)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("throttle", Throttled), ("401", SignInRefused), ("403", SignInRefused), ("302", WrongBaseUrl), ("503", TryLater),
     ("html", TryLater), ("reset", TryLater), ("truncate", TryLater)],
)  # fmt: skip
def test_token_faults(account: Account, kind: str, expected: type[KeyturnError]) -> None:
    """After a failure of the token endpoint, the install was never sent, so it is not in doubt."""
    account.simulator.faults.add(Fault(TOKEN, kind))
    with pytest.raises(KeyturnError) as caught:
        account.install(a_certificate())
    assert expected is type(caught.value)
    assert account.count(RESTLET) == 0


@pytest.mark.parametrize(
    ("endpoint", "kind"), [(RESTLET, "throttle"), (RESTLET, "503"), (TOKEN, "throttle"), (TOKEN, "503")]
)
def test_retry_after(account: Account, endpoint: str, kind: str) -> None:
    """The error has the seconds of Retry-After, from either endpoint."""
    account.simulator.faults.add(Fault(endpoint, kind, retry_after=7.0))
    with pytest.raises(TryLater) as caught:
        account.adapter.report()
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("kind", ["throttle", "error", "500", "html", "reset", "truncate", "403", "401", "302"])
@pytest.mark.parametrize("endpoint", [RESTLET, TOKEN])
def test_errors_keep_secrets(account: Account, endpoint: str, kind: str) -> None:
    """No error, nor its cause, contains a key, a token or an assertion."""
    certificate = a_certificate()
    account.simulator.faults.add(Fault(endpoint, kind, times=None))
    with pytest.raises(KeyturnError) as caught:
        account.install(certificate)
    trace = "".join(traceback.format_exception(caught.value))
    assert caught.value.message in trace
    secrets = [*key_pem(certificate).decode().splitlines(), *account.simulator.netsuite._tokens, "eyJ"]
    assert [] == [secret for secret in secrets if secret in trace]
