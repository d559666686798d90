"""The first refresh token comes from a consent in OpenAir, not from a file."""

import json
import socket

import pytest
from acceptance.consent import consented
from acceptance.installed_keyturn import NAME, InstalledKeyturn, rotate

from simulator import Simulator


@pytest.fixture
def port() -> int:
    """A free port of this computer."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


@pytest.mark.parametrize("how", ["received", "pasted"])
def test_a_connection_without_a_refresh_token(
    initialised: InstalledKeyturn, simulator: Simulator, port: int, how: str
) -> None:
    """It is added, says what comes next, and rotates once a person has consented; the redirect URI is kept."""
    added = add_without_token(initialised, simulator)
    assert f"Next: `keyturn connection authorize {NAME}`, then `keyturn doctor {NAME}`" in added
    uri = f"http://127.0.0.1:{port}/openair" if how == "received" else "https://localhost/done"
    more = ["--paste"] if how == "pasted" else []
    authorized = consented(
        initialised.environment, "connection", "authorize", NAME, "--redirect-uri", uri, "-o", "json", *more
    )
    assert 0 == authorized.returncode, authorized.stderr
    assert uri == json.loads(authorized.stdout)["openair"]["redirect_uri"]
    assert (0, 0) == (initialised("doctor", NAME).returncode, rotate(initialised).returncode)
    again = consented(initialised.environment, "connection", "authorize", NAME, *more)
    assert 0 == again.returncode, "the redirect URI of the last time is asked for"


def add_without_token(initialised: InstalledKeyturn, simulator: Simulator) -> str:
    """Add a connection that has all but a refresh token; return what is printed for a person."""
    added = initialised.add(simulator.credentials, **{"openair-refresh-token-file": None})
    assert 0 == added.returncode, added.stderr
    return added.stderr


def test_a_port_that_is_taken(connected: InstalledKeyturn) -> None:
    """The error names the redirect URI and --paste, before an address is printed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}/openair"
        refused = connected("connection", "authorize", NAME, "--redirect-uri", uri)
    assert (2, True) == (refused.returncode, "[INVALID_INPUT]" in refused.stderr)
    assert f"cannot receive the browser at {uri}" in refused.stderr
    assert "--paste" in refused.stderr


def test_no_consent_in_time(connected: InstalledKeyturn, port: int) -> None:
    """The command ends, and says to repeat it; the connection is as it was."""
    uri = f"http://127.0.0.1:{port}/openair"
    before = connected("connection", "show", NAME, "-o", "json").stdout
    late = connected("connection", "authorize", NAME, "--redirect-uri", uri, "--wait", "0.1")
    assert (7, True) == (late.returncode, "No consent came within 0 seconds." in late.stderr), late.stderr
    assert before == connected("connection", "show", NAME, "-o", "json").stdout


def test_an_address_of_another_consent(connected: InstalledKeyturn) -> None:
    """An address that does not answer this consent is refused, and nothing is changed or sent."""
    refused = connected(
        "connection", "authorize", NAME, "--paste", given="https://localhost/done?code=other&state=other\n"
    )
    assert (2, True) == (refused.returncode, "does not answer this consent" in refused.stderr)


@pytest.mark.parametrize("uri", ["https://localhost/done", "http://192.0.2.1:8489/", "http://127.0.0.1:99999/"])
def test_where_nothing_can_be_pasted(connected: InstalledKeyturn, uri: str) -> None:
    """Without a terminal, and with a redirect URI that is not on this computer, the command says what to add."""
    refused = connected("connection", "authorize", NAME, "--redirect-uri", uri)
    assert (2, True) == (refused.returncode, "Add --paste" in refused.stderr)
