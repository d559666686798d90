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
    """See it work, in under 20 seconds: nothing is set up or left behind, and only loopback is contacted.

    A connection that still has the placeholder certificate is set up by a `keyturn worker`. Then it is rotated, and
    that worker is killed by SIGKILL after the upload to NetSuite; another one goes on where it was. Real-time imports
    are sent throughout, and the simulated systems' own history tells what happened in which order.
    """
    package()  # before its parts are imported, so that a missing extra is told by its name
    from orchestrator.cli.demo.environment import stage  # noqa: PLC0415
    from orchestrator.cli.demo.scenario import Story  # noqa: PLC0415

    began = time.monotonic()
    with stage(keep=keep) as on:
        told = Story(context.out, on).play()
        told["seconds"] = round(time.monotonic() - began, 1)
        told["folder"] = str(on.folder) if keep else None
        if not context.out.is_for_people:
            context.out.show(told, "\n".join(rotation["id"] for rotation in told["rotations"]))
        kept = f" Everything is kept in {on.folder}." if keep else " Nothing is left behind."
        context.out.say(f"\nTook {told['seconds']} s.{kept}")
    return Exit.FINE if told["well"] else Exit.FAILED
