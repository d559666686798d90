"""`keyturn simulator`: NetSuite and OpenAir on loopback, to try things out against, and their faults."""

import json
import os
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, Literal

from cyclopts import App, Parameter

from orchestrator.cli.arguments import WHOLE, flag
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Output
from states.errors import InvalidInput, InvalidSettings
from states.next_action import REPEAT, NextAction, Verb, by_hand

app = App(name="simulator", help="Run simulated NetSuite and OpenAir on loopback.")

MOST_ACCOUNTS: Final = 1000
_LAST_PORT: Final = 65535 - 2
"""The highest one with two more after it."""

Endpoint = Literal[
    "netsuite.token",
    "netsuite.restlet",
    "netsuite.certificates",
    "openair.token",
    "openair.api",
    "openair.import",
]
Kind = Literal[
    "throttle",
    "error",
    "500",
    "502",
    "503",
    "401",
    "403",
    "302",
    "reset",
    "html",
    "truncate",
    "drip",
    "late",
    "delay",
    "missing",
    "foreign",
    "stale",
]


@app.default
def simulator(
    *,
    port: Annotated[
        int, WHOLE, Parameter(help="NetSuite's port; OpenAir and the control API take the next two. 0: free ports.")
    ] = 0,
    directory: Annotated[Path | None, Parameter(help="Folder for the credentials. Default: a temporary one.")] = None,
    accounts: Annotated[int, WHOLE, Parameter(help="How many NetSuite accounts, each with an OpenAir company.")] = 1,
    context: Given,
) -> int:
    """Run simulated NetSuite and OpenAir on loopback.

    Prints the commands that connect to them, and runs until SIGINT or SIGTERM. You can paste a command again: it
    changes the connection that exists.

    ```
    keyturn simulator
    keyturn simulator --accounts 3 --port 8100 --directory simulated
    ```
    """
    if not 1 <= accounts <= MOST_ACCOUNTS:
        raise InvalidInput(f"The simulator has 1 to {MOST_ACCOUNTS} accounts, not {accounts}.")
    if not 0 <= port <= _LAST_PORT:
        raise InvalidInput(f"The simulator's first port is 0 to {_LAST_PORT}, not {port}.")
    serve = package().serve

    def announce(line: str) -> None:
        _announce(context.out, json.loads(line))

    try:
        serve(directory, port=port, accounts=accounts, announce=announce)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Knobs:
    """Which calls fail, and how."""

    action: Annotated[
        str | None,
        Parameter(
            help="Only calls with this action: report, sign or install (netsuite.restlet); Auth, Read, Add, Modify or "
            "Delete (openair.api); the grant type (tokens)."
        ),
    ] = None
    account: Annotated[str | None, Parameter(help="Only calls for this NetSuite account or its OpenAir company.")] = (
        None
    )
    when: Annotated[
        Literal["before", "after"] | None,
        Parameter(help="Before or after the request is applied. Default: as the kind has it."),
    ] = None
    times: Annotated[int, WHOLE, Parameter(help="How many matching calls fail; 0: all, until --clear.")] = 1
    skip: Annotated[int, WHOLE, Parameter(help="How many matching calls succeed first.")] = 0
    seconds: Annotated[float, Parameter(help="How long: for delay, drip, late and stale.")] = 0.0
    code: Annotated[str | None, Parameter(help="The system's error code, for error: SSS_TIME_LIMIT_EXCEEDED, 965.")] = (
        None
    )
    retry_after: Annotated[float | None, Parameter(help="Seconds in Retry-After, for throttle and 503.")] = None


_PLAIN: Final = _Knobs()


@app.command
def fault(
    kind: Annotated[Kind | None, Parameter(help="What happens instead of, or besides, the proper answer.")] = None,
    /,
    *,
    control: Annotated[str, Parameter(help="The control URL that the simulator printed.")],
    endpoint: Annotated[Endpoint | None, Parameter(help="Which calls.")] = None,
    knobs: Annotated[_Knobs, Parameter(name="*")] = _PLAIN,
    clear: Annotated[bool, flag("Disarm every fault that is armed, first.")] = False,
    context: Given,
) -> int:
    """Make calls to a running simulator fail, and print the faults that are armed.

    throttle, error, 500, 502, 503, 401, 403 and 302 are answers; html is a web page instead of an answer. reset closes
    the connection; truncate closes it in the middle of the answer. drip sends a byte at a time, delay answers late, and
    late resets at once but applies the request later. missing and foreign are acts of another party: the certificate is
    deleted or replaced. stale shows a change late.

    ```
    keyturn simulator fault 503 --endpoint openair.api --times 3 --control http://127.0.0.1:45353
    keyturn simulator fault reset --endpoint netsuite.restlet --action install --when after --control http://127.0.0.1:45353
    keyturn simulator fault --clear --control http://127.0.0.1:45353
    ```
    """
    if (kind is None) != (endpoint is None):
        raise InvalidInput("A fault needs its kind and its --endpoint.")
    if clear:
        _control(control, "DELETE")
    if kind:
        _control(control, "POST", {"endpoint": endpoint, "kind": kind, **asdict(knobs), "times": knobs.times or None})
    armed = _control(control, "GET")
    rows = [("", f"{each['kind']} at {each['endpoint']}{_details(each)}") for each in armed]
    context.out.show(armed, "\n".join(each["kind"] for each in armed), rows or [("", "No fault is armed.")])
    return Exit.FINE


def _details(armed: dict[str, Any]) -> str:
    given = {
        name: value for name, value in armed.items() if name not in ("kind", "endpoint") and value not in (None, 0)
    }
    times = "" if armed["times"] else ", every time"
    return "".join(f", {name} {value}" for name, value in given.items()) + times


def _control(url: str, method: str, content: object = None) -> Any:
    """Ask the control API of a running simulator. Raises InvalidInput when it refuses, or does not answer."""
    import requests  # noqa: PLC0415 - an idle simulator needs none of it

    with requests.Session() as session:
        session.trust_env = False  # a proxy does not reach loopback
        try:
            answer = session.request(method, f"{url.rstrip('/')}/faults", json=content, timeout=10)
            body = answer.json()
        except (requests.RequestException, ValueError) as error:
            wrong = by_hand("Start the simulator, and give the control URL that it prints.")
            raise InvalidInput(f"No simulator answers at {url!r}.", next_action=wrong) from error
    if not answer.ok:
        raise InvalidInput(f"The simulator refused the fault: {body.get('error')}.")
    return body["result"]


def _announce(out: Output, addresses: dict[str, Any]) -> None:
    files = [Path(file) for file in addresses["credentials"].values()]
    names = ["sandbox", *(f"sandbox-{number}" for number in range(2, len(files) + 1))]
    commands = [add_command(name, file) for name, file in zip(names, files, strict=True)]
    rows = [
        ("NetSuite", addresses["netsuite_url"]),
        ("OpenAir", addresses["openair_url"]),
        ("control", addresses["control_url"]),
    ]
    record = {**addresses, "connect": commands[0], "commands": commands}
    out.show(record, addresses["control_url"], rows)
    # Never wrapped: it is there to be copied.
    out.say("\nConnect to them, in another terminal:\n" + "\n".join(map(shlex.join, commands)))
    out.say(
        f"\nMake calls fail:\nkeyturn simulator fault 503 --endpoint openair.api --control {addresses['control_url']}"
    )


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
    return [*words, "--bundle", "369630=4.02", "--bundle", "369637=5.02", "--or-edit"]


def _secret(file: Path, text: str) -> Path:
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    return file
