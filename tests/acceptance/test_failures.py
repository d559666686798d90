"""Failed rotations: message, exit code, and recovery."""

import json
import shlex
import signal
from pathlib import Path

import pytest
from acceptance.installed_keyturn import NAME, InstalledKeyturn, Run, error, rotate
from support.factories import a_certificate
from support.polling import WAIT_LIMIT
from support.request_history import assert_openair_came_second, installed, saved

from simulator import Fault, Simulator

DOWN = Fault("netsuite.token", "503", times=None, retry_after=7200)
"""NetSuite is down for longer than a command waits."""


def test_missing_record(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A missing record is reported in the vendor's words with the repair steps; `resume` can create it."""
    simulator.netsuite.record.reset("missing")
    parked = rotate(connected)
    reported = error(parked)
    assert (3, "CERTIFICATE_NOT_FOUND") == (parked.returncode, reported["code"])
    assert 'Certificate "custcertificate_oa_realtime" not found.' == reported["message"]
    assert "The candidate, sealed. OpenAir was not touched." == reported["kept"]
    assert "the ID _oa_realtime" in reported["next_action"]["text"]
    assert f"`keyturn rotation resume {reported['rotation']} --create-record`" in reported["next_action"]["text"]

    resumed = connected("rotation", "resume", reported["rotation"], "--create-record", "-o", "name")
    assert (0, reported["rotation"]) == (resumed.returncode, resumed.stdout.strip())
    shown = connected.json("rotation", "show", reported["rotation"])
    assert ("Completed", 2) == (shown["state"], shown["attempt"])
    assert [shown["candidate"]["fingerprint"]] == saved(simulator.history.entries())
    assert_openair_came_second(simulator.history.entries())


def test_parked_rotations_are_listed_with_their_reason(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """The list shows why a rotation is parked; the command that `explain` ends with completes it as it is."""
    simulator.netsuite.record.reset("missing")
    rotation = error(rotate(connected))["rotation"]
    listed = connected("rotation", "list").stdout.splitlines()
    assert 'parked in KeyGenerated [CERTIFICATE_NOT_FOUND]: Certificate "custcertificate_oa_realtime" not found.' == (
        listed[2].strip()
    )
    explained = connected("rotation", "explain", rotation).stdout
    assert "watch" in explained
    [arrow] = [line for line in explained.splitlines() if "→ " in line]
    assert f"keyturn rotation resume {rotation} --create-record" == arrow.partition("→ ")[2]
    assert 0 == connected(*shlex.split(arrow.partition("→ ")[2])[1:]).returncode
    assert "Completed" == connected.json("rotation", "show", rotation)["state"]


def test_a_postponed_rotation_is_carried_on_at_once(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """`rotation carry` does not wait until the next try is due; a completed rotation cannot be carried on."""
    simulator.faults.add(Fault("openair.api", "throttle", action="Add", retry_after=600))
    left = rotate(connected)
    rotation = error(left)["rotation"]
    assert (7, "UploadedToNetSuite") == (left.returncode, connected.json("rotation", "show", rotation)["state"])
    carried = connected("rotation", "carry", rotation)
    assert (0, "Completed") == (carried.returncode, connected.json("rotation", "show", rotation)["state"])
    again = connected("rotation", "carry", rotation, "-o", "json")
    assert (6, "ILLEGAL_MOVE") == (again.returncode, error(again)["code"])
    assert_openair_came_second(simulator.history.entries())


def test_quiet_prints_the_error_once(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A quiet command that fails prints its error once, and no log."""
    simulator.netsuite.record.reset("missing")
    run = connected("rotate", NAME, "--quiet")
    assert (3, "", "error: ") == (run.returncode, run.stdout, run.stderr[:7])
    assert 1 == run.stderr.count("not found")


def test_refused_sign_in(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A refused sign-in parks the rotation with exit code 4, and `health` reports it."""
    simulator.faults.add(Fault("netsuite.token", "401", times=None))
    run = rotate(connected)
    assert (4, "SIGN_IN_REFUSED") == (run.returncode, error(run)["code"])
    health = connected("health", NAME, "-o", "json")
    assert 3 == health.returncode
    assert "SIGN_IN_REFUSED" in health.stdout


def test_remote_down(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A rotation that is postponed for long is left to the workers; the command says so and exits with 7."""
    simulator.faults.add(DOWN)
    run = rotate(connected)
    assert (7, "TRY_LATER") == (run.returncode, error(run)["code"])
    assert "postponed until" in error(run)["message"]
    assert "`keyturn worker`" in error(run)["next_action"]["text"]
    shown = connected.json("rotation", "show", error(run)["rotation"])
    assert ("KeyGenerated", None, 1) == (shown["state"], shown["failure"], shown["tries"])
    assert [] == installed(simulator.history.entries())


def test_lost_answer(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """`explain` reports a lost answer and what was read back; the next rotation waits for it and says until when."""
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="after"))
    done = rotate(connected)
    rotation = connected.json("rotation", "list")[0]
    assert (0, "Completed", False) == (done.returncode, rotation["state"], rotation["in_doubt"])
    reported = connected("rotation", "explain", rotation["id"]).stdout
    assert "answer to the install lost, it may take effect until" in reported
    assert "NetSuite signed with the candidate." in reported
    assert ["request", "generate_key", "unknown", "upload_to_netsuite", "save_to_openair", "verify"] == [
        entry["event"] for entry in connected.json("rotation", "journal", rotation["id"])
    ]

    asked = rotate(connected)
    waiting = connected.json("rotation", "list")[0]
    assert (6, "HELD_OFF") == (asked.returncode, error(asked)["code"])
    assert rotation["id"] in error(asked)["message"]
    assert ("Requested", rotation["in_flight_until"]) == (waiting["state"], waiting["available_at"])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(connected: InstalledKeyturn, simulator: Simulator, how: signal.Signals) -> None:
    """On a signal, `rotate` finishes the current step and says how to continue; `run-due` completes the rotation."""
    simulator.faults.add(Fault("openair.api", "delay", action="Add", seconds=1.5))
    running = connected.start("rotate", NAME, "-o", "json")
    simulator.history.wait_for(lambda entry: "installed" in entry.effect, seconds=30)
    running.send_signal(how)
    stdout, stderr = running.communicate(timeout=WAIT_LIMIT)
    reported = error(Run((), running.returncode, stdout, stderr))
    assert (130, "INTERRUPTED") == (running.returncode, reported["code"])
    assert f"`keyturn rotation watch {reported['rotation']}`" in reported["next_action"]["text"]
    assert connected.json("rotation", "show", reported["rotation"])["state"] in ("UploadedToNetSuite", "SavedToOpenAir")

    assert 0 == connected("run-due").returncode
    assert "Completed" == connected.json("rotation", "show", reported["rotation"])["state"]
    assert 1 == len(installed(simulator.history.entries()))
    assert_openair_came_second(simulator.history.entries())


def test_foreign_certificate(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A foreign certificate is replaced only with `--overwrite` and a confirmation."""
    assert 0 == rotate(connected).returncode
    simulator.faults.add(Fault("netsuite.restlet", "foreign", action="sign"))
    parked = rotate(connected)
    rotation = error(parked)["rotation"]
    assert (3, "FOREIGN_ROTATION") == (parked.returncode, error(parked)["code"])

    unasked = connected("rotation", "resume", rotation, "--overwrite", "-o", "json")
    assert (2, "Add --yes. Then repeat the command.") == (unasked.returncode, error(unasked)["next_action"]["text"])
    assert "Failed" == connected.json("rotation", "show", rotation)["state"]
    assert 0 == connected("rotation", "resume", rotation, "--overwrite", "--yes").returncode


def test_run_due_reports_postponed_rotations(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """`run-due` exits with 7 while a rotation is postponed, also before its next attempt is due."""
    simulator.faults.add(DOWN)
    first, second = connected("run-due", "-o", "json"), connected("run-due", "-o", "json")
    assert (7, 7) == (first.returncode, second.returncode)
    assert ("TRY_LATER", "TRY_LATER") == (error(first)["code"], error(second)["code"])
    assert "postponed until" in error(second)["message"]


def test_exported_certificate(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """With --openair-export a person confirms with the fingerprint that OpenAir shows, also before a restore."""
    by_api = ("url", "namespace", "client-id", "api-key-file", "client-secret-file", "refresh-token-file")
    nothing = {f"openair-{option}": None for option in by_api}
    assert 2 == initialised.add(simulator.credentials, **nothing).returncode
    assert 0 == initialised.add(simulator.credentials, **nothing, **{"openair-export": ""}).returncode

    unbegun = rotate(initialised)
    reported = error(unbegun)
    assert (3, "AWAITING_PERSON") == (unbegun.returncode, reported["code"])
    assert f"keyturn rotation begin {reported['rotation']}" in reported["next_action"]["text"]
    assert [] == installed(simulator.history.entries())

    waiting = initialised("rotation", "begin", reported["rotation"], "--yes", "-o", "json")
    reported = error(waiting)
    assert (3, "AWAITING_PERSON") == (waiting.returncode, reported["code"])
    exported = next((initialised.folder / "data" / "export").iterdir())
    assert str(exported) in reported["next_action"]["text"]
    fingerprint = initialised.json("rotation", "show", reported["rotation"])["candidate"]["fingerprint"]
    assert f"keyturn rotation confirm {reported['rotation']} --fingerprint" in reported["next_action"]["text"]
    assert fingerprint[:8] not in waiting.stderr + str(exported), "what OpenAir shows is the person's to read there"

    again = initialised("run-due", "-o", "json")
    assert (3, "AWAITING_PERSON") == (again.returncode, error(again)["code"])
    assert [reported["rotation"]] == [rotation["id"] for rotation in json.loads(again.stdout)["waiting"]]

    wrong = initialised("rotation", "confirm", reported["rotation"], "--fingerprint", "ab" * 32, "-o", "json")
    assert (2, "INVALID_INPUT") == (wrong.returncode, error(wrong)["code"])
    colons = ":".join(fingerprint[place : place + 2] for place in range(0, 64, 2)).upper()
    assert 0 == initialised("rotation", "confirm", reported["rotation"], "--fingerprint", colons).returncode

    second = error(rotate(initialised))["rotation"]
    assert 3 == initialised("rotation", "begin", second, "--yes").returncode
    moved = initialised("connection", "edit", NAME, "--account", "7654321", "-o", "json")
    assert (6, "ROTATION_OPEN") == (moved.returncode, error(moved)["code"])
    assert 0 == initialised("rotation", "park", second).returncode
    blind = initialised("rotation", "restore", second, "--yes", "-o", "json")
    assert (2, "INVALID_INPUT") == (blind.returncode, error(blind)["code"])
    assert f"keyturn rotation restore {second} --fingerprint\n" in initialised("rotation", "explain", second).stdout
    strange = initialised("rotation", "restore", second, "--fingerprint", "ab" * 32, "--yes", "-o", "json")
    assert "DRIFT" == error(strange)["code"]
    assert 0 == initialised("rotation", "restore", second, "--fingerprint", colons, "--yes").returncode


def test_corrupt_sealed_key(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A corrupt sealed key is found before anything is sent, and the rotation stays parked."""
    simulator.netsuite.record.reset("missing")
    rotation = error(rotate(connected))["rotation"]
    connected.alter("UPDATE certificates SET sealed_key = zeroblob(64) WHERE sealed_key IS NOT NULL")
    run = connected("rotation", "resume", rotation, "--create-record", "-o", "json")
    assert (3, "SEAL_BROKEN") == (run.returncode, error(run)["code"])
    assert [] == installed(simulator.history.entries())


def test_changed_journal(connected: InstalledKeyturn) -> None:
    """`journal verify` finds a changed journal, and names the entry."""
    assert 0 == rotate(connected).returncode
    assert 0 == connected("journal", "verify").returncode
    connected.alter("UPDATE journal SET actor = 'another' WHERE seq = 2")
    run = connected("journal", "verify", "-o", "json")
    assert (1, "JOURNAL_BROKEN") == (run.returncode, error(run)["code"])
    assert "Journal entry 2 " in error(run)["message"]


def test_simulator_is_an_extra(keyturn: InstalledKeyturn, tmp_path: Path) -> None:
    """Without the extra `simulator`, the commands that need it say how to install it from the checkout."""
    (tmp_path / "joserfc.py").write_text("raise ImportError('blocked', name='joserfc')")
    for command in ("simulator", "demo"):
        run = keyturn(command, "-o", "json", PYTHONPATH=str(tmp_path))
        assert ("INVALID_SETTINGS", 2) == (error(run)["code"], run.returncode)
        assert "checkout" in error(run)["next_action"]["text"]
        assert "`pip install '.[simulator]'`" in error(run)["next_action"]["text"]


@pytest.mark.parametrize("where", ["NetSuite", "OpenAir"])
def test_health_finds_a_foreign_change(connected: InstalledKeyturn, simulator: Simulator, where: str) -> None:
    """After a foreign change in either system, `health` reports that imports are refused, and they are."""
    assert 0 == rotate(connected).returncode
    if where == "NetSuite":
        simulator.netsuite.record.reset("foreign")
    else:
        simulator.openair.settings.save_outside(a_certificate().pem)
    health = connected("health", NAME, "-o", "json")
    assert (3, "DRIFT") == (health.returncode, json.loads(health.stdout)["problems"][0]["code"])
    assert "No valid certificate available for real-time import" == json.loads(health.stdout)["sentence"]
    assert str(simulator.import_requests.send()).startswith("Error:")


def test_health_finds_a_foreign_rotation(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """If both systems hold a foreign certificate, imports work, and `health` reports that it is foreign."""
    assert 0 == rotate(connected).returncode
    simulator.netsuite.record.reset("foreign")
    assert simulator.netsuite.record.held
    simulator.openair.settings.save_outside(simulator.netsuite.record.held.pair.certificate_pem())
    health = connected("health", NAME, "-o", "json")
    reported = json.loads(health.stdout)
    assert (3, ["FOREIGN_ROTATION"]) == (health.returncode, [problem["code"] for problem in reported["problems"]])
    assert reported["sentence"].startswith("Current real-time import certificate is valid until")
    assert "project=T" == simulator.import_requests.send()
