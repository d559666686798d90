"""`keyturn demo`: two rotations against simulated systems, one of them interrupted by SIGKILL."""

import time
from typing import Annotated

from cyclopts import Parameter

from orchestrator.cli.arguments import WHOLE, flag
from orchestrator.cli.console import server
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.simulator import package


def demo(
    *,
    console: Annotated[
        bool, flag("Show it in a browser instead, until you stop it; you choose what goes wrong.")
    ] = False,
    port: Annotated[int, WHOLE, Parameter(help="The console's port on 127.0.0.1; 0 takes a free one.")] = 0,
    keep: Annotated[bool, flag("Keep the temporary folder: settings, database, worker's log.")] = False,
    context: Given,
) -> int:
    """See it work: two rotations against simulated systems, one of them interrupted.

    With --console three connections are set up by a worker while you watch in a browser. A page lets you break the
    simulated systems.

    It takes less than 20 seconds, sets nothing up, leaves nothing behind and contacts loopback only.

    A `keyturn worker` sets up a connection that still has the placeholder certificate. Then the connection is rotated,
    and the worker is killed by SIGKILL after the upload to NetSuite; another worker continues. Real-time imports are
    sent throughout, and the simulated systems' own history shows what happened in which order.

    ```
    keyturn demo
    keyturn demo --console
    ```
    """
    package()  # before its parts are imported, so that the error names a missing extra
    from orchestrator.cli.demo.environment import environment  # noqa: PLC0415
    from orchestrator.cli.demo.scenario import Story  # noqa: PLC0415

    if console:
        server()  # the error names the missing extra before anything is set up
        from orchestrator.cli.demo import browser  # noqa: PLC0415

        with environment(browser.CONNECTIONS, keep=keep) as on:
            return browser.show(context, on, port)
    began = time.monotonic()
    with environment(keep=keep) as on:
        result = Story(context.out, on).play()
        result["seconds"] = round(time.monotonic() - began, 1)
        result["folder"] = str(on.folder) if keep else None
        if not context.out.is_for_people:
            context.out.show(result, "\n".join(rotation["id"] for rotation in result["rotations"]))
        kept = f" Everything is kept in {on.folder}." if keep else " Nothing is left behind."
        context.out.say(f"\nTook {result['seconds']} s.{kept}")
        context.out.say("Break a rotation and repair it in a browser: keyturn demo --console")
    return Exit.FINE if result["well"] else Exit.FAILED
