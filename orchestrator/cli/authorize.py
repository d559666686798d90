"""`keyturn connection authorize`."""

import sys
from typing import Annotated, Final

from cyclopts import Parameter

from orchestrator import terminal
from orchestrator.bootstrap import Keyturn
from orchestrator.cli.arguments import ConnectionName, flag
from orchestrator.cli.consent_listener import ConsentListener, can_receive
from orchestrator.cli.context import Context, Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.operations.consent import REDIRECT_URI, Consent
from orchestrator.views.connection import connection_json
from states.connection import Connection
from states.errors import InvalidInput
from states.next_action import by_hand

_LONGEST_ADDRESS: Final = 8192
"""Characters; no browser's address that OpenAir made is as long."""

_WAIT: Final = 600.0
"""Seconds in which a person consents."""


def authorize(
    name: ConnectionName,
    /,
    *,
    redirect_uri: Annotated[
        str,
        Parameter(
            help=f"Where OpenAir sends the browser. Default: as last time, or {REDIRECT_URI}.", show_default=False
        ),
    ] = "",
    paste: Annotated[
        bool, flag("Paste the address that the browser is sent to, instead of receiving it here.")
    ] = False,
    wait: Annotated[float, Parameter(help="Seconds to wait for the browser.")] = _WAIT,
    context: Given,
) -> int:
    """Consent in OpenAir: get the connection's first refresh token, or a new one when it is void.

    The command prints an address. Open it in a browser, as the OpenAir user with whom Keyturn works, and allow the
    access. OpenAir sends the browser back to this computer, and Keyturn exchanges the code for a refresh token and
    seals it. The redirect URI must be that of the OAuth application in OpenAir.

    On a server without a browser, or with a redirect URI that is not on this computer, open the address elsewhere, and
    paste the address that the browser shows afterwards, even if its page cannot be shown.

    ```
    keyturn connection authorize acme
    keyturn connection authorize acme --redirect-uri https://localhost/done --paste
    ```
    """
    with context.keyturn() as keyturn:
        stored = consented(context, keyturn, name, redirect_uri, paste=paste, wait=wait)
        known = keyturn.connections.secrets_of(name)
        rotation = keyturn.rotations.open_for(name)
        record = connection_json(stored, known, rotation=rotation, now=keyturn.rotations.now())
    context.out.show(record, name, [("authorized", name)])
    resume = f", then `keyturn rotation resume {rotation.id}`" if rotation and rotation.failure else ""
    context.out.note(f"Next: `keyturn doctor {name}`{resume}.")
    return Exit.FINE


def consented(
    context: Context, keyturn: Keyturn, name: str, redirect_uri: str = "", *, paste: bool = False, wait: float = _WAIT
) -> Connection:
    """Ask a person for the consent, store what it grants, and return the connection. Raises as `Consents` does."""
    consent = keyturn.consents.ask(name, redirect_uri)
    if can_receive(consent.redirect_uri) and not paste:
        answer = _received(consent, wait)
    elif paste or context.asks:
        answer = _pasted(consent)
    else:
        raise InvalidInput(
            f"OpenAir sends the browser to {consent.redirect_uri}, which this command cannot receive.",
            next_action=by_hand("Add --paste, and give the address on standard input."),
        )
    return keyturn.consents.complete(consent, answer, actor=actor())


def _received(consent: Consent, wait: float) -> str:
    with ConsentListener(consent.redirect_uri) as listener:
        _print(f"Open this address in a browser on this computer, and allow the access:\n\n  {consent.address}\n")
        return listener.receive(wait)


def _pasted(consent: Consent) -> str:
    _print(f"Open this address in a browser, and allow the access:\n\n  {consent.address}\n")
    terminal.write("Paste the address that the browser shows afterwards: ", error=True, end="")
    return sys.stdin.readline(_LONGEST_ADDRESS)


def _print(text: str) -> None:
    """Print it where a person reads it, also where the output is for a program, or quiet."""
    terminal.write(text, error=True)
