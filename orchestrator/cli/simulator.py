"""`keyturn simulator`: NetSuite and OpenAir on loopback, to try things out against."""

import json
import os
import shlex
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from cyclopts import Parameter

from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Output
from states.errors import InvalidInput, InvalidSettings
from states.next_action import REPEAT, NextAction, Verb, by_hand


def simulator(
    *,
    port: Annotated[
        int, Parameter(help="NetSuite's port; OpenAir and the control API take the next two. 0: free ports.")
    ] = 0,
    directory: Annotated[Path | None, Parameter(help="Folder for the credentials. Default: a temporary one.")] = None,
    context: Given,
) -> int:
    """Run simulated NetSuite and OpenAir on loopback.

    Prints the command that connects to them, and runs until SIGINT or SIGTERM.
    """
    serve = package().serve

    def announce(line: str) -> None:
        _announce(context.out, json.loads(line))

    try:
        serve(directory, port=port, announce=announce)
    except OSError as error:
        raise InvalidInput(
            f"The simulator cannot listen: {error.strerror}.", next_action=by_hand("Choose another --port.")
        ) from error
    return Exit.FINE


def package() -> ModuleType:
    """The simulator, which is an optional part of Keyturn. Raises InvalidSettings where it is not installed."""
    try:
        import simulator  # noqa: PLC0415 - optional
    except ImportError as error:
        raise InvalidSettings(
            f"The simulator is not installed: {error.name} is missing.",
            next_action=NextAction(Verb.INSTALL_EXTRA, {"extra": "simulator"}, then=REPEAT),
        ) from error
    return simulator


def _announce(out: Output, addresses: dict[str, Any]) -> None:
    credentials = Path(next(iter(addresses["credentials"].values())))
    command = add_command("sandbox", credentials)
    rows = [
        ("NetSuite", addresses["netsuite_url"]),
        ("OpenAir", addresses["openair_url"]),
        ("control", addresses["control_url"]),
    ]
    out.show({**addresses, "connect": command}, addresses["control_url"], rows)
    # Never wrapped: it is there to be copied.
    out.say(f"\nConnect to them, in another terminal:\n{shlex.join(command)}")


def add_command(name: str, credentials: Path) -> list[str]:
    """The command that connects ``name`` to the simulated systems of this ``credentials.json``.

    Each secret is written to a file of its own in the same folder (mode 0600), as the command takes files only.
    """
    known = json.loads(credentials.read_text(encoding="utf-8"))
    folder = credentials.parent
    options = {
        "account": known["account"],
        "client-id": known["client_id"],
        "certificate-id": known["certificate_id"],
        "netsuite-key-file": folder / known["private_key_file"],
        "restlet-url": known["netsuite_url"],
        "token-url": known["netsuite_url"],
        "openair-url": known["openair_url"],
        "openair-namespace": known["api_namespace"],
        "openair-client-id": known["openair_client_id"],
        "openair-api-key-file": _secret(folder / "openair-api-key", known["api_key"]),
        "openair-client-secret-file": _secret(folder / "openair-client-secret", known["openair_client_secret"]),
        "openair-refresh-token-file": _secret(folder / "openair-refresh-token", known["refresh_token"]),
    }
    words = ["keyturn", "connection", "add", name]
    for option, value in options.items():
        words += [f"--{option}", str(value)]
    return [*words, "--bundle", "369630=4.02", "--bundle", "369637=5.02"]


def _secret(file: Path, text: str) -> Path:
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    return file
