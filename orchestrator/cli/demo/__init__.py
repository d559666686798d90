"""`keyturn demo`: two rotations against simulated systems, one of them interrupted by SIGKILL."""

import time
from typing import Annotated

from orchestrator.cli.arguments import flag
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.simulator import package


def demo(
    *,
    keep: Annotated[bool, flag("Keep the temporary folder: settings, database, worker's log.")] = False,
    context: Given,
) -> int:
    """See it work: two rotations against simulated systems, one of them interrupted.

    It takes less than 20 seconds, sets nothing up, leaves nothing behind and contacts loopback only.

    A `keyturn worker` sets up a connection that still has the placeholder certificate. Then the connection is rotated,
    and the worker is killed by SIGKILL after the upload to NetSuite; another worker continues. Real-time imports are
    sent throughout, and the simulated systems' own history shows what happened in which order.

    ```
    keyturn demo
    ```
    """
    package()  # before its parts are imported, so that the error names a missing extra
    from orchestrator.cli.demo.environment import environment  # noqa: PLC0415
    from orchestrator.cli.demo.scenario import Story  # noqa: PLC0415

    began = time.monotonic()
    with environment(keep=keep) as on:
        result = Story(context.out, on).play()
        result["seconds"] = round(time.monotonic() - began, 1)
        result["folder"] = str(on.folder) if keep else None
        if not context.out.is_for_people:
            context.out.show(result, "\n".join(rotation["id"] for rotation in result["rotations"]))
        kept = f" Everything is kept in {on.folder}." if keep else " Nothing is left behind."
        context.out.say(f"\nTook {result['seconds']} s.{kept}")
    return Exit.FINE if result["well"] else Exit.FAILED
