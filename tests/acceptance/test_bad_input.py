"""Bad input gets a clear message, a stable code and an exit code, and changes nothing."""

import shutil
from pathlib import Path

import pytest
from acceptance.installed_keyturn import NAME, InstalledKeyturn, error

from simulator import Simulator

NEW = ("connection", "add", "new")
NETSUITE = ("--account", "1234567", "--client-id", "c", "--certificate-id", "k", "--netsuite-key-file", "KEY")
EXPORT = "--openair-export"

BAD = {
    "an unknown connection": (("rotate", "acme-eu"), "NOT_FOUND", 5, "There is no connection acme-eu."),
    "an unknown rotation": (("rotation", "show", "01ZZZZZZ"), "NOT_FOUND", 5, "There is no rotation 01ZZZZZZ."),
    "a filter by an unknown connection": (("rotation", "list", "--connection", "acme-eu"), "NOT_FOUND", 5, "acme-eu"),
    "an unknown connection, asked by a schedule": (("needs-rotation", "acme-eu"), "NOT_FOUND", 255, "acme-eu"),
    "no connection at all, asked by a schedule": (("needs-rotation",), "USAGE", 255, "NAME"),
    "an unknown option": (("rotate", NAME, "--blindly"), "USAGE", 2, "--blindly"),
    "an unknown command": (("rotat", NAME), "USAGE", 2, "rotat"),
    "an unknown state": (("rotation", "list", "--state", "Lost"), "USAGE", 2, "UploadedToNetSuite"),
    "a limit of no lines": (("rotation", "list", "--limit", "0"), "INVALID_INPUT", 2, "at least one line"),
    "half a day": (("connection", "edit", NAME, "--days", "89.5"), "USAGE", 2, "'89.5' is not a whole number"),
    "digits of another script": (("rotation", "list", "--limit", "\u0661"), "USAGE", 2, "is not a whole number"),
    "more digits than a number has": (("simulate", "--days", "9" * 5000), "USAGE", 2, "4300 digits"),
    "a time that is empty": (("rotation", "list", "--since", ""), "INVALID_INPUT", 2, "'' is neither a span of time"),
    "a reason as long as a book": (("rotate", NAME, "--reason", "x" * 501), "USAGE", 2, "500 characters, not 501."),
    "a copy of checkpoints that never ends": (
        ("journal", "verify", "--against", "/dev/zero"),
        "INVALID_INPUT",
        2,
        "/dev/zero is no text",
    ),
    "an invalid span": (("health", "--within", "soon"), "INVALID_INPUT", 2, "'soon' is not a span of time"),
    "a port that does not exist": (("simulator", "--port", "65534"), "INVALID_INPUT", 2, "is 0 to 65533, not 65534"),
    "an argument that is not UTF-8": (("connection", "show", "\udcff"), "USAGE", 2, "is not UTF-8"),
    "no threads": (("worker", "--threads", "0"), "INVALID_INPUT", 2, "1 to 64 threads, not 0"),
    "an illegal account id": (
        (*NEW, "--account", "12 34", *NETSUITE[2:], EXPORT),
        "INVALID_INPUT",
        2,
        "'12 34' is not a NetSuite account id",
    ),
    "a URL that is not https": (
        (*NEW, *NETSUITE, EXPORT, "--restlet-url", "http://example.com"),
        "INVALID_INPUT",
        2,
        "'http://example.com' is not https",
    ),
    "an illegal name": (
        ("connection", "add", "A B", *NETSUITE, EXPORT),
        "INVALID_INPUT",
        2,
        "is not a connection name",
    ),
    "a name that is taken": (("connection", "add", NAME, *NETSUITE, EXPORT), "ALREADY_EXISTS", 6, NAME),
    "an account that has a connection": (
        (*NEW, "--account", "tstdrv1", *NETSUITE[2:], EXPORT),
        "ALREADY_EXISTS",
        6,
        f"NetSuite account tstdrv1 has the connection {NAME} already",
    ),
    "an OpenAir company that has a connection": (
        (*NEW, *NETSUITE, EXPORT, "--openair-url", "COMPANY"),
        "ALREADY_EXISTS",
        6,
        f"has the connection {NAME} already. Its preference oa_realtime_certificate holds one certificate",
    ),
    "a life that is too short": (
        (*NEW, *NETSUITE, EXPORT, "--days", "3"),
        "INVALID_INPUT",
        2,
        "15 to 3650 days, not 3",
    ),
    "a bundle without its version": (
        (*NEW, *NETSUITE, EXPORT, "--bundle", "369630"),
        "INVALID_INPUT",
        2,
        "369630=4.02",
    ),
    "half a sign-in": ((*NEW, *NETSUITE, "--openair-user", "u"), "INVALID_INPUT", 2, "--openair-password-file"),
    "an invalid key": (
        (*NEW, *NETSUITE[:-1], "TEXT", EXPORT),
        "INVALID_INPUT",
        2,
        "not an unencrypted private key",
    ),
    "a missing secret file": (
        (*NEW, *NETSUITE[:-1], "/nowhere", EXPORT),
        "INVALID_INPUT",
        2,
        "/nowhere cannot be",
    ),
    "two secrets from one input": (
        (*NEW, *NETSUITE[:-1], "-", "--openair-password-file", "-"),
        "INVALID_INPUT",
        2,
        "Only one file can come from standard input",
    ),
    "an empty secret": (("connection", "edit", NAME, "--openair-password-file", "-"), "INVALID_INPUT", 2, "is empty"),
    "no answers": (("setup", "new", "--no-input", "--from", "-"), "INVALID_INPUT", 2, "standard input is empty"),
    "editing an unknown connection": (("connection", "edit", "acme-eu", "--days", "90"), "NOT_FOUND", 5, "acme-eu"),
    "a URL that is no import": (
        ("request", "verify", "https://example.com/", "--connection", NAME),
        "INVALID_INPUT",
        2,
        "not the URL of a real-time import",
    ),
    "a second rotation while one is open": (("rotate", NAME), "ROTATION_OPEN", 6, "has an open rotation already"),
    "the same, without doing it": (("rotate", NAME, "--dry-run"), "ROTATION_OPEN", 6, "has an open rotation already"),
    "resuming what is not failed": (("rotation", "resume", "OPEN"), "ILLEGAL_MOVE", 6, "is Requested, not Failed"),
    "the same resume, without doing it": (("rotation", "resume", "OPEN", "--dry-run"), "ILLEGAL_MOVE", 6, "not Failed"),
    "confirming a rotation that waits for no person": (
        ("rotation", "confirm", "OPEN", "--fingerprint", "00"),
        "ILLEGAL_MOVE",
        6,
        "cannot be confirmed",
    ),
    "a missing new key": (("vault", "rewrap", "/nowhere", "--yes"), "INVALID_INPUT", 2, "/nowhere"),
    "an invalid new key": (
        ("vault", "rewrap", "TEXT", "--yes"),
        "VAULT_LOCKED",
        1,
        "does not hold 32 bytes in Base64",
    ),
    "an invalid new key, without doing it": (
        ("vault", "rewrap", "TEXT", "--dry-run"),
        "VAULT_LOCKED",
        1,
        "does not hold 32 bytes in Base64",
    ),
    "a question without a terminal": (("vault", "rekey"), "INVALID_INPUT", 2, "cannot be asked here"),
    "a missing settings file": (("--config", "/nowhere", "health"), "INVALID_SETTINGS", 2, "/nowhere"),
}


@pytest.fixture(scope="module")
def open_home(tmp_path_factory: pytest.TempPathFactory, template: Path) -> tuple[InstalledKeyturn, dict[str, str]]:
    """A Keyturn in which acme has an open rotation, and the values of the table's words in capitals."""
    initialised = InstalledKeyturn.at(tmp_path_factory.mktemp("bad"))
    shutil.copytree(template, initialised.folder, dirs_exist_ok=True)
    with Simulator() as simulator:
        assert initialised.add(simulator.credentials).returncode == 0
    rotation = initialised("rotate", NAME, "--detach", "-o", "name").stdout.strip()
    text = initialised.folder / "text"
    text.write_text("not a key")
    text.chmod(0o600)
    key = initialised.folder / "secrets" / "netsuite-key-file"
    return initialised, {"OPEN": rotation, "COMPANY": simulator.openair_url, "KEY": str(key), "TEXT": str(text)}


@pytest.mark.parametrize(("arguments", "code", "exit_code", "sentence"), BAD.values(), ids=BAD)
def test_bad_input(
    open_home: tuple[InstalledKeyturn, dict[str, str]],
    arguments: tuple[str, ...],
    code: str,
    exit_code: int,
    sentence: str,
) -> None:
    """Bad input is reported with a message, a code and an exit code, and changes nothing."""
    initialised, values = open_home
    before = initialised.dump()
    run = initialised(*(values.get(argument, argument) for argument in arguments), "-o", "json")
    reported = error(run)
    assert (code, exit_code, exit_code, "") == (reported["code"], reported["exit_code"], run.returncode, run.stdout)
    assert sentence in reported["message"]
    assert reported["next_action"]["text"]
    assert "Nothing was changed." == reported["kept"]
    assert before == initialised.dump()


def test_error_for_people(open_home: tuple[InstalledKeyturn, dict[str, str]]) -> None:
    """Without -o json an error is three lines on stderr: what happened, what was kept, what to do next."""
    initialised, values = open_home
    run = initialised("rotation", "resume", values["OPEN"])
    rotation = values["OPEN"]
    assert [
        f"error: Rotation {rotation} cannot be resumed: The rotation is Requested, not Failed. [ILLEGAL_MOVE]",
        " kept: Nothing was changed.",
        f" next: Run `keyturn rotation explain {rotation}`.",
    ] == run.stderr.splitlines()
    assert "" == run.stdout


def test_malformed_settings(initialised: InstalledKeyturn) -> None:
    """A settings file that is no TOML is refused, and the error names it."""
    initialised.settings.write_text("[worker\n")
    run = initialised("connection", "list", "-o", "json")
    assert ("INVALID_SETTINGS", 2) == (error(run)["code"], run.returncode)
    assert f"{initialised.settings} is not valid TOML" in error(run)["message"]


def test_misspelt_variable(initialised: InstalledKeyturn) -> None:
    """An environment variable with Keyturn's prefix that is no setting is an error."""
    run = initialised("connection", "list", "-o", "json", KEYTURN_STORE__URI="sqlite:///x")
    assert ("INVALID_SETTINGS", 2) == (error(run)["code"], run.returncode)
    assert "KEYTURN_STORE__URI" in error(run)["message"]


def test_before_init(keyturn: InstalledKeyturn) -> None:
    """Without a database the next action is `keyturn init`, and no database is created."""
    run = keyturn("connection", "list", "-o", "json")
    assert ("INVALID_SETTINGS", 2) == (error(run)["code"], run.returncode)
    assert "`keyturn init`" in error(run)["next_action"]["text"]
    assert not keyturn.database.exists()


def lose_key(initialised: InstalledKeyturn, how: str) -> None:
    """Remove the key-encryption key, or replace it with another one."""
    initialised.kek.unlink()
    if how == "wrong":
        initialised.kek.touch(mode=0o600)
        initialised.kek.write_text("A" * 43 + "=")


@pytest.mark.parametrize("how", ["missing", "wrong"])
def test_key_encryption_key(connected: InstalledKeyturn, how: str) -> None:
    """Without the right key-encryption key, a command that needs it fails and changes nothing."""
    lose_key(connected, how)
    before = connected.dump()
    edit = ("connection", "edit", NAME, "--openair-password-file", "-")
    for words in (edit, ("rotate", NAME), ("run-due",)):
        run = connected(*words, "-o", "json", given="secret")
        reported = error(run)
        assert ("VAULT_LOCKED", 1, "Nothing was changed.", "") == (
            reported["code"],
            run.returncode,
            reported["kept"],
            run.stdout,
        )
        assert before == connected.dump()
    assert ("VAULT_LOCKED", before) == (
        error(connected("rotate", NAME, "--dry-run", "-o", "json"))["code"],
        connected.dump(),
    )


def test_parked_rotation_without_the_key(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """Without the key-encryption key a parked rotation cannot be resumed, and nothing is changed."""
    simulator.netsuite.record.reset("missing")
    rotation = connected("rotate", NAME, "-o", "name").stdout.strip()
    lose_key(connected, "missing")
    before = connected.dump()
    run = connected("rotation", "resume", rotation, "-o", "json")
    assert ("VAULT_LOCKED", 1) == (error(run)["code"], run.returncode)
    assert before == connected.dump()


def test_detached_request_needs_the_key(connected: InstalledKeyturn) -> None:
    """`rotate --detach` needs the key-encryption key: the journal's first entry is authenticated with it."""
    connected.kek.unlink()
    before = connected.dump()
    run = connected("rotate", NAME, "--detach", "-o", "json")
    assert (1, "VAULT_LOCKED") == (run.returncode, error(run)["code"])
    assert before == connected.dump()


COMMANDS = [
    ("rotate", NAME),
    ("rotate", NAME, "--detach"),
    ("run-due",),
    ("worker",),
    ("rotation", "list"),
    ("connection", "edit", NAME, "--days", "90"),
    ("needs-rotation", NAME),
    ("doctor",),
    ("init",),
]


def test_a_database_of_a_newer_keyturn(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """Every command refuses a database that a newer Keyturn has upgraded, and changes nothing."""
    connected.alter("UPDATE alembic_version SET version_num = '9999'")
    before, sent = connected.dump(), len(simulator.history.entries())
    for words in COMMANDS:
        run = connected(*words)
        expected = {"doctor": 3, "needs-rotation": 255}.get(words[0], 2)
        assert (words, expected, True) == (words, run.returncode, "newer Keyturn" in run.stdout + run.stderr)
    assert (before, sent) == (connected.dump(), len(simulator.history.entries()))


def test_a_database_without_its_rules(connected: InstalledKeyturn) -> None:
    """No rotation begins in a database that lost the index that allows one open rotation."""
    connected.alter("DROP INDEX uq_rotations_open")
    before = connected.dump()
    for words in (("rotate", NAME), ("run-due",), ("worker",)):
        run = connected(*words, "-o", "json")
        assert ("INVALID_SETTINGS", 2) == (error(run)["code"], run.returncode)
    assert "It lacks the index uq_rotations_open." in connected("doctor").stdout
    assert before == connected.dump()
