"""The `Simulator`: its accounts, its servers and its settings."""

import contextlib
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from simulator.certificate_record import CertificateRecord
from simulator.certificates import KeyPair, PrivateKey, new_ec_key, new_rsa_key, self_signed
from simulator.clock import Clock
from simulator.control_api import ControlApi
from simulator.credentials import Credentials, generate
from simulator.fault_injector import FaultInjector
from simulator.faults import FaultPlan
from simulator.history import History
from simulator.import_requests import ImportRequests, Route
from simulator.netsuite import NetSuite, NetSuiteAccount
from simulator.openair import OpenAir, OpenAirCompany
from simulator.preferences import CERTIFICATE_PREFERENCE, CompanySettings
from simulator.restlet import Restlet, find_script
from simulator.server import App, Server

TOKEN_SECONDS = 3600.0
"""Lifetime of an access token: 60 minutes at NetSuite (Oracle's help); assumed to be the same at OpenAir."""


@functools.cache
def placeholder() -> KeyPair:
    """Return the certificate that the vendor ships to every customer: expired, and only the vendor has its key."""
    return self_signed(new_rsa_key(), "openair-certificate", datetime(2015, 1, 1, tzinfo=UTC), timedelta(days=365))


@dataclass(frozen=True)
class Pair:
    """One NetSuite account and the OpenAir company paired with it."""

    credentials: Credentials
    netsuite: NetSuiteAccount
    openair: OpenAirCompany


class Simulator:
    """NetSuite, OpenAir and a control API on loopback. They serve until the `with` block ends.

    All state is in memory. Each instance creates new credentials.

    Args:
        accounts: number of pairs. Their account ids are TSTDRV1, TSTDRV2, …
        record: what each certificate record holds at the start, one of `certificate_record.STATES`. With "valid",
            OpenAir has the same certificate; otherwise it has none.
        sign_in_key: private key of every account's machine-to-machine certificate (RSA or EC). None creates a P-256
            key for each account.
        netsuite_token_seconds: lifetime of NetSuite's access tokens.
        openair_token_seconds: lifetime of OpenAir's access tokens.
        certificate_preference: name of the XML API preference whose value OpenAir verifies imports with.
        port: NetSuite's port. OpenAir takes the next port, the control API the one after it. 0 takes free ports.
        clock: the systems' clock. None uses the computer's.
        reached_at: returns the URL at which clients reach a server, given its own URL: that of a front, for example.

    Raises:
        FileNotFoundError: the RESTlet is missing.
        OSError: a port is in use.
    """

    def __init__(  # noqa: PLR0913 - each has a default
        self,
        *,
        accounts: int = 1,
        record: str = "placeholder",
        sign_in_key: PrivateKey | None = None,
        netsuite_token_seconds: float = TOKEN_SECONDS,
        openair_token_seconds: float = TOKEN_SECONDS,
        certificate_preference: str = CERTIFICATE_PREFERENCE,
        port: int = 0,
        clock: Clock | None = None,
        reached_at: Callable[[str], str] = str,
    ) -> None:
        self.clock = clock or Clock()
        self.history = History(self.clock)
        self.faults = FaultPlan()
        self.pairs: dict[str, Pair] = {}
        self._netsuite_accounts: dict[str, NetSuiteAccount] = {}
        self._openair_companies: dict[str, OpenAirCompany] = {}
        self._routes: dict[str, Route] = {}
        self.import_requests = ImportRequests(self._routes, self.clock)
        injector = FaultInjector(self.history, self.faults, self.clock)
        restlet = Restlet(find_script())
        self._servers = self._bind(port)
        netsuite_url, openair_url = (reached_at(server.url) for server in self._servers[:2])
        for number in range(1, accounts + 1):
            key = sign_in_key or new_ec_key()
            credentials = generate(f"TSTDRV{number}", netsuite_url, openair_url, key)
            netsuite = NetSuiteAccount(
                credentials,
                key,
                injector,
                self.clock,
                restlet,
                CertificateRecord(credentials.account, self.history, placeholder(), record),
                token_seconds=netsuite_token_seconds,
            )
            agreed = netsuite.record.load().pair.certificate_pem() if record == "valid" else None
            settings = CompanySettings(credentials.account, self.history, certificate_preference, agreed)
            openair = OpenAirCompany(credentials, injector, self.clock, settings, token_seconds=openair_token_seconds)
            self._add(Pair(credentials, netsuite, openair))

    def _bind(self, port: int) -> list[Server]:
        """Open the three ports.

        Raises:
            OSError: a port is in use. No port stays open.
        """
        apps: tuple[App, ...] = (NetSuite(self._netsuite_accounts), OpenAir(self._openair_companies), ControlApi(self))
        with contextlib.ExitStack() as undo:
            servers = []
            for place, app in enumerate(apps):
                servers.append(Server(app, self.clock.stopping, port + place if port else 0))
                undo.callback(servers[-1].stop)
            undo.pop_all()
        return servers

    def _add(self, pair: Pair) -> None:
        known = pair.credentials
        self.pairs[known.account] = pair
        self._netsuite_accounts[known.account] = pair.netsuite
        self._openair_companies[known.company] = pair.openair
        self._routes[known.account] = Route(pair.netsuite.record, known.openair_url, known.database_id)

    def __enter__(self) -> Self:
        for server in self._servers:
            server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.import_requests.stop_all()
        self.clock.stopping.set()
        stops = [
            threading.Thread(target=server.stop) for server in self._servers
        ]  # in parallel, because each takes a while
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()

    @property
    def first(self) -> Pair:
        """The first pair, which is the only one by default."""
        return next(iter(self.pairs.values()))

    @property
    def credentials(self) -> Credentials:
        """The credentials of the first pair."""
        return self.first.credentials

    @property
    def netsuite(self) -> NetSuiteAccount:
        """The first NetSuite account."""
        return self.first.netsuite

    @property
    def openair(self) -> OpenAirCompany:
        """The first OpenAir company."""
        return self.first.openair

    @property
    def netsuite_url(self) -> str:
        """Base URL of the first NetSuite account."""
        return self.credentials.netsuite_url

    @property
    def openair_url(self) -> str:
        """Base URL of the first OpenAir company."""
        return self.credentials.openair_url

    @property
    def control_url(self) -> str:
        """Base URL of the control API."""
        return self._servers[2].url
