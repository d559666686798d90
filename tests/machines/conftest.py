"""Machines with workers, one PostgreSQL on a machine of its own, and both systems behind TLS on another."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from integration.http.tls import Tls
from machines.network import NETWORK, network, refusal
from machines.site_of_machines import ACCOUNTS, Site
from machines.tls_front import tls_front
from support import postgresql as postgres
from support.environment import connect, keyturn
from support.request_history import judged_simulator


@pytest.fixture(scope="session", autouse=True)
def can_make_networks() -> None:
    """Without a network there is nothing to be learnt here."""
    if reason := refusal():
        if os.environ.get("REQUIRE") == "all":
            pytest.fail(reason)
        pytest.skip(f"{reason}; REQUIRE=all makes this a failure")


@pytest.fixture(params=["embedded", "procrastinate"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A Keyturn with thirty connections, and each dispatcher."""
    with ExitStack() as stack:
        switches = stack.enter_context(network())
        database, systems = switches.add(), switches.add()
        tls = Tls(tmp_path, systems.address("outside"))

        def reached_at(url: str) -> str:
            return stack.enter_context(tls_front(systems, tls.server, url))

        simulator = stack.enter_context(judged_simulator(accounts=ACCOUNTS, reached_at=reached_at))
        with database.entered():
            socket = stack.enter_context(postgres.server(database.address("data"), NETWORK))
        url = postgres.new_database(socket)
        app = stack.enter_context(
            keyturn(
                tmp_path,
                monkeypatch,
                KEYTURN_STORE__URL=url,
                KEYTURN_HTTP__CA_BUNDLE=tls.ca_bundle,
                KEYTURN_HTTP__TIMEOUT="60",
                KEYTURN_WORKER__LEASE="3",
                KEYTURN_WORKER__DISPATCHER=request.param,
            )
        )
        for number, pair in enumerate(simulator.pairs.values()):
            connect(app, pair.credentials, f"c{number}", bundles={})
        yield Site(switches, database, socket, simulator, app, tmp_path, url)
