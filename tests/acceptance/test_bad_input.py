"""What bad input gets: a clear sentence, a stable code, its exit code, and nothing changed."""

import shutil
from pathlib import Path

import pytest
from acceptance.installed_keyturn import NAME, InstalledKeyturn, error

from simulator import Simulator

NEW = ("connection", "add", "new")
NETSUITE = ("--account", "1234567", "--client-id", "c", "--certificate-id", "k", "--netsuite-key-file", "KEY")
EXPORT = "--openair-export"

BAD = {
    "an unknown connection": (("rotate", "nobody"), "NOT_FOUND", 5, "There is no connection nobody."),
    "an unknown rotation": (("rotation", "show", "01ZZZZZZ"), "NOT_FOUND", 5, "There is no rotation 01ZZZZZZ."),
    "a filter by an unknown connection": (("rotation", "list", "--connection", "nobody"), "NOT_FOUND", 5, "nobody"),
    "an unknown connection, asked by a schedule": (("needs-rotation", "nobody"), "NOT_FOUND", 255, "nobody"),
    "no connection at all, asked by a schedule": (("needs-rotation",), "USAGE", 255, "NAME"),
    "an unknown option": (("rotate", NAME, "--blindly"), "USAGE", 2, "--blindly"),
    "an unknown command": (("rotat", NAME), "USAGE", 2, "rotat"),
    "an unknown state": (("rotation", "list", "--state", "Lost"), "USAGE", 2, "UploadedToNetSuite"),
    "a list of nothing": (("rotation", "list", "--limit", "0"), "INVALID_INPUT", 2, "at least one line"),
    "a span that is none": (("health", "--within", "soon"), "INVALID_INPUT", 2, "'soon' is not a span of time"),
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
    "a key that is none": (
        (*NEW, *NETSUITE[:-1], "TEXT", EXPORT),
        "INVALID_INPUT",
        2,
        "not an unencrypted private key",
    ),
    "a secret that is not there": (
        (*NEW, *NETSUITE[:-1], "/nowhere", EXPORT),
        "INVALID_INPUT",
        2,
        "/nowhere cannot be",
    ),
    "two secrets from one input": (
        (*NEW, *NETSUITE[:-1], "-", "--openair-password-file", "-"),
        "INVALID_INPUT",
        2,
        "Only one secret can come from standard input",
    ),
    "an empty secret": (("connection", "edit", NAME, "--openair-password-file", "-"), "INVALID_INPUT", 2, "is empty"),
    "editing nobody": (("connection", "edit", "nobody", "--days", "90"), "NOT_FOUND", 5, "nobody"),
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
    "confirming what waits for nobody": (
        ("rotation", "confirm", "OPEN", "--fingerprint", "00"),
        "ILLEGAL_MOVE",
        6,
        "cannot be confirmed",
    ),
    "a new key that is not there": (("vault", "rewrap", "/nowhere", "--yes"), "INVALID_INPUT", 2, "/nowhere"),
    "a new key that is none": (
        ("vault", "rewrap", "TEXT", "--yes"),
        "VAULT_LOCKED",
        1,
        "does not hold 32 bytes in Base64",
    ),
    "a question that nobody answers": (("vault", "rewrap", "KEY"), "INVALID_INPUT", 2, "Nobody is there to answer"),
    "settings that are not there": (("--config", "/nowhere", "health"), "INVALID_SETTINGS", 2, "/nowhere"),
}


@pytest.fixture(scope="module")
def open_home(tmp_path_factory: pytest.TempPathFactory, template: Path) -> tuple[InstalledKeyturn, dict[str, str]]:
    """A home in which acme has an open rotation; and what the table's capitals stand for."""
    home = InstalledKeyturn.at(tmp_path_factory.mktemp("bad"))
    shutil.copytree(template, home.folder, dirs_exist_ok=True)
    with Simulator() as simulator:
        assert home.add(simulator.credentials).returncode == 0
    rotation = home("rotate", NAME, "--detach", "-o", "name").stdout.strip()
    text = home.folder / "text"
    text.write_text("not a key")
    text.chmod(0o600)
    key = home.folder / "secrets" / "netsuite-key-file"
    return home, {"OPEN": rotation, "COMPANY": simulator.openair_url, "KEY": str(key), "TEXT": str(text)}


@pytest.mark.parametrize(("arguments", "code", "exit_code", "sentence"), BAD.values(), ids=BAD)
def test_bad_input(
    open_home: tuple[InstalledKeyturn, dict[str, str]],
    arguments: tuple[str, ...],
    code: str,
    exit_code: int,
    sentence: str,
) -> None:
    """Bad input is told in a sentence with a code and an exit code that scripts can match, and changes nothing."""
    home, stands_for = open_home
    before = home.dump()
    run = home(*(stands_for.get(argument, argument) for argument in arguments), "-o", "json")
    told = error(run)
    assert (code, exit_code, exit_code, "") == (told["code"], told["exit_code"], run.returncode, run.stdout)
    assert sentence in told["message"]
    assert told["next_action"]["text"]
    assert "Nothing was changed." == told["kept"]
    assert before == home.dump()


def test_people_are_told_the_same(open_home: tuple[InstalledKeyturn, dict[str, str]]) -> None:
    """Without -o json an error is three lines on stderr: what happened with its code, what was kept, what is next."""
    home, stands_for = open_home
    run = home("rotation", "resume", stands_for["OPEN"])
    rotation = stands_for["OPEN"]
    assert [
        f"error: Rotation {rotation} cannot be resumed: The rotation is Requested, not Failed. [ILLEGAL_MOVE]",
        " kept: Nothing was changed.",
        f" next: Run `keyturn rotation explain {rotation}`.",
    ] == run.stderr.splitlines()
    assert "" == run.stdout


def test_malformed_settings(home: InstalledKeyturn) -> None:
    """A settings file that is no TOML is named, and nothing is done."""
    home.settings.write_text("[worker\n")
    run = home("connection", "list", "-o", "json")
    assert ("INVALID_SETTINGS", 2) == (error(run)["code"], run.returncode)
    assert f"{home.settings} is not valid TOML" in error(run)["message"]


def test_misspelt_variable(home: InstalledKeyturn) -> None:
    """An environment variable that is no setting is an error, not passed over."""
    run = home("connection", "list", "-o", "json", KEYTURN_STORE__URI="sqlite:///x")
    assert ("INVALID_SETTINGS", 2) == (error(run)["code"], run.returncode)
    assert "KEYTURN_STORE__URI" in error(run)["message"]


def test_before_init(keyturn: InstalledKeyturn) -> None:
    """Without a database, the next step is `keyturn init`, and none is made by the way."""
    run = keyturn("connection", "list", "-o", "json")
    assert ("INVALID_SETTINGS", 2) == (error(run)["code"], run.returncode)
    assert "`keyturn init`" in error(run)["next_action"]["text"]
    assert not keyturn.database.exists()


def lose_key(home: InstalledKeyturn, how: str) -> None:
    """Take the key-encryption key away, or put another in its place."""
    home.kek.unlink()
    if how == "wrong":
        home.kek.touch(mode=0o600)
        home.kek.write_text("A" * 43 + "=")


@pytest.mark.parametrize("how", ["missing", "wrong"])
def test_key_encryption_key(connected: InstalledKeyturn, how: str) -> None:
    """Without the right key-encryption key nothing is sealed, nothing is opened, and nothing is changed: no rotation is
    begun, only to be parked.
    """
    lose_key(connected, how)
    before = connected.dump()
    edit = ("connection", "edit", NAME, "--openair-password-file", "-")
    for words in (edit, ("rotate", NAME), ("run-due",)):
        run = connected(*words, "-o", "json", given="secret")
        told = error(run)
        assert ("VAULT_LOCKED", 1, "Nothing was changed.", "") == (
            told["code"],
            run.returncode,
            told["kept"],
            run.stdout,
        )
        assert before == connected.dump()
    assert 0 == connected("rotate", NAME, "--dry-run").returncode


def test_parked_rotation_without_the_key(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """Without the key-encryption key a parked rotation is not resumed, only to be parked anew: nothing is changed."""
    simulator.netsuite.record.reset("missing")
    rotation = connected("rotate", NAME, "-o", "name").stdout.strip()
    lose_key(connected, "missing")
    before = connected.dump()
    run = connected("rotation", "resume", rotation, "-o", "json")
    assert ("VAULT_LOCKED", 1) == (error(run)["code"], run.returncode)
    assert before == connected.dump()


def test_whoever_only_asks_needs_no_key(connected: InstalledKeyturn) -> None:
    """With --detach the worker does the work, so that only it has to hold the key-encryption key."""
    key = connected.kek.read_bytes()
    connected.kek.unlink()
    rotation = connected("rotate", NAME, "--detach", "-o", "name").stdout.strip()
    assert "Requested" == connected.json("rotation", "show", rotation)["state"]
    connected.kek.touch(mode=0o600)
    connected.kek.write_bytes(key)
    assert 0 == connected("run-due").returncode
    assert "Completed" == connected.json("rotation", "show", rotation)["state"]
