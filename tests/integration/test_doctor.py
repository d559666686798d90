"""What the doctor finds in NetSuite, without changing anything there."""

import re
from dataclasses import replace

import pytest
from integration.fixture_types import Rotate
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.cli.health import mark
from orchestrator.operations.doctor import Finding
from orchestrator.views import next_actions
from orchestrator.views.health import finding_json
from simulator import Fault, Simulator
from simulator.errors import SuiteScriptError
from states.connection import OpenAirKind, OpenAirSettings, Options
from states.next_action import Verb


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


def record(app: Keyturn, bundles: dict[str, str], **options: bool) -> dict[str, Finding]:
    """What the doctor finds with these bundles and boxes recorded, by subject."""
    changed = replace(app.connections.show(NAME), bundles=bundles, options=Options(**options))
    app.connections.edit(changed, {}, actor="ada")
    return {each.subject.removeprefix(f"{NAME}: "): each for each in app.doctor.examine(NAME)}


def test_bundles_are_compared_with_what_netsuite_reports(app: Keyturn, simulator: Simulator) -> None:
    """A version that NetSuite reports otherwise is named, with the command that records it."""
    simulator.netsuite.record.bundles[0]["version"] = "5.00"
    found = record(app, {"369630": "2.9", "369637": "5.02"})
    edit = "keyturn connection edit acme --bundle 369630=5.00"
    assert "NetSuite reports others: bundle 369630 is 5.00, recorded as 2.9" == found["bundles"].message
    assert found["automatic rotation"].message.endswith("Bundle 369630 is recorded as 2.9; 3.0 or later is needed.")
    assert [edit, edit] == [command(found[each]) for each in ("bundles", "automatic rotation")]


def test_each_condition_is_set_by_one_command(app: Keyturn) -> None:
    """Boxes and bundles that fail are named, and the command records them all; it makes rotation automatic."""
    found = record(app, {}, oauth2=False, real_time_integration=False)
    assert (
        "off: rotations are begun by hand only. Neither single sign-on nor real-time integration is ticked. OAuth 2.0 "
        "is not ticked. Bundle 369630 is not recorded; 3.0 or later is needed. Bundle 369637 is not recorded; 4.0 or "
        "later is needed."
    ) == found["automatic rotation"].message
    assert (
        "keyturn connection edit acme --oauth2 --real-time-integration --bundle 369630=4.02 --bundle 369637=5.02"
    ) == command(found["automatic rotation"])


def test_a_bundle_that_is_too_old_is_upgraded_in_netsuite(app: Keyturn, simulator: Simulator) -> None:
    """No command of Keyturn's helps: the bundle, its version and the version that is needed are named."""
    simulator.netsuite.record.bundles[0]["version"] = "2.9"
    fix = record(app, {"369630": "2.9", "369637": "5.02"})["automatic rotation"].fix
    expected = "Upgrade the bundles in NetSuite: Bundle 369630 is recorded as 2.9; 3.0 or later is needed."
    assert fix
    assert (Verb.BY_HAND, expected) == (fix.verb, fix.because)


@pytest.mark.parametrize("version", ["2.9", None])
def test_a_bundle_that_stops_the_schedule_is_to_be_fixed(
    app: Keyturn, simulator: Simulator, version: str | None
) -> None:
    """Where rotation is automatic by what is recorded, and NetSuite has an older bundle or none, the doctor fails."""
    if version:
        simulator.netsuite.record.bundles[0]["version"] = version
    else:
        del simulator.netsuite.record.bundles[0]
    found = record(app, {"369630": "4.02", "369637": "5.02"})["bundles"]
    reported = f"NetSuite reports others: bundle 369630 is {version or 'not installed'}, recorded as 4.02."
    assert (False, True) == (found.ok, found.message.startswith(reported))
    assert f"keyturn connection edit acme --bundle 369630={version or ''}" == command(found)


def test_a_bundle_that_netsuite_does_not_report_is_looked_up(app: Keyturn, simulator: Simulator) -> None:
    """Where the version can be read neither here nor there, a person supplies it."""
    simulator.netsuite.record.bundles[0]["version"] = ""
    found = record(app, {"369637": "5.02"})["automatic rotation"]
    assert "keyturn connection edit acme --bundle" == command(found)
    assert found.fix
    assert "NetSuite does not report the version of bundle 369630: look it up there." == found.fix.because


def test_what_is_not_set_up_is_no_tick(app: Keyturn) -> None:
    """Without a worker, and without a sign-in to OpenAir, there is nothing to tick, and that is no failure."""
    exported = OpenAirSettings(kind=OpenAirKind.EXPORT)
    app.connections.edit(replace(app.connections.show(NAME), openair=exported), {}, actor="ada")
    found = {each.subject: each for each in app.doctor.examine(NAME)}
    workers, openair = found["workers"], found[f"{NAME}: OpenAir sign-in"]
    assert [(True, False, "○")] * 2 == [(each.ok, each.is_set_up, mark(each)) for each in (workers, openair)]
    assert openair.message.startswith("none: a person saves the certificate in OpenAir and confirms it.")
    assert {"✓"} == {mark(each) for each in found.values() if each not in (workers, openair)}
    assert finding_json(openair)["set_up"] is False


def test_where_a_person_saves_the_schedule_can_begin(app: Keyturn) -> None:
    """Nothing about boxes and bundles is said where they are not the reason."""
    exported = OpenAirSettings(kind=OpenAirKind.EXPORT)
    app.connections.edit(replace(app.connections.show(NAME), openair=exported), {}, actor="ada")
    (found,) = [each for each in app.doctor.examine(NAME) if "automatic" in each.subject]
    assert "off: a person saves the certificate in OpenAir, and begins each rotation." == found.message
    assert "keyturn connection edit acme --starts-by-hand" == command(found)


def test_the_save_is_rehearsed(app: Keyturn, simulator: Simulator, rotate: Rotate) -> None:
    """A certificate of the policy's size is saved and removed; the connection's own and the rotation are untouched."""
    rotate()
    before = (simulator.openair.settings.preferences(), app.connections.show(NAME))
    found = list(app.doctor.rehearse())
    message = (
        r"OpenAir kept a certificate of \d{3,4} characters whole\. The throw-away Preference keyturn_probe was removed "
        r"again\."
    )
    assert [(f"{NAME}: OpenAir rehearsal", True, None)] == [(each.subject, each.ok, each.fix) for each in found]
    assert re.fullmatch(message, found[0].message)
    assert before == (simulator.openair.settings.preferences(), app.connections.show(NAME))
    assert app.health.health(NAME).problems == ()


def test_a_rehearsal_that_fails_says_what_it_left(app: Keyturn, simulator: Simulator) -> None:
    """What OpenAir would not take, and what may be left there, are one finding with its fix."""
    simulator.faults.add(Fault("openair.api", "error", action="Add", code="1418"))
    (refused,) = app.doctor.rehearse(NAME)
    assert (False, True) == (refused.ok, refused.message.endswith("Preference keyturn_probe was removed again."))
    assert "OpenAir did not accept the Preference (Add, code 1418)." in refused.message
    simulator.faults.add(Fault("openair.api", "503", action="Delete", when="before"))
    (left,) = app.doctor.rehearse(NAME)
    assert (False, True) == (left.ok, "keyturn_probe may be left in OpenAir: OpenAir" in left.message)
    assert left.fix
    assert left.fix.because.startswith("Delete the Preference keyturn_probe in OpenAir")


def test_nothing_is_rehearsed_where_a_person_saves(app: Keyturn) -> None:
    """Keyturn does not write to that OpenAir."""
    exported = OpenAirSettings(kind=OpenAirKind.EXPORT)
    app.connections.edit(replace(app.connections.show(NAME), openair=exported), {}, actor="ada")
    (found,) = app.doctor.rehearse(NAME)
    assert (True, False, "none: a person saves the certificate in OpenAir") == (
        found.ok,
        found.is_set_up,
        found.message,
    )


def command(found: Finding) -> str:
    """The command that the doctor advises."""
    assert found.fix
    return next_actions.command(found.fix)
