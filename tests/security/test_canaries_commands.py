"""No command prints, logs or writes a secret, in a whole life without failures."""

import base64
import json
import os
from collections.abc import Callable, Iterator

import cyclopts
import pytest
from acceptance.installed_keyturn import NAME, options_for
from security.known_secrets import SearchedKeyturn

from orchestrator.cli import application
from simulator import Fault

IN_PROCESS = {
    "init",
    "setup",
    "connection add",
    "connection edit",
    "connection list",
    "connection remove",
    "connection rename",
    "connection show",
    "rotate",
    "rotation explain",
    "rotation park",
    "rotation begin",
    "rotation carry",
    "rotation resume",
    "rotation confirm",
    "rotation abandon",
    "rotation restore",
    "rotation adopt",
    "rotation withdraw",
    "rotation list",
    "rotation show",
    "rotation journal",
    "rotation evidence",
    "evidence verify",
    "rotation watch",
    "health",
    "status",
    "version",
    "needs-rotation",
    "request verify",
    "doctor",
    "simulate",
    "diagram",
    "metrics",
    "credentials",
    "alert list",
    "alert messages",
    "alert send",
    "silence add",
    "silence list",
    "silence end",
    "suitescript export",
    "run-due",
    "journal checkpoint",
    "journal verify",
    "account add",
    "account list",
    "account password",
    "account remove",
    "token add",
    "token list",
    "token revoke",
    "backup",
    "vault rekey",
    "vault rewrap",
}
"""The commands of test_every_command."""
PROCESSES = {"alert test", "connection authorize", "console", "db copy", "demo", "worker", "simulator fault"}
"""The commands that run for long, start processes or need a receiver or a server, with tests of their own; faults are
those of `simulator`."""


def leaves(app: cyclopts.App, before: str = "") -> Iterator[str]:
    """Yield every command without subcommands."""
    for name in app:
        if not name.startswith("-"):
            yield from list(leaves(app[name], f"{before}{name} ")) or [before + name]


def is_json(text: str) -> bool:
    """Whether ``text`` is one JSON value, or one on each line."""
    try:
        json.loads(text)
    except ValueError:
        return all(json.loads(line) for line in text.splitlines())
    return True


def test_no_command_is_left_out() -> None:
    """These tests search the output of every command of `keyturn`."""
    assert IN_PROCESS | PROCESSES == set(leaves(application.build()))


@pytest.mark.parametrize("form", ["wide", "json", "yaml", "name"])
def test_every_command(keyturn: SearchedKeyturn, form: str) -> None:
    """No secret appears in the output, logs or files of any command, in any output form. A wide table has all that a
    table has, and a template takes from the JSON. Every command but `diagram` can print JSON.
    """
    used: set[str] = set()

    def run(*arguments: object, given: str = "") -> str:
        words = [str(argument) for argument in arguments]
        used.update(known for known in IN_PROCESS if known.split() == words[: len(known.split())])
        exit_code, out, err = keyturn(*words, "--yes", "--verbose", "--output", form, given=given)
        assert exit_code in (0, 3), out + err
        assert form != "json" or words[0] == "diagram" or is_json(out), words
        return out

    run("init")
    _added_and_edited(keyturn, run)
    _set_up(keyturn, run)
    used.add("connection add")
    _rotated_and_shown(keyturn, run)
    keyturn("needs-rotation", NAME, "--output", form)
    used.add("needs-rotation")
    _adopted_and_restored(keyturn, run)
    _resumed_abandoned_and_confirmed(keyturn, run)
    used.add("rotation carry")
    run("account", "add", "ada", "--role", "administrator", given="correct horse battery")
    run("account", "list")
    run("account", "password", "ada", given="staple correct horse")
    run("account", "remove", "ada")
    run("token", "add", "nightly", "--role", "operator")
    run("token", "list")
    run("token", "revoke", "nightly")
    run("connection", "rename", "handed", "handed-over")
    run("connection", "remove", "handed-over")
    new = keyturn.folder / "data" / "kek"
    new.touch(mode=0o600)
    new.write_text(base64.b64encode(os.urandom(32)).decode())
    run("vault", "rekey")
    run("vault", "rewrap", new)
    new.replace(keyturn.config / "kek")
    run("suitescript", "export", keyturn.folder / "suitescript")
    run("silence", "end", json.loads(keyturn("silence", "list", "--output", "json")[1])[0]["id"])
    run("run-due")
    assert IN_PROCESS == used
    keyturn.assert_nothing_leaked()


def _added_and_edited(keyturn: SearchedKeyturn, run: Callable[..., str]) -> None:
    run("connection", "edit", NAME, "--days", "90")
    run("connection", "edit", NAME, "--openair-api-key-file", "-", given=keyturn.simulator.credentials.api_key)
    password = str(keyturn.folder / "given-TSTDRV2" / "openair-password-file")
    keyturn.add(
        "other",
        "TSTDRV2",
        **{
            "openair-client-id": None,
            "openair-user": "keyturn",
            "openair-company": keyturn.simulator.pairs["TSTDRV2"].credentials.company,
            "openair-password-file": password,
            "openair-preference": "another",
        },
    )


def _set_up(keyturn: SearchedKeyturn, run: Callable[..., str]) -> None:
    """Set a connection up from a file, with a wrong secret first, and remove it."""
    known = keyturn.simulator.pairs["TSTDRV3"].credentials
    folder = keyturn.folder / "given-TSTDRV3"
    options_for(known, folder)
    (folder / "openair-api-key-file").write_text("wrong-one")
    netsuite = keyturn.simulator.pairs["TSTDRV3"].netsuite
    file, certificate = folder / "fresh.toml", keyturn.folder / "data" / "signin.pem"
    given = {
        "account": known.account,
        "client_id": known.client_id,
        "openair_url": known.openair_url,
        "restlet_url": known.netsuite_url,
        "token_url": known.netsuite_url,
        "openair_namespace": known.api_namespace,
        "openair_client_id": known.openair_client_id,
        **{
            name: {"file": f"{name.replace('_', '-')}-file"}
            for name in ("openair_api_key", "openair_client_secret", "openair_refresh_token")
        },
    }

    def write() -> None:
        lines = [f"{name} = {json.dumps(value).replace(': ', ' = ')}" for name, value in given.items()]
        lines = [line.replace('"file"', "file") for line in lines]
        file.write_text("\n".join(lines))

    for _ in range(3):
        write()
        run("setup", "fresh", "--no-input", "--from", file, "--certificate-file", certificate)
        if "certificate_id" in given:
            (folder / "openair-api-key-file").write_text(known.api_key)
        else:
            given["certificate_id"] = netsuite.map_sign_in(certificate.read_text())
    assert keyturn("doctor", "fresh")[0] == 0
    renewed = certificate.with_name("renewed.pem")
    options = ("--no-input", "--from", file, "--certificate-file", renewed, "--new-certificate")
    run("setup", "fresh", *options)
    given["certificate_id"] = netsuite.map_sign_in(renewed.read_text())
    write()
    run("setup", "fresh", *options)
    assert "--certificate-until" not in run("credentials", "fresh")
    run("connection", "edit", "fresh", "--certificate-file", renewed)
    run("connection", "remove", "fresh")


def _rotated_and_shown(keyturn: SearchedKeyturn, run: Callable[..., str]) -> None:
    run("connection", "list")
    run("connection", "show", NAME)
    run("rotate", NAME, "--reason", "a first one")
    first = keyturn.rotation()["id"]
    keyturn.simulator.import_requests.send()
    file = keyturn.folder / "evidence.json"
    for arguments in (
        ("rotation", "list"),
        ("rotation", "show", first),
        ("rotation", "journal", first),
        ("rotation", "evidence", first, "--file", file),
        ("evidence", "verify", file, "--with-key"),
        ("rotation", "watch", first),
        ("rotation", "explain", first, "--live"),
        ("simulate", "--days", "30"),
        ("health",),
        ("status",),
        ("version",),
        ("metrics",),
        ("credentials",),
        ("credentials", NAME),
        ("alert", "list"),
        ("alert", "messages"),
        ("alert", "send"),
        ("silence", "add", NAME, "--until", "2d", "--reason", "a move"),
        ("silence", "list"),
        ("doctor",),
        ("diagram", first),
        ("journal",),
        ("journal", "checkpoint"),
        ("journal", "verify"),
        ("backup", keyturn.folder / "data" / "backup.db"),
        ("request", "verify", keyturn.simulator.import_requests.counts().last_url, "--connection", NAME),
    ):
        run(*arguments)


def _adopted_and_restored(keyturn: SearchedKeyturn, run: Callable[..., str]) -> None:
    record = keyturn.simulator.netsuite.record
    record.reset("foreign")
    keyturn("rotate", NAME, "--verbose")  # its exit code is that of the failure
    assert record.held
    keyturn.simulator.openair.settings.save_outside(record.held.pair.certificate_pem())
    run("rotation", "adopt", keyturn.rotation()["id"])
    run("rotate", NAME)
    keyturn.simulator.faults.add(Fault("openair.api", "401", action="Modify", times=None))
    keyturn("rotate", NAME, "--verbose")
    keyturn.simulator.faults.clear()
    _asked_and_withdrawn(keyturn, run)
    run("rotation", "restore", keyturn.rotation()["id"])
    keyturn.alter("UPDATE rotations SET in_flight_until = NULL")  # skips the hold-off of minutes


def _asked_and_withdrawn(keyturn: SearchedKeyturn, run: Callable[..., str]) -> None:
    rotation = keyturn.rotation()["id"]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KEYTURN_RECOVERY__SECOND_APPROVAL", "true")
        keyturn("rotation", "restore", rotation, "--reason", "closed", "--verbose")  # its exit code says: not done yet
        run("rotation", "withdraw", rotation, "--reason", "open again")


def _resumed_abandoned_and_confirmed(keyturn: SearchedKeyturn, run: Callable[..., str]) -> None:
    keyturn.simulator.netsuite.record.reset("missing")
    run("rotate", NAME)
    run("rotation", "resume", keyturn.rotation()["id"])
    run("rotation", "abandon", keyturn.rotation()["id"])
    run("rotate", NAME)
    run("rotation", "resume", keyturn.rotation()["id"], "--create-record")
    by_api = ("url", "namespace", "client-id", "api-key-file", "client-secret-file", "refresh-token-file")
    keyturn.add("handed", "TSTDRV3", **{f"openair-{option}": None for option in by_api}, **{"openair-export": ""})
    run("rotate", "handed")
    run("rotation", "park", keyturn.rotation("handed")["id"], "--reason", "its administrator is away")
    run("rotation", "resume", keyturn.rotation("handed")["id"])
    run("rotation", "begin", keyturn.rotation("handed")["id"])
    handed = keyturn.rotation("handed")
    keyturn("rotation", "carry", handed["id"], "--verbose")  # its exit code is that of what is waited for
    run("rotation", "confirm", handed["id"], "--fingerprint", handed["candidate"]["fingerprint"])
