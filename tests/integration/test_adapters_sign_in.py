"""Both sign-ins against servers that verify the assertion and void each refresh token."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support import environment
from support.advice import text

from orchestrator.adapters.http import Http
from orchestrator.adapters.netsuite import NetSuiteAdapter
from orchestrator.adapters.netsuite_token import NetSuiteTokens
from orchestrator.adapters.openair_auth import SECRET, Grant, OAuthSignIn
from orchestrator.adapters.openair_xml import OpenAirXml
from orchestrator.adapters.system import SystemClock
from simulator import Fault, Simulator
from states.connection import OpenAirSettings
from states.errors import KeyturnError, SignInRefused, Stale, Throttled, TryLater, WrongBaseUrl
from states.rotation import PrivateKey

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class MemorySecrets:
    """Secrets in memory, with the store's compare-and-set."""

    def __init__(self, refresh_token: str) -> None:
        self.held = (Grant(refresh_token=refresh_token).to_bytes(), 1)
        self._lock = threading.Lock()

    def get(self, name: str) -> tuple[bytes, int]:
        assert name == SECRET
        return self.held

    def replace(self, name: str, value: bytes, version: int) -> int:
        assert name == SECRET
        with self._lock:
            if self.held[1] != version:
                raise Stale
            self.held = (value, version + 1)
        return version + 1

    @property
    def grant(self) -> Grant:
        return Grant.from_bytes(self.held[0])


def netsuite(simulator: Simulator, algorithm: str, http: Http) -> NetSuiteAdapter:
    known = simulator.credentials
    settings = replace(environment.netsuite(known), assertion_algorithm=algorithm)
    key = PrivateKey(known.private_key_pem.encode())
    return NetSuiteAdapter(settings, NetSuiteTokens(settings, key, http, SystemClock()), http, SystemClock())


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("PS256", RSA),
        ("PS384", RSA),
        ("PS512", RSA),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("ES384", ec.generate_private_key(ec.SECP384R1())),
        ("ES512", ec.generate_private_key(ec.SECP521R1())),
    ],
)
@pytest.mark.parametrize("ahead", [-50, 0, 50])
def test_assertions_are_accepted(
    algorithm: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, ahead: int
) -> None:
    """An independent JOSE library accepts the assertion in every algorithm, also if the clocks differ by 50 seconds."""
    with Simulator(sign_in_key=key) as simulator:
        simulator.clock.offset = timedelta(seconds=ahead)
        http = Http("NetSuite", simulator.netsuite_url)
        assert netsuite(simulator, algorithm, http).report().record is not None
        http.close()


def test_assertion_by_another_key_is_refused() -> None:
    """An assertion signed with another key is refused, so the simulator does verify it."""
    with Simulator() as simulator:
        settings = environment.netsuite(simulator.credentials)
        other = ec.generate_private_key(ec.SECP256R1())
        pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        http = Http("NetSuite", simulator.netsuite_url)
        with pytest.raises(SignInRefused):
            NetSuiteTokens(settings, PrivateKey(pem), http, SystemClock()).token()
        http.close()


class Company:
    """One simulated OpenAir company, with a sign-in by refresh tokens."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        known = simulator.credentials
        self.secrets = MemorySecrets(known.refresh_token)
        self.http = Http("OpenAir", known.openair_url, answer_within=5.0)
        self.settings = OpenAirSettings(
            url=known.openair_url, client_id=known.openair_client_id, namespace=known.api_namespace
        )

    def openair(self) -> OpenAirXml:
        """Return an adapter with a new sign-in, as a new process has."""
        known = self.simulator.credentials
        sign_in = OAuthSignIn(self.settings, known.openair_client_secret, self.http, self.secrets, SystemClock())
        return OpenAirXml(self.settings, sign_in, self.http, api_key=known.api_key)

    @property
    def refreshes(self) -> int:
        return len(self.simulator.history.entries(endpoint="openair.token"))


@pytest.fixture
def company() -> Iterator[Company]:
    with Simulator() as simulator:
        it = Company(simulator)
        yield it
        it.http.close()


def test_processes_share_one_refresh(company: Company) -> None:
    """Later processes use the access token that the first one stored."""
    for _ in range(3):
        assert company.openair().read() is None
    assert company.refreshes == 1


def test_revoked_access_token(company: Company) -> None:
    """A revoked access token is replaced in the same call with the stored refresh token."""
    for _ in range(3):
        company.openair().read()
        company.simulator.openair.revoke_tokens()
    assert company.refreshes == 3


def test_workers_share_one_refresh(company: Company) -> None:
    """Of several workers that need a token at once, one refreshes it and the others retry and use the new one."""
    company.simulator.faults.add(Fault("openair.token", "delay", seconds=0.2))
    outcomes: list[str] = []

    def work() -> None:
        try:
            company.openair().read()
            outcomes.append("read")
        except TryLater as error:
            outcomes.append(f"again in {error.retry_after} s")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["again in 1.0 s"] * 5 + ["read"] == sorted(outcomes)
    assert company.openair().read() is None
    assert company.refreshes == 1


def test_lost_refresh_needs_a_consent(company: Company) -> None:
    """If the answer with the next refresh token is lost, the old one is void, and a person must consent again."""
    company.simulator.faults.add(Fault("openair.token", "reset", when="after"))
    with pytest.raises(TryLater):
        company.openair().read()
    with pytest.raises(SignInRefused, match="lost") as caught:
        company.openair().read()
    assert "consent in OpenAir again" in text(caught.value.next_action)


def test_refresh_that_never_arrived(company: Company) -> None:
    """If the refresh never arrived, the old refresh token works, and no consent is needed."""
    company.simulator.faults.add(Fault("openair.token", "reset"))
    with pytest.raises(TryLater):
        company.openair().read()
    assert company.openair().read() is None
    assert company.secrets.grant.in_doubt is False


def test_wrong_client_secret(company: Company) -> None:
    """A wrong client secret is refused, and the refresh token stays valid."""
    sign_in = OAuthSignIn(company.settings, "wrong", company.http, company.secrets, SystemClock())
    with pytest.raises(SignInRefused):
        sign_in.fields()
    assert company.openair().read() is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("throttle", Throttled), ("302", WrongBaseUrl), ("503", TryLater), ("html", TryLater)],
)
def test_token_faults_pass(company: Company, kind: str, expected: type[KeyturnError]) -> None:
    """A fault of the token endpoint raises the error that fits, and the next attempt succeeds."""
    company.simulator.faults.add(Fault("openair.token", kind))
    with pytest.raises(KeyturnError) as caught:
        company.openair().read()
    assert expected is type(caught.value)
    assert company.openair().read() is None


def test_consent_again(company: Company) -> None:
    """After a new consent the sign-in works, even if the previous token was in doubt."""
    company.secrets.held = (Grant(refresh_token="void", in_doubt=True).to_bytes(), 7)
    with pytest.raises(SignInRefused):
        company.openair().read()
    consent = Grant(refresh_token=company.simulator.credentials.refresh_token)
    company.secrets.held = (consent.to_bytes(), 20)
    assert company.openair().read() is None
