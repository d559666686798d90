"""Everyday use of `keyturn`: set up, rotate, show."""

import os
import stat
from datetime import datetime, timedelta

from acceptance.installed_keyturn import NAME, InstalledKeyturn, options_for
from support.request_history import assert_openair_came_second, installed, saved

from simulator import Simulator

SENTENCE = "Current real-time import certificate is valid until {}"


def test_init_creates_everything_once(keyturn: InstalledKeyturn) -> None:
    """`init` creates private folders and a private key; repeated, it changes nothing."""
    first, before = keyturn("init"), keyturn.dump()
    key = keyturn.kek.read_bytes()
    second = keyturn("init")
    assert (0, 0) == (first.returncode, second.returncode)
    assert (before, key) == (keyturn.dump(), keyturn.kek.read_bytes())
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (keyturn.kek, keyturn.kek.parent, keyturn.database.parent)]
    assert [0o600, 0o700, 0o700] == modes
    assert "Made the key-encryption key" in first.stdout
    assert "Made" not in second.stdout


def test_connection_shows_no_secret(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """A connection shows only whether each secret is set, and the database holds the secrets sealed."""
    known = simulator.credentials
    secrets = (known.private_key_pem, known.api_key, known.openair_client_secret, known.refresh_token)
    output = connected("connection", "show", NAME).stdout + connected("connection", "show", NAME, "-o", "json").stdout
    stored = connected.database.read_bytes()
    assert [] == [secret for secret in secrets if secret in output or secret.encode() in stored]
    shown = connected.json("connection", "show", NAME)
    assert {
        "netsuite_key": True,
        "openair_api_key": True,
        "openair_client_secret": True,
        "openair_refresh_token": True,
        "openair_password": False,
        "proxy_credentials": False,
    } == shown["secrets"]
    assert ("ES256", True, None) == (shown["netsuite"]["assertion_algorithm"], shown["automatic"], shown["certificate"])


def test_edit_changes_only_what_is_given(connected: InstalledKeyturn) -> None:
    """`edit` changes only the given options; an empty bundle version removes it; a secret can come from stdin."""
    before = connected.json("connection", "show", NAME)
    arguments = ("--days", "90", "--bundle", "369637=", "--no-keep-key", "--openair-password-file", "-")
    assert 0 == connected("connection", "edit", NAME, *arguments, given="a new password\n").returncode
    after = connected.json("connection", "show", NAME)
    assert {
        **before,
        "bundles": {"369630": "4.01"},
        "policy": {**before["policy"], "days": 90, "keep_key": False},
        "automatic": False,
        "due_at": None,
        "secrets": {**before["secrets"], "openair_password": True},
        "version": before["version"] + 1,
    } == after


def test_a_connection_is_renamed_and_removed(connected: InstalledKeyturn) -> None:
    """`remove` says what is lost before it asks, and does nothing unasked; the rotations stay readable."""
    assert 0 == connected("rotate", NAME).returncode
    renamed = connected("connection", "rename", NAME, "bolt")
    assert (0, f"renamed  {NAME} is bolt now\n") == (renamed.returncode, renamed.stdout)
    held = connected.json("connection", "show", "bolt")["certificate"]["fingerprint"]
    before = connected.dump()
    unasked = connected("connection", "remove", "bolt")
    assert (2, "") == (unasked.returncode, unasked.stdout)
    assert f"keeps the certificate {held}" in unasked.stderr
    assert "netsuite key" in unasked.stderr
    assert before == connected.dump()
    rehearsed = connected("connection", "remove", "bolt", "--dry-run")
    assert (0, True) == (rehearsed.returncode, f"keeps the certificate {held}" in rehearsed.stdout)
    assert before == connected.dump()
    removed = connected("connection", "remove", "bolt", "--yes")
    assert (0, "removed  bolt\n") == (removed.returncode, removed.stdout)
    assert [] == connected.json("connection", "list")
    assert ["bolt"] == [each["connection"] for each in connected.json("rotation", "list", "--connection", "bolt")]
    assert 0 == connected("rotation", "show", "bolt").returncode
    assert 0 == connected("journal", "verify").returncode


def test_urls_follow_the_account(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """A URL that is derived from the account changes with it; a given one stays."""
    initialised.add(simulator.credentials, account="1234567_SB1", **{"restlet-url": None})
    shown = initialised.json("connection", "edit", NAME, "--account", "7654321")["netsuite"]
    assert ("https://7654321.restlets.api.netsuite.com", simulator.credentials.netsuite_url) == (
        shown["restlet_url"],
        shown["token_url"],
    )


def test_a_users_name_of_any_bytes(connected: InstalledKeyturn) -> None:
    """A user's name that is no UTF-8, or has no end, is made legible and short: the journal keeps it for ever."""
    name = os.fsdecode(b"\xff") + "x" * 5000
    assert 0 == connected("rotate", NAME, "--detach", SUDO_USER=name, USER=name).returncode
    assert "\ufffd" + "x" * 99 == connected.json("rotation", "list")[0]["actor"]


def test_rotate(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """`rotate` completes the rotation, prints a line per state, and shows the new certificate and its expiry."""
    run = connected("rotate", NAME, "--reason", "first", SUDO_USER="ann")
    rotation = connected.json("rotation", "list")[0]
    lines = run.stdout.splitlines()
    assert (0, "") == (run.returncode, run.stderr)
    assert ["Requested", "KeyGenerated", "UploadedToNetSuite", "SavedToOpenAir", "Completed"] == [
        line.split()[3] for line in lines[:5]
    ]
    assert rotation["candidate"]["fingerprint"] in run.stdout
    assert rotation["candidate"]["not_after"][:10] in run.stdout
    assert ("Completed", "ann", "first", "initial") == tuple(
        rotation[field] for field in ("state", "actor", "reason", "cause")
    )
    assert [rotation["candidate"]["fingerprint"]] == saved(simulator.history.entries())
    assert_openair_came_second(simulator.history.entries())


def test_detached_rotation_is_carried_by_run_due(connected: InstalledKeyturn) -> None:
    """`rotate --detach` only requests the rotation; `run-due` completes it and prints a summary."""
    requested = connected("rotate", NAME, "--detach", "-o", "name")
    rotation = requested.stdout.strip()
    assert (0, "Requested") == (requested.returncode, connected.json("rotation", "show", rotation)["state"])
    run = connected("run-due")
    assert (0, "0 rotations started; 1 Completed; 0 parked.") == (run.returncode, run.stdout.splitlines()[-1])
    nothing = {"dry_run": True, "due": [], "carried": [], "waiting": [], "parked": []}
    assert nothing == connected.json("run-due", "--dry-run")


def test_run_due_starts_what_is_due(connected: InstalledKeyturn) -> None:
    """The set-up of a new connection is due at once: `run-due --dry-run` lists it, `run-due` completes it."""
    before = connected.dump()
    assert [NAME] == connected.json("run-due", "--dry-run")["due"]
    assert before == connected.dump()
    shown = connected.json("run-due")
    assert [("Completed", "scheduled-initial")] == [(each["state"], each["cause"]) for each in shown["carried"]]
    assert [shown["carried"][0]["id"]] == shown["started"]
    assert "Completed" == connected.json("rotation", "list")[0]["state"]


def test_run_due_reports_parked_rotations(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """`run-due` exits with 3 as long as a rotation is parked, and `--dry-run` does likewise."""
    simulator.netsuite.record.reset("missing")
    first, second, dry = connected("run-due"), connected("run-due"), connected("run-due", "--dry-run")
    assert (3, 3, 3) == (first.returncode, second.returncode, dry.returncode)
    assert "CERTIFICATE_NOT_FOUND" in second.stderr
    assert "CERTIFICATE_NOT_FOUND" in dry.stderr


def test_dry_run_due_names_what_is_carried(connected: InstalledKeyturn) -> None:
    """`run-due --dry-run` names a rotation that waits for a worker, as `run-due` carries it."""
    rotation = connected("rotate", NAME, "--detach", "-o", "name").stdout.strip()
    dry = connected.json("run-due", "--dry-run")
    assert ([], [rotation]) == (dry["due"], [each["id"] for each in dry["carried"]])


def test_dry_rotate_changes_nothing(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """`rotate --dry-run` reads both systems, says what would be sent where, requests nothing and writes to neither."""
    shown = connected.json("rotate", NAME, "--dry-run")
    assert ["generate_key", "upload_to_netsuite", "save_to_openair", "verify"] == shown["steps"]
    assert ["NetSuite", "OpenAir"] == [each["system"] for each in shown["seen"]]
    assert ["NetSuite", "OpenAir"] == [each["system"] for each in shown["sends"]]
    assert [] == connected.json("rotation", "list")
    history = simulator.history.entries()
    assert ([], []) == (installed(history), saved(history))


def test_health(connected: InstalledKeyturn) -> None:
    """`health` prints the vendor's sentence exactly, and exits with 3 while there is a problem."""
    before = connected("health")
    assert 3 == before.returncode
    assert f"{NAME}: No valid certificate available for real-time import" == before.stdout.splitlines()[0]
    assert "PLACEHOLDER" in before.stdout
    connected("rotate", NAME)
    after = connected("health", NAME)
    expiry = (datetime.now().astimezone() + timedelta(days=365)).strftime("%Y-%m-")
    assert (0, True) == (after.returncode, after.stdout.startswith(f"{NAME}: {SENTENCE.format(expiry)}"))
    assert 3 == connected("health", NAME, "--within", "400d").returncode


def test_what_is_not_known_of_the_preference(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """Where Keyturn saves by the XML API, adding and health say that OpenAir's connector is not known to read the
    Preference, and the command for the other way works; with it, neither says so.
    """
    unknown = "OpenAir's own connector is not known to read the Preference"
    added, asked = initialised.add(simulator.credentials), (initialised("health", NAME), initialised("health"))
    assert [True, True, True] == [unknown in run.stderr for run in (added, *asked)]
    assert "imports are refused from the first rotation on, although Keyturn reports success" in added.stderr
    assert f"`keyturn connection edit {NAME} --openair-export`" in added.stderr
    assert "Only an import that succeeds shows" in asked[0].stderr
    changed = initialised("connection", "edit", NAME, "--openair-export")
    asked = (initialised("health", NAME), initialised("health"))
    assert (0, False) == (changed.returncode, any(unknown in run.stderr for run in (changed, *asked)))


def test_needs_rotation(connected: InstalledKeyturn) -> None:
    """`needs-rotation` exits with 2 without a certificate, with 1 if none is due, with 0 if one is due."""
    assert 2 == connected("needs-rotation", NAME).returncode
    connected("rotate", NAME)
    assert 1 == connected("needs-rotation", NAME).returncode
    assert 0 == connected("needs-rotation", NAME, "--within", "400d").returncode


def test_doctor(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """`doctor` checks everything, and exits with 3 if something needs to be fixed."""
    assert 0 == connected("doctor").returncode
    probe = connected("doctor", NAME, "--probe")
    assert (0, True) == (probe.returncode, "keyturn_probe was removed again." in " ".join(probe.stdout.split()))
    simulator.netsuite.record.permissions = set()
    run = connected("doctor", NAME, "-o", "json")
    assert 3 == run.returncode
    assert '"ok": false' in run.stdout


def test_request_verify(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """`request verify` says whether the current certificate signed an import, or no known one."""
    connected("rotate", NAME)
    simulator.import_requests.send()
    url = simulator.import_requests.counts().last_url
    known = connected("request", "verify", url, "--connection", NAME, "-o", "name")
    unknown = connected("request", "verify", str(url).replace("ns_id=", "ns_id=9"), "--connection", NAME, "-o", "name")
    assert ((0, "current"), (3, "none")) == (
        (known.returncode, known.stdout.strip()),
        (unknown.returncode, unknown.stdout.strip()),
    )


def test_diagram_lights_the_state(connected: InstalledKeyturn) -> None:
    """`diagram` with a rotation highlights its state, in Mermaid and SVG; without one it needs no database."""
    rotation = connected("rotate", NAME, "--detach", "-o", "name").stdout.strip()
    assert "class Requested lit" in connected("diagram", rotation).stdout
    assert connected("diagram", rotation, "--format", "svg").stdout.startswith("<svg ")
    assert connected("diagram", "--format", "markdown", KEYTURN_DATA="/nowhere").stdout.startswith("| from |")


def test_rewrap(connected: InstalledKeyturn) -> None:
    """After `vault rewrap` only the new key-encryption key opens the vault; `--dry-run` changes nothing."""
    new = connected.folder / "new-kek"
    new.touch(mode=0o600)
    new.write_text("B" * 43 + "=")
    before = connected.dump()
    assert 0 == connected("vault", "rewrap", new, "--dry-run").returncode
    assert before == connected.dump()
    assert 0 == connected("vault", "rewrap", new, "--yes").returncode
    assert 3 == connected("doctor").returncode
    new.replace(connected.kek)
    assert 0 == connected("doctor").returncode


def test_options_of_the_simulator_are_complete(simulator: Simulator, initialised: InstalledKeyturn) -> None:
    """`connection add` knows every option that these tests use."""
    helped = initialised("connection", "add", "--help").stdout
    options = options_for(simulator.credentials, initialised.folder / "secrets")
    assert [] == [option for option in options if f"--{option}" not in helped]


def test_version(initialised: InstalledKeyturn, keyturn: InstalledKeyturn) -> None:
    """`version` shows the commit, Python and the schema, also without a database; `--version` the version alone."""
    shown = initialised.json("version")
    assert shown["schema"] == shown["database"]
    assert {"keyturn", "commit", "python", "schema", "database"} == set(shown)
    assert f"keyturn {shown['keyturn']}" == keyturn("--version").stdout.strip()
