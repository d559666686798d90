"""The NetSuite adapter over HTTP: its token, files that are left, faults, and what its errors say."""

import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from support.advice import text
from support.factories import a_certificate, key_pem
from support.netsuite_port import RESTLET, TOKEN, Account

from orchestrator.adapters.system import SystemClock
from simulator import Fault, Simulator
from simulator.errors import SuiteScriptError
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


@pytest.fixture
def account() -> Iterator[Account]:
    """An account whose record holds the placeholder."""
    with Simulator() as simulator:
        it = Account(simulator)
        yield it
        it.http.close()


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
    assert () == account.adapter.report().key_files
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
    assert "`keyturn suitescript export keyturn-suitescript`" in text(caught.value.next_action)


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
