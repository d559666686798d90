"""The OpenAir port: every implementation passes this suite."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_type_hints

import pytest
from support.factories import a_candidate, a_confirmation, a_rotation
from support.fake_systems import FakeSystems

from orchestrator.adapters.http import Http
from orchestrator.adapters.openair_auth import SECRET, Grant, OAuthSignIn, PasswordSignIn
from orchestrator.adapters.openair_export import OpenAirExport
from orchestrator.adapters.openair_xml import OpenAirXml
from orchestrator.adapters.system import SystemClock
from simulator import Simulator
from states.certificate import Certificate
from states.connection import OpenAirSettings
from states.errors import AwaitingPerson, Stale
from states.ports import OpenAir
from states.rotation import Confirmation


class MemorySecrets:
    """Secrets in memory, with the store's compare-and-set."""

    def __init__(self, name: str, value: bytes) -> None:
        self.held = {name: (value, 1)}

    def get(self, name: str) -> tuple[bytes, int] | None:
        return self.held.get(name)

    def replace(self, name: str, value: bytes, version: int) -> int:
        if self.held[name][1] != version:
            raise Stale
        self.held[name] = (value, version + 1)
        return version + 1


class Person:
    """The person who saves certificates in OpenAir and confirms them."""

    def __init__(self) -> None:
        self.certificate: Certificate | None = None

    def confirmed(self) -> Certificate | None:
        return self.certificate


class Company:
    """An OpenAir company that holds no certificate yet, and the person who works there."""

    def __init__(self, openair: OpenAir, person: Person) -> None:
        self.openair = openair
        self.person = person
        self.checks = 0

    def check(self) -> None:
        """Let it write, and count that."""
        self.checks += 1

    def save(self, confirmation: Confirmation) -> None:
        """Save, with the person's help where it is needed."""
        try:
            self.openair.save(confirmation, self.check)
        except AwaitingPerson:
            self.person.certificate = confirmation.certificate
            self.openair.save(confirmation, self.check)


def settings(simulator: Simulator) -> OpenAirSettings:
    known = simulator.credentials
    return OpenAirSettings(
        url=known.openair_url,
        company=known.company,
        user=known.user,
        client_id=known.openair_client_id,
        namespace=known.api_namespace,
    )


def by_password(simulator: Simulator, http: Http) -> OpenAir:
    known = simulator.credentials
    sign_in = PasswordSignIn(settings(simulator), known.password)
    return OpenAirXml(settings(simulator), sign_in, http, api_key=known.api_key)


def by_oauth(simulator: Simulator, http: Http) -> OpenAir:
    known = simulator.credentials
    secrets = MemorySecrets(SECRET, Grant(refresh_token=known.refresh_token).to_bytes())
    sign_in = OAuthSignIn(settings(simulator), known.openair_client_secret, http, secrets, SystemClock())
    return OpenAirXml(settings(simulator), sign_in, http, api_key=known.api_key)


@pytest.fixture(params=["xml by password", "xml by OAuth", "export", "fake"])
def company(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Company]:
    """Each implementation of the port in turn."""
    person = Person()
    if request.param == "export":
        yield Company(OpenAirExport("acme", tmp_path, person), person)
        return
    if request.param == "fake":
        yield Company(FakeSystems().openair, person)
        return
    with Simulator() as simulator:
        http = Http("OpenAir", simulator.openair_url)
        build = by_password if request.param == "xml by password" else by_oauth
        yield Company(build(simulator, http), person)
        http.close()


def confirmation() -> Confirmation:
    return a_confirmation(a_rotation(candidate=a_candidate()))


def test_nothing_at_first(company: Company) -> None:
    """Reading a company without a certificate returns None."""
    assert company.openair.read() is None


def test_saved_certificate_is_read_back(company: Company) -> None:
    """The saved certificate is read back."""
    proof = confirmation()
    company.save(proof)
    assert proof.certificate == company.openair.read()


def test_reading_changes_nothing(company: Company) -> None:
    """Reading twice returns the same certificate twice."""
    proof = confirmation()
    company.save(proof)
    assert [proof.certificate] * 2 == [company.openair.read(), company.openair.read()]


def test_a_save_that_is_not_allowed_changes_nothing(company: Company) -> None:
    """If the check raises, nothing is written; a save that writes calls the check at least once."""

    def check() -> None:
        raise Stale

    with pytest.raises(Stale):
        company.openair.save(confirmation(), check)
    assert company.openair.read() is None
    company.save(confirmation())
    assert company.checks >= 1


def test_saving_again_is_safe(company: Company) -> None:
    """Saving the same certificate again changes nothing."""
    proof = confirmation()
    for _ in range(2):
        company.save(proof)
    assert proof.certificate == company.openair.read()


def test_next_certificate_takes_its_place(company: Company) -> None:
    """Saving another certificate replaces the previous one."""
    before, after = confirmation(), confirmation()
    company.save(before)
    company.save(after)
    assert after.certificate == company.openair.read()


def test_save_takes_a_confirmation_only(company: Company) -> None:
    """`save` takes a Confirmation and a check without arguments, so no private key can be passed to OpenAir."""
    expected = {"confirmation": Confirmation, "check": Callable[[], None], "return": type(None)}
    assert expected == get_type_hints(type(company.openair).save)
