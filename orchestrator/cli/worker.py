"""`keyturn worker` and `keyturn run-due`: rotations without a person."""

import logging
from collections import Counter
from typing import Annotated

from cyclopts import Parameter

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import formatting, live, outcome, stopped
from orchestrator.cli.arguments import DryRun
from orchestrator.cli.context import Context, Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.signals import stoppable
from orchestrator.cli.streams import unheard
from orchestrator.events import Changed, Event
from orchestrator.schedule import Pass
from orchestrator.stop_request import StopRequest
from orchestrator.views.journal import last_postponement
from orchestrator.views.rotation import rotation_json
from orchestrator.views.values import Json
from states.errors import HeldOff, InvalidInput
from states.rotation import Rotation
from states.state import State

_log = logging.getLogger("keyturn.worker")

MOST_THREADS = 64


def worker(
    *,
    threads: Annotated[int | None, Parameter(help="How many rotations at a time. Default: worker.threads.")] = None,
    context: Given,
) -> int:
    """Carry rotations, and start those that are due, until it is stopped.

    SIGTERM and SIGINT let the current steps finish. A rotation that is between both sides is carried through the save
    first, within `worker.stop_within`. Exits with 3 when one is left there, since imports may be refused.
    """
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InvalidInput(f"A worker has 1 to {MOST_THREADS} threads, not {threads}.")
    with context.keyturn(level=None) as keyturn:
        keyturn.installation.check()
        stop = keyturn.stop_request()

        def leave() -> int:
            return stopped.log_left(stop.left()) or (Exit.FINE if stop.is_idle() else Exit.INTERRUPTED)

        with stoppable(stop, _log.info, leave), keyturn.worker(stop) as work:
            work.run(threads or keyturn.settings.worker.threads)
            return stopped.log_left(keyturn.carry.still_left(stop))


def run_due(*, dry_run: DryRun = False, context: Given) -> int:
    """Start what is due, carry what is claimable, and return: for cron.

    It stays for up to ten minutes with a rotation in UploadedToNetSuite that is to be retried soon, since imports may
    be refused until then. Exits with 0 when all is well, 3 when a rotation is parked or waits for a person, 7 when one
    is postponed because a system is down, 1 when one could not be started. Each of them is reported, also when an
    earlier run left it so.
    """
    with context.keyturn(level=None) as keyturn:
        if dry_run:
            return _would(context, keyturn)
        keyturn.installation.check()
        carried: dict[str, Rotation] = {}
        show = live.Lines(context.out, keyturn) if context.out.is_for_people else live.Silent()

        def receive(event: Event) -> None:
            if isinstance(event, Changed):
                carried[event.rotation.id] = event.rotation
                show.moved(event.rotation)

        stop = keyturn.stop_request()
        with stopped.reporting(context, keyturn, stop), keyturn.worker(stop) as work:
            began = keyturn.schedule.start_due(actor=actor())
            with keyturn.events.listening(receive):
                work.drain()
        return _summary(context, keyturn, began, list(carried.values()), stop)


def _would(context: Context, keyturn: Keyturn) -> int:
    due = keyturn.schedule.due()
    rows = [("would rotate", name) for name in due] or [("", "Nothing is due.")]
    context.out.show({"dry_run": True, "due": due}, "\n".join(due), rows)
    context.out.note("Nothing was changed.")
    return Exit.FINE


def _summary(context: Context, keyturn: Keyturn, began: Pass, carried: list[Rotation], stop: StopRequest) -> int:
    """Print what the run did, and every rotation that waits; return the worst exit code."""
    now = keyturn.rotations.now()
    states = Counter(rotation.state.value for rotation in carried)
    left = keyturn.rotations.unfinished()
    parked = [each for each in left if each.state is State.FAILED]
    between = keyturn.carry.still_left(stop) if stop.is_set() else []
    known = {each.id for each in (*parked, *between)}
    waiting = [each for each in left if each.id not in known and _is_postponed(keyturn, each)]
    record: Json = {
        "started": [rotation.id for rotation in began.started],
        "not_started": [
            {"connection": name, "code": error.code, "message": error.message} for name, error in began.failed
        ],
        "carried": [rotation_json(rotation, now) for rotation in carried],
        "waiting": [rotation_json(rotation, now) for rotation in waiting],
        "parked": [rotation_json(rotation, now) for rotation in parked],
    }
    ended = ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "nothing to carry"
    waits = f"{len(waiting)} postponed; " if waiting else ""
    done = f"{formatting.count(len(began.started), 'rotation')} started; {ended}; {waits}{len(parked)} parked."
    with unheard():
        context.out.show(record, "\n".join(rotation.id for rotation in carried), [("", done)])
    worst = [context.fail(error, connection=name) for name, error in began.failed]
    worst += [context.fail_rotation(rotation, now, Exit.ATTENTION) for rotation in parked]
    worst += [outcome.unfinished(context, keyturn, rotation) for rotation in waiting]
    if stop.is_set():
        return stopped.tell_left(context, between, now) or Exit.INTERRUPTED
    return max(worst, default=Exit.FINE)


def _is_postponed(keyturn: Keyturn, rotation: Rotation) -> bool:
    """Whether it waits after a failed step, or for a person; a rotation that is held off waits for neither."""
    return bool(rotation.waiting_for) and last_postponement(keyturn.rotations.journal(rotation.id))[0] != HeldOff.code
