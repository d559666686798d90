"""The XML adapter against the simulator's faults: which failures are certain, which leave a doubt."""

from collections.abc import Iterator

import pytest
from support.factories import a_candidate, a_confirmation, a_rotation, at_will

from orchestrator.adapters.http import Http
from orchestrator.adapters.openair_auth import PasswordSignIn
from orchestrator.adapters.openair_xml import PROBE, OpenAirXml
from simulator import Fault, Simulator
from states.connection import OpenAirSettings
from states.errors import KeyturnError, NotPermitted, Refused, SignInRefused, Throttled, TryLater, Unknown, WrongBaseUrl
from states.rotation import Confirmation

API = "openair.api"


class Company:
    """One simulated OpenAir company, with its adapter."""

    def __init__(
        self,
        simulator: Simulator,
        *,
        path: str = "",
        password: str = "",
        api_key: str = "",
        preference: str = "oa_realtime_certificate",
    ) -> None:
        known = simulator.credentials
        settings = OpenAirSettings(
            url=known.openair_url + path,
            company=known.company,
            user=known.user,
            namespace=known.api_namespace,
            preference=preference,
        )
        self.http = Http("OpenAir", settings.url, answer_within=5.0)
        sign_in = PasswordSignIn(settings, password or known.password)
        self.adapter = OpenAirXml(settings, sign_in, self.http, api_key=api_key or known.api_key)
        self.simulator = simulator

    @property
    def commands(self) -> list[str]:
        """The commands that OpenAir received, without the Auth at the beginning of each request."""
        entries = self.simulator.history.entries(endpoint=API)
        return [(entry.action or "").removeprefix("Auth+") for entry in entries]


@pytest.fixture
def company() -> Iterator[Company]:
    with Simulator() as simulator:
        it = Company(simulator)
        yield it
        it.http.close()


def confirmation() -> Confirmation:
    return a_confirmation(a_rotation(candidate=a_candidate()))


def test_add_then_modify(company: Company) -> None:
    """The first save adds the Preference, the next one modifies it, and saving the same again writes nothing."""
    first, second = confirmation(), confirmation()
    for proof in (first, second, second):
        company.adapter.save(proof, at_will)
    assert ["Read", "Add", "Read", "Modify", "Read"] == company.commands
    assert second.fingerprint == company.simulator.openair.settings.fingerprint
    assert len(company.simulator.openair.settings.preferences()) == 1


@pytest.mark.parametrize("kind", ["500", "502", "503", "html", "reset", "truncate"])
@pytest.mark.parametrize("command", ["Add", "Modify"])
def test_lost_write_is_found_by_reading(company: Company, kind: str, command: str) -> None:
    """A write whose answer was lost is in doubt; a Read finds it, and saving again is safe."""
    if command == "Modify":
        company.adapter.save(confirmation(), at_will)
    proof = confirmation()
    company.simulator.faults.add(Fault(API, kind, action=command, when="after"))
    with pytest.raises(Unknown):
        company.adapter.save(proof, at_will)
    assert proof.certificate == company.adapter.read()
    company.adapter.save(proof, at_will)
    assert len(company.simulator.openair.settings.preferences()) == 1


@pytest.mark.parametrize("kind", ["500", "502", "503", "html", "reset"])
def test_write_that_never_arrived(company: Company, kind: str) -> None:
    """A write that never arrived is in doubt too; a Read does not find it, and saving again succeeds."""
    proof = confirmation()
    company.simulator.faults.add(Fault(API, kind, action="Add", when="before"))
    with pytest.raises(Unknown):
        company.adapter.save(proof, at_will)
    assert company.adapter.read() is None
    company.adapter.save(proof, at_will)
    assert proof.certificate == company.adapter.read()


@pytest.mark.parametrize("kind", ["500", "502", "503", "html", "reset", "truncate"])
def test_lost_read_is_repeated(company: Company, kind: str) -> None:
    """A failed Read changed nothing and is retried, also if it is the first part of a save."""
    company.simulator.faults.add(Fault(API, kind, action="Read", times=2))
    with pytest.raises(TryLater):
        company.adapter.read()
    with pytest.raises(TryLater):
        company.adapter.save(confirmation(), at_will)
    assert ["Read", "Read"] == company.commands


@pytest.mark.parametrize(
    ("kind", "code", "expected"),
    [
        ("throttle", "", Throttled),
        ("401", "", SignInRefused),
        ("403", "", NotPermitted),
        ("302", "", WrongBaseUrl),
        ("error", "414", TryLater),
        ("error", "426", WrongBaseUrl),
        ("error", "601", TryLater),
        ("error", "965", TryLater),
        ("error", "1", Unknown),
        ("error", "1418", Refused),
    ],
)
def test_refused_writes(company: Company, kind: str, code: str, expected: type[KeyturnError]) -> None:
    """A write that OpenAir refuses with a code was not carried out; only code 1 (unknown error) leaves a doubt."""
    company.adapter.save(confirmation(), at_will)
    held = company.adapter.read()
    company.simulator.faults.add(Fault(API, kind, action="Modify", code=code))
    with pytest.raises(KeyturnError) as caught:
        company.adapter.save(confirmation(), at_will)
    assert expected is type(caught.value)
    assert held == company.adapter.read()


def test_retry_after(company: Company) -> None:
    """The error has the seconds of Retry-After."""
    company.simulator.faults.add(Fault(API, "throttle", retry_after=7.0))
    with pytest.raises(Throttled) as caught:
        company.adapter.read()
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"api_key": "wrong"}])
def test_wrong_sign_in(company: Company, wrong: dict[str, str]) -> None:
    """A wrong password or API key is refused after one request, and nothing is written."""
    it = Company(company.simulator, **wrong)
    with pytest.raises(SignInRefused):
        it.adapter.save(confirmation(), at_will)
    it.http.close()
    assert ["Read"] == company.commands
    assert company.simulator.openair.settings.preferences() == ()


def test_another_address(company: Company) -> None:
    """An address without such a company is a wrong base URL."""
    it = Company(company.simulator, path="x")
    with pytest.raises(WrongBaseUrl):
        it.adapter.read()
    it.http.close()


def test_deleted_preference_is_added_again(company: Company) -> None:
    """A Preference that is deleted between Read and Modify is added by the next attempt."""
    company.adapter.save(confirmation(), at_will)
    proof = confirmation()
    company.simulator.faults.add(Fault(API, "missing", action="Modify", when="before"))
    with pytest.raises(TryLater, match="deleted"):
        company.adapter.save(proof, at_will)
    company.adapter.save(proof, at_will)
    assert proof.certificate == company.adapter.read()


def test_no_private_key_arrives(company: Company) -> None:
    """OpenAir receives no private key."""
    company.adapter.save(confirmation(), at_will)
    assert company.simulator.history.effects("leaked") == []


# --- the rehearsal ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [False, True])
def test_a_rehearsal_leaves_nothing(company: Company, held: bool) -> None:  # noqa: FBT001
    """A throw-away Preference is added, read and deleted; the certificate's own stays as it is."""
    if held:
        company.adapter.save(confirmation(), at_will)
    before, sent = company.simulator.openair.settings.preferences(), len(company.commands)
    certificate = confirmation().certificate
    done = company.adapter.rehearse(certificate, at_will)
    assert (PROBE, len(certificate.pem), None, "") == (done.preference, done.characters, done.error, done.left)
    assert ["Read", "Add", "Read", "Read", "Delete", "Read"] == company.commands[sent:]
    assert before == company.simulator.openair.settings.preferences()


@pytest.mark.parametrize(
    ("kind", "when"), [("500", "before"), ("500", "after"), ("reset", "before"), ("reset", "after"), ("403", "before")]
)
@pytest.mark.parametrize("command", ["Add", "Read"])
def test_a_rehearsal_that_fails_halfway_leaves_nothing(company: Company, kind: str, command: str, when: str) -> None:
    """Where OpenAir did not take or show it, or the answer was lost, what was added is removed all the same."""
    company.simulator.faults.add(Fault(API, kind, action=command, when=when, skip=int(command == "Read")))
    done = company.adapter.rehearse(confirmation().certificate, at_will)
    is_lost = command == "Add" and kind != "403"
    assert (is_lost, is_lost) == (isinstance(done.error, Unknown), "may still be added" in done.left)
    assert done.error
    assert () == company.simulator.openair.settings.preferences()


def test_what_a_rehearsal_leaves_is_said_and_removed_by_the_next(company: Company) -> None:
    """If the removal fails, the reason is given; the next rehearsal removes it."""
    company.simulator.faults.add(Fault(API, "503", action="Delete", when="before"))
    done = company.adapter.rehearse(confirmation().certificate, at_will)
    assert (None, True) == (done.error, done.left.startswith("OpenAir "))
    assert [PROBE] == [each.name for each in company.simulator.openair.settings.preferences()]
    assert "" == company.adapter.rehearse(confirmation().certificate, at_will).left
    assert () == company.simulator.openair.settings.preferences()


def test_a_rehearsal_shows_that_openair_cuts(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """That a company's Preferences hold 255 characters only is known before a rotation."""
    settings = company.simulator.openair.settings
    add = settings.add
    monkeypatch.setattr(settings, "add", lambda call, name, setting: add(call, name, setting[:255]))
    done = company.adapter.rehearse(confirmation().certificate, at_will)
    assert done.error
    assert ("CUT_OFF", "OpenAir kept only the first 255 characters of a certificate.", "") == (
        done.error.code,
        done.error.message,
        done.left,
    )


def test_a_rehearsal_that_cannot_begin_writes_nothing(company: Company) -> None:
    """Where OpenAir cannot be read, nothing is sent; the connection's own Preference is never the throw-away one."""
    company.simulator.faults.add(Fault(API, "503", action="Read", when="before"))
    with pytest.raises(TryLater):
        company.adapter.rehearse(confirmation().certificate, at_will)
    assert ["Read"] == company.commands
    own = Company(company.simulator, preference=PROBE)
    with pytest.raises(Refused, match="own Preference"):
        own.adapter.rehearse(confirmation().certificate, at_will)
    assert ["Read"] == company.commands
