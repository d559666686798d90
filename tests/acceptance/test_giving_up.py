"""Rotations that a person parks, abandons, restores or adopts."""

import json
import shlex
import signal

from acceptance.installed_keyturn import NAME, InstalledKeyturn, error, rotate
from support.polling import WAIT_LIMIT
from support.request_history import assert_openair_came_second

from simulator import Fault, Simulator


def test_parked(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A person parks a requested rotation; `explain` shows who and why, and the commands to continue."""
    rotation = connected("rotate", NAME, "--detach", "-o", "name").stdout.strip()
    stopped = connected("rotation", "park", rotation, "--reason", "the wrong one", "-o", "json")
    failure = json.loads(stopped.stdout)["failure"]
    assert (0, "PARKED_BY_PERSON") == (stopped.returncode, failure["code"])
    assert failure["message"].endswith(" parked it: the wrong one.")
    again = connected("rotation", "park", rotation, "-o", "json")
    assert (6, "ILLEGAL_MOVE") == (again.returncode, error(again)["code"])
    reported = connected("rotation", "explain", rotation).stdout
    assert {True} == {f"keyturn rotation {verb} {rotation}" in reported for verb in ("resume", "abandon")}
    assert 0 == connected("rotation", "abandon", rotation, "--yes").returncode
    assert [] == simulator.history.entries()


def test_abandoned(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A person abandons a rotation with a corrupt key, after which the connection can be rotated again."""
    simulator.netsuite.record.reset("missing")
    rotation = error(rotate(connected))["rotation"]
    simulator.netsuite.record.reset("placeholder")
    connected.alter("UPDATE certificates SET sealed_key = zeroblob(64) WHERE sealed_key IS NOT NULL")
    unasked = connected("rotation", "abandon", rotation, "-o", "json")
    assert (2, "INVALID_INPUT", 6) == (unasked.returncode, error(unasked)["code"], rotate(connected).returncode)
    given_up = connected("rotation", "abandon", rotation, "--reason", "spoilt", "--yes", "-o", "name")
    assert (0, rotation) == (given_up.returncode, given_up.stdout.strip())
    assert 0 == rotate(connected).returncode
    again = connected("rotation", "abandon", rotation, "--yes", "-o", "json")
    assert (6, "ILLEGAL_MOVE") == (again.returncode, error(again)["code"])


def parked_in_the_outage(initialised: InstalledKeyturn, simulator: Simulator) -> str:
    """Park a second rotation in the outage, because OpenAir can be read but not saved to; return its id."""
    assert 0 == rotate(initialised).returncode
    simulator.faults.add(Fault("openair.api", "401", action="Modify", times=None))
    parked = rotate(initialised)
    assert "NetSuite took the new key" in error(parked)["kept"]
    return str(error(parked)["rotation"])


def test_restored(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A person restores the previous certificate during the outage, and imports are accepted again."""
    rotation = parked_in_the_outage(connected, simulator)
    assert str(simulator.import_requests.send()).startswith("Error:")
    assert f"keyturn rotation restore {rotation}" in connected("rotation", "explain", rotation).stdout
    unasked = connected("rotation", "restore", rotation, "-o", "json")
    assert (2, "Add --yes. Then repeat the command.") == (unasked.returncode, error(unasked)["next_action"]["text"])

    # Two rotations of the same second differ only after an id's first eight characters.
    restored = connected("rotation", "restore", rotation[:20], "--reason", "OpenAir refuses", "--yes")
    assert (0, "") == (restored.returncode, restored.stderr)
    assert restored.stdout.startswith(f"restored       {rotation}\n")
    assert ("project=T", 0) == (simulator.import_requests.send(), connected("health").returncode)
    assert_openair_came_second(simulator.history.entries())

    again = connected("rotation", "restore", rotation, "--yes", "-o", "json")
    assert (6, "ILLEGAL_MOVE", "Nothing was changed.") == (again.returncode, error(again)["code"], error(again)["kept"])


def test_restoring_is_finished_when_it_is_asked_to_stop(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """SIGTERM while the previous certificate is installed does not leave the outage: both sides agree, exit 0."""
    rotation = parked_in_the_outage(connected, simulator)
    after = len(simulator.history.entries())
    simulator.faults.add(Fault("netsuite.restlet", "delay", action="install", seconds=1.0, when="after"))
    restoring = connected.start("rotation", "restore", rotation, "--yes")
    simulator.history.wait_for(lambda entry: "installed" in entry.effect, after=after, seconds=WAIT_LIMIT)
    restoring.send_signal(signal.SIGTERM)
    restoring.communicate(timeout=WAIT_LIMIT)
    assert (0, "restored") == (restoring.returncode, connected.json("rotation", "show", rotation)["ending"])
    assert "project=T" == simulator.import_requests.send()


def test_an_ending_is_shown_everywhere(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """list, show, explain, journal and watch show that a rotation was restored and needs nothing more."""
    rotation = parked_in_the_outage(connected, simulator)
    assert 0 == connected("rotation", "restore", rotation, "--yes").returncode
    listed = connected("rotation", "list", "--state", "Failed").stdout
    assert "restored [SIGN_IN_REFUSED]" in listed
    shown = connected("rotation", "show", rotation).stdout
    assert "Both sides held the previous certificate again when the rotation was closed." in shown
    explained = connected("rotation", "explain", rotation).stdout
    assert "restored by " in explained
    assert "Nothing to do. The rotation was given up, and both sides hold the previous certificate again." in explained
    assert "restore" in connected("rotation", "journal", rotation).stdout
    assert "restored" == connected.json("rotation", "show", rotation)["ending"]
    watched = connected("rotation", "watch", rotation)
    assert (1, True) == (watched.returncode, "Restored in" in watched.stdout)


def test_an_unfinished_restore_is_finished(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A restore whose request was lost is reported as unfinished, and the same command finishes it."""
    rotation = parked_in_the_outage(connected, simulator)
    simulator.faults.add(Fault("netsuite.restlet", "reset", action="install", when="before"))
    lost = connected("rotation", "restore", rotation, "--yes", "-o", "json")
    reported = error(lost)
    assert (7, "RESTORE_UNFINISHED") == (lost.returncode, reported["code"])
    assert "The request was sent and may have taken effect" in reported["kept"]
    assert f"`keyturn rotation restore {rotation}`" in reported["next_action"]["text"]
    assert f"→ keyturn rotation restore {rotation}" in connected("rotation", "explain", rotation).stdout
    assert 0 == connected("rotation", "restore", rotation, "--yes").returncode


def test_adopted(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A foreign certificate can be adopted if both systems hold it, and not if only one does."""
    assert 0 == rotate(connected).returncode
    record = simulator.netsuite.record
    record.reset("foreign")
    parked = rotate(connected)
    rotation = error(parked)["rotation"]
    assert f"`keyturn rotation adopt {rotation}`" in error(parked)["next_action"]["text"]
    half = connected("rotation", "adopt", rotation, "--yes", "-o", "json")
    assert (1, "DRIFT", "Nothing was changed.") == (half.returncode, error(half)["code"], error(half)["kept"])

    assert record.held
    simulator.openair.settings.save_outside(record.held.pair.certificate_pem())
    adopted = connected("rotation", "adopt", rotation, "--yes", "-o", "json")
    assert (0, "adopted") == (adopted.returncode, json.loads(adopted.stdout)["ending"])
    assert record.fingerprint == connected.json("connection", "show", NAME)["certificate"]["fingerprint"]
    assert (0, "project=T") == (connected("health").returncode, simulator.import_requests.send())


def test_a_certificate_in_use_is_kept(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """The first run parks if another certificate is in use; after `adopt` it stays in use until it is due."""
    record = simulator.netsuite.record
    record.reset("valid")
    assert record.held
    simulator.openair.settings.save_outside(record.held.pair.certificate_pem())
    parked = connected("run-due", "-o", "json")
    assert (3, "FOREIGN_ROTATION") == (parked.returncode, error(parked)["code"])
    assert "NetSuite signs already" in error(parked)["message"]
    assert "project=T" == simulator.import_requests.send()
    assert 0 == connected("rotation", "adopt", error(parked)["rotation"], "--yes").returncode
    assert (1, 0) == (connected("needs-rotation", NAME).returncode, connected("health").returncode)
    assert 0 == connected("run-due").returncode
    assert (record.held.pair.fingerprint, "project=T") == (record.fingerprint, simulator.import_requests.send())


def test_two_people(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """Where the settings ask for it, a restore prints who must approve it, with the command, and closes nothing; that
    command closes the rotation once another person runs it.
    """
    rotation = parked_in_the_outage(connected, simulator)
    two = {"KEYTURN_RECOVERY__SECOND_APPROVAL": "true"}
    unreasoned = connected("rotation", "restore", rotation, **two, SUDO_USER="ada")
    assert (2, True) == (unreasoned.returncode, "Give a reason." in unreasoned.stderr)
    asked = connected("rotation", "restore", rotation, "--reason", "closed", **two, SUDO_USER="ada")
    number = connected.json("rotation", "journal", rotation)[-1]["seq"]
    line = f"keyturn rotation restore {rotation} --approves {number}"
    assert (3, True) == (asked.returncode, f"Another person runs `{line}`" in asked.stderr), asked.stderr
    assert line in connected("status", **two).stdout
    assert f"request {number}, until" in connected("rotation", "show", rotation, **two).stdout
    words = [*shlex.split(line)[1:], "--reason", "seen", "--yes"]
    alone = connected(*words, "-o", "json", **two, SUDO_USER="ada")
    assert (6, "SAME_PERSON") == (alone.returncode, error(alone)["code"])
    assert f"keyturn rotation withdraw {rotation}" == error(alone)["next_action"]["command"]
    again = connected("rotation", "restore", rotation, "--reason", "x", "-o", "json", **two, SUDO_USER="bob")
    assert (6, "APPROVAL_PENDING") == (again.returncode, error(again)["code"])
    assert 0 == connected("rotation", "withdraw", rotation, **two, SUDO_USER="ada").returncode
    assert 3 == connected("rotation", "restore", rotation, "--reason", "closed", **two, SUDO_USER="ada").returncode
    words[words.index(str(number))] = str(number + 2)
    done = connected(*words, "-o", "json", **two, SUDO_USER="bob")
    assert (0, "restored") == (done.returncode, json.loads(done.stdout)["ending"])
