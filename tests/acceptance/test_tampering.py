"""What the command line says of rows that were changed outside Keyturn: first that, what was kept, and what to do."""

from typing import Final

from acceptance.installed_keyturn import NAME, InstalledKeyturn, error

CHANGED: Final = f"Connection {NAME} was changed outside Keyturn"
EVIL: Final = "UPDATE connections SET openair = json_set(openair, '$.url', 'https://evil.example')"


def test_a_changed_connection(connected: InstalledKeyturn) -> None:
    """Each command that would act says so with its code, and how to give the connection again; `show` warns, too."""
    connected.alter(EVIL)
    for command in (("rotate", NAME), ("connection", "edit", NAME, "--days", "100")):
        refused = connected(*command, "-o", "json")
        assert (1, "TAMPERED") == (refused.returncode, error(refused)["code"]), command
        assert error(refused)["message"].startswith(CHANGED)
        assert "Nothing was changed." == error(refused)["kept"]
    given_again = f"`keyturn connection edit {NAME}` with all options that `keyturn connection add` needs"
    for words in (("connection", "show", NAME), ("health", NAME), ("doctor", NAME), ("status",)):
        shown = connected(*words).stdout
        assert CHANGED in shown, words
        assert given_again in " ".join(shown.split()), words
    assert connected.json("connection", "show", NAME)["broken"].startswith(CHANGED)
    (listed,) = connected.json("connection", "list")
    assert (True, True) == (listed["checked"], listed["broken"].startswith(CHANGED))
    assert " TAMPERED " in connected("connection", "list").stdout


def test_without_the_key(connected: InstalledKeyturn) -> None:
    """Lists need no key; they say on stderr, and in JSON, that changes of rows do not show without it."""
    connected.alter(EVIL)
    connected.kek.unlink()
    for words in (("connection", "list"), ("status",)):
        shown = connected(*words)
        assert "Not checked: changes made outside Keyturn" in shown.stderr, words
        assert "TAMPERED" not in shown.stdout, words
        assert "" == connected("--quiet", *words).stderr, words
    (listed,) = connected.json("connection", "list")
    assert (False, None) == (listed["checked"], listed["broken"])
    assert not connected.json("status")["checked"]


def test_what_is_missing_to_give_a_changed_connection_again(connected: InstalledKeyturn) -> None:
    """The options that are missing are named; those of the changed row do not replace them."""
    connected.alter(EVIL)
    message = error(connected("connection", "edit", NAME, "--days", "100", "-o", "json"))["message"]
    assert message.startswith(f"{CHANGED}. To give all of it again needs --account, ")
    assert "--openair-url" in message


def test_a_changed_rotation(connected: InstalledKeyturn) -> None:
    """It is parked before anything is sent, and `explain` ends with the command that ends it."""
    assert 0 == connected("rotate", NAME, "--detach").returncode
    connected.alter("UPDATE rotations SET may_overwrite = 1")
    assert 3 == connected("run-due").returncode
    rotation = connected.json("rotation", "show", NAME)
    assert (f"Rotation {rotation['id']} was changed outside Keyturn.", "TAMPERED") == (
        rotation["broken"],
        rotation["failure"]["code"],
    )
    assert f"keyturn rotation abandon {rotation['id']}" in connected("rotation", "explain", NAME).stdout
    assert 0 == connected("rotation", "abandon", NAME, "-y").returncode
