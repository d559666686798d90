"""Each implementation of the NetSuite port, with what its certificate record really holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from support import environment
from support.clock import FakeClock
from support.factories import key_pem
from support.fake_systems import FakeSystems

from orchestrator.adapters.http import Http
from orchestrator.adapters.netsuite import NetSuiteAdapter
from orchestrator.adapters.netsuite_token import NetSuiteTokens
from orchestrator.adapters.system import SystemClock, SystemRandom
from simulator import Simulator
from states.certificate import Certificate, Challenge
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
