"""`keyturn worker`: rotations without a person."""

import logging
from typing import Annotated

from cyclopts import Parameter

from orchestrator.cli import stopped
from orchestrator.cli.arguments import WHOLE
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.signals import stoppable
from orchestrator.operations.workers import Role
from states.errors import InvalidInput

_log = logging.getLogger("keyturn.worker")

MOST_THREADS = 64


def worker(
    *,
    threads: Annotated[
        int | None, WHOLE, Parameter(help="How many rotations at a time. Default: worker.threads.")
    ] = None,
    context: Given,
) -> int:
    """Carry rotations, and start those that are due, until it is stopped.

    SIGTERM and SIGINT let the current steps finish. A rotation that is between both sides is carried through the save
    first, within `worker.stop_within`. Exits with 3 when one is left there, since imports may be refused.

    ```
    keyturn worker --threads 4
    ```
    """
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InvalidInput(f"A worker has 1 to {MOST_THREADS} threads, not {threads}.")
    with context.keyturn(level=None) as keyturn:
        keyturn.installation.check()
        stop, threads = keyturn.stop_request(), threads or keyturn.settings.worker.threads

        def leave() -> int:
            return stopped.log_left(stop.left()) or (Exit.FINE if stop.is_idle() else Exit.INTERRUPTED)

        with stoppable(stop, _log.info, leave), keyturn.worker(stop, Role.WORKER, threads) as work:
            work.run(threads)
            return stopped.log_left(keyturn.carry.still_left(stop))
