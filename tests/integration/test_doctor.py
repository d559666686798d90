"""What the doctor finds in NetSuite, without changing anything there."""

from dataclasses import replace

import pytest
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from simulator.errors import SuiteScriptError


def netsuite(app: Keyturn) -> tuple[bool, str]:
    """The doctor's finding on NetSuite's sign-in and RESTlet."""
    found = next(each for each in app.doctor.examine(NAME) if "NetSuite sign-in" in each.subject)
    return found.ok, found.message


def test_another_account_is_named(app: Keyturn, simulator: Simulator) -> None:
    """A RESTlet that answers for another account than the connection's is no success."""
    assert netsuite(app)[0]
    simulator.netsuite.record.account = "OTHER1"
    assert (False, f"NetSuite account OTHER1 answers, and not {simulator.credentials.account}.") == netsuite(app)


def test_a_key_file_that_was_left_is_reported(
    app: Keyturn, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private key's file that NetSuite cannot remove is reported by name, until it is gone."""
    cabinet = simulator.netsuite.record.file_cabinet
    folder = cabinet.create_folder(name="Keyturn private files of user 17", private=True)
    cabinet.save("keyturn-1000000000000-abcdefgh.pem", folder, "a key")

    def refuse(_identifier: int) -> None:
        raise SuiteScriptError("INSUFFICIENT_PERMISSION", "No.")

    with monkeypatch.context() as patched:
        patched.setattr(cabinet, "delete", refuse)
        ok, message = netsuite(app)
        problems = [each.code for each in app.health.health(NAME).problems]
    assert (False, True) == (ok, "keyturn-1000000000000-abcdefgh.pem" in message)
    assert "KEY_FILE_LEFT" in problems
    assert netsuite(app)[0]
    assert [] == cabinet.paths()


def test_bundles_are_compared_with_what_netsuite_reports(app: Keyturn, simulator: Simulator) -> None:
    """A version that NetSuite reports otherwise is named, and so is the condition of automatic rotation that fails."""
    simulator.netsuite.record.bundles[0]["version"] = "5.00"
    recorded = {"369630": "2.9", "369637": "5.02"}
    app.connections.edit(replace(app.connections.show(NAME), bundles=recorded), {}, actor="ada")
    found = {each.subject: each.message for each in app.doctor.examine(NAME)}
    assert "NetSuite reports others: bundle 369630 is 5.00, recorded as 2.9" == found[f"{NAME}: bundles"]
    assert found[f"{NAME}: automatic rotation"].endswith("Bundle 369630 is recorded as 2.9; 3.0 or later is needed.")
