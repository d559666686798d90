"""`keyturn console`: the console in a browser."""

import socket
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from orchestrator.cli.arguments import WHOLE
from orchestrator.cli.context import Context, Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.signals import stoppable
from orchestrator.site import check_files, site_of
from states.errors import InvalidSettings
from states.next_action import REPEAT, NextAction, Verb

if TYPE_CHECKING:
    from orchestrator.console.server import MakeApi

PORT: Final = 8742


def console(
    *,
    port: Annotated[int, WHOLE, Parameter(help="The port; 0 takes a free one.")] = PORT,
    host: Annotated[str, Parameter(help="The address to listen on; off loopback only with TLS.")] = "127.0.0.1",
    context: Given,
) -> int:
    """Show connections and rotations in a browser, until it is stopped.

    Prints a link that signs you in once, within a quarter of an hour. What you do there is done as you, and is in the
    journal. Other people sign in with an account. Other computers need TLS: see the settings of the table `console`. A
    worker carries the rotations: run `keyturn worker` as well.

    ```
    keyturn console
    keyturn console --port 9000
    keyturn console --host 0.0.0.0 --port 443
    ```
    """
    serving = server()
    with context.keyturn(level="warning") as keyturn:
        keyturn.installation.check()
        check_files(keyturn.settings.console)
        site_of(keyturn.settings.console, host, port)  # refused before anything listens
        listener = serving.listen(host, port)
        stop = keyturn.stop_request()
        with stoppable(stop, context.out.note, lambda: Exit.INTERRUPTED):
            serving.serve(keyturn, listener, actor(), stop, listening(context, listener), api=api())
    return Exit.FINE


def listening(context: Context, listener: socket.socket) -> Callable[[str], None]:
    """Return what prints the link for signing in, once the console answers."""

    def ready(link: str) -> None:
        context.out.show({"link": link, "port": listener.getsockname()[1]}, link, [("sign in", link)])
        context.out.note("The link signs you in once, within 15 minutes. Ctrl-C ends the console.")

    return ready


def api() -> "MakeApi":
    """What builds the API. Only where ``server`` is installed."""
    from orchestrator.api.app import build  # noqa: PLC0415 - as above

    return build


def server() -> ModuleType:
    """The server, which is an optional part of Keyturn. Raises InvalidSettings where it is not installed."""
    try:
        from orchestrator.console import server  # noqa: PLC0415 - optional, and no other command needs it
    except ImportError as error:
        raise InvalidSettings(
            f"The console is not installed: {error.name} is missing.",
            next_action=NextAction(Verb.INSTALL_EXTRA, {"extra": "console"}, then=REPEAT),
        ) from error
    return server
