"""No secret shows in what any command prints, logs or writes, in a whole life that goes well."""

import base64
import os
from collections.abc import Callable, Iterator

import cyclopts
import pytest
from acceptance.installed_keyturn import NAME
from security.known_secrets import Stage

from orchestrator.cli import application
from simulator import Fault

IN_PROCESS = {
    "init",
    "connection add",
    "connection edit",
    "connection list",
    "connection show",
    "rotate",
    "rotation explain",
    "rotation park",
    "rotation resume",
    "rotation confirm",
    "rotation abandon",
    "rotation restore",
    "rotation adopt",
    "rotation list",
    "rotation show",
    "rotation journal",
    "rotation watch",
    "health",
    "needs-rotation",
    "request verify",
    "doctor",
    "diagram",
    "run-due",
    "journal verify",
    "vault rewrap",
}
"""The commands of test_every_command."""
PROCESSES = {"demo", "worker", "simulator"}
"""The commands that run for long or start others; each has a test of its own."""


def leaves(app: cyclopts.App, before: str = "") -> Iterator[str]:
    """Every command that does something."""
    for name in app:
        if not name.startswith("-"):
            yield from list(leaves(app[name], f"{before}{name} ")) or [before + name]


def test_no_command_is_left_out() -> None:
    """Each command of `keyturn` is one of those whose output is searched below: a new one fails here first."""
    assert IN_PROCESS | PROCESSES == set(leaves(application.build()))


@pytest.mark.parametrize("form", ["table", "json", "name"])
def test_every_command(play: Stage, form: str) -> None:
    """A whole life with every command, in each form of output, with all logs: nothing of any secret shows."""
    used: set[str] = set()

    def run(*arguments: object, given: str = "") -> str:
        words = [str(argument) for argument in arguments]
        used.update(known for known in IN_PROCESS if known.split() == words[: len(known.split())])
        exit_code, out, err = play(*words, "--yes", "--verbose", "--output", form, given=given)
        assert exit_code in (0, 3), out + err
        return out

    run("init")
    _added_and_edited(play, run)
    used.add("connection add")
    _rotated_and_shown(play, run)
    play("needs-rotation", NAME, "--output", form)
    used.add("needs-rotation")
    _adopted_and_restored(play, run)
    _resumed_abandoned_and_confirmed(play, run)
    new = play.folder / "data" / "kek"
    new.touch(mode=0o600)
    new.write_text(base64.b64encode(os.urandom(32)).decode())
    run("vault", "rewrap", new)
    new.replace(play.config / "kek")
    run("run-due")
    assert IN_PROCESS == used
    play.assert_nothing_leaked()


def _added_and_edited(play: Stage, run: Callable[..., str]) -> None:
    run("connection", "edit", NAME, "--days", "90")
    run("connection", "edit", NAME, "--openair-api-key-file", "-", given=play.simulator.credentials.api_key)
    password = str(play.folder / "given" / "openair-password-file")
    play.add(
        "other",
        **{
            "account": "TSTDRV2",
            "openair-client-id": None,
            "openair-user": "keyturn",
            "openair-company": play.simulator.credentials.company,
            "openair-password-file": password,
            "openair-preference": "another",
        },
    )


def _rotated_and_shown(play: Stage, run: Callable[..., str]) -> None:
    run("connection", "list")
    run("connection", "show", NAME)
    run("rotate", NAME, "--reason", "a first one")
    first = play.rotation()["id"]
    play.simulator.import_requests.send()
    for arguments in (
        ("rotation", "list"),
        ("rotation", "show", first),
        ("rotation", "journal", first),
        ("rotation", "watch", first),
        ("rotation", "explain", first, "--live"),
        ("health",),
        ("doctor",),
        ("diagram", first),
        ("journal", "verify"),
        ("request", "verify", play.simulator.import_requests.counts().last_url, "--connection", NAME),
    ):
        run(*arguments)


def _adopted_and_restored(play: Stage, run: Callable[..., str]) -> None:
    record = play.simulator.netsuite.record
    record.reset("foreign")
    play("rotate", NAME, "--verbose")  # exits as what parked it tells
    assert record.held
    play.simulator.openair.settings.save_outside(record.held.pair.certificate_pem())
    run("rotation", "adopt", play.rotation()["id"])
    run("rotate", NAME)
    play.simulator.faults.add(Fault("openair.api", "401", action="Modify", times=None))
    play("rotate", NAME, "--verbose")
    play.simulator.faults.clear()
    run("rotation", "restore", play.rotation()["id"])
    play.alter("UPDATE rotations SET in_flight_until = NULL")  # or what follows would be held off for minutes


def _resumed_abandoned_and_confirmed(play: Stage, run: Callable[..., str]) -> None:
    play.simulator.netsuite.record.reset("missing")
    run("rotate", NAME)
    run("rotation", "resume", play.rotation()["id"])
    run("rotation", "abandon", play.rotation()["id"])
    run("rotate", NAME)
    run("rotation", "resume", play.rotation()["id"], "--create-record")
    by_api = ("url", "namespace", "client-id", "api-key-file", "client-secret-file", "refresh-token-file")
    play.add("handed", account="TSTDRV3", **{f"openair-{option}": None for option in by_api}, **{"openair-export": ""})
    run("rotate", "handed")
    run("rotation", "resume", play.rotation("handed")["id"], "--overwrite")
    run("rotation", "park", play.rotation("handed")["id"], "--reason", "its administrator is away")
    run("rotation", "resume", play.rotation("handed")["id"])
    handed = play.rotation("handed")
    run("rotation", "confirm", handed["id"], "--fingerprint", handed["candidate"]["fingerprint"])
