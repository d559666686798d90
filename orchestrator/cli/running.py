"""`keyturn worker` and `keyturn run-due`: what carries rotations along unattended."""

import logging
from collections import Counter
from typing import Annotated

from cyclopts import Parameter

from orchestrator.bootstrap import App
from orchestrator.cli import carrying, live, records, timeline, words
from orchestrator.cli.arguments import DryRun
from orchestrator.cli.exits import Exit
from orchestrator.cli.output import Json
from orchestrator.cli.session import Given, Session, actor
from orchestrator.cli.stopping import stoppable
from orchestrator.schedule import Pass
from states.errors import HeldOff, InvalidInput
from states.rotation import Rotation
from states.state import State

_log = logging.getLogger("keyturn.worker")

MOST_THREADS = 64


def worker(
    *,
    threads: Annotated[int | None, Parameter(help="How many rotations at a time; by default as set.")] = None,
    session: Given,
) -> int:
    """Carry rotations along, and start those that are due, until SIGTERM or SIGINT; then finish the steps in hand."""
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InvalidInput(f"A worker has 1 to {MOST_THREADS} threads, not {threads}.")
    with session.keyturn(level=None) as app:
        app.store.check()
        app.vault.check()
        with stoppable(_log.info) as stop, app.worker(stop) as work:
            work.run(threads or app.settings.worker.threads)
    return Exit.FINE


def run_due(*, dry_run: DryRun = False, session: Given) -> int:
    """Start the rotations that are due, carry all that is waiting, and return: what cron calls.

    It stays, for up to ten minutes, with a rotation that is between both sides and soon to be tried again.
    Exits with 0 when all is well, 3 when a rotation is parked or waits for a person, 7 when one is put off because a
    system is down, 1 when one could not be started. Each of them is told, also one that an earlier run left so.
    """
    with session.keyturn(level=None) as app:
        if dry_run:
            return _would(session, app)
        app.store.check()
        app.vault.check()
        carried: dict[str, Rotation] = {}
        show = live.Lines(session.out, app) if session.out.is_for_people else live.Silent()

        def moved(rotation: Rotation) -> None:
            carried[rotation.id] = rotation
            show.moved(rotation)

        with stoppable(session.out.note) as stop, app.worker(stop, listener=moved) as work:
            began = app.schedule.start_due(actor=actor())
            work.drain()
        return _summary(session, app, began, list(carried.values()), interrupted=stop.is_set())


def _would(session: Session, app: App) -> int:
    due = app.schedule.due()
    rows = [("would rotate", name) for name in due] or [("", "Nothing is due.")]
    session.out.show({"dry_run": True, "due": due}, "\n".join(due), rows)
    session.out.note("Nothing was changed.")
    return Exit.FINE


def _summary(session: Session, app: App, began: Pass, carried: list[Rotation], *, interrupted: bool) -> int:
    """Print what the run did, and every rotation that waits, whoever left it; return the worst exit code."""
    now = app.rotations.now()
    states = Counter(rotation.state.value for rotation in carried)
    left = app.rotations.unfinished()
    parked = [each for each in left if each.state is State.FAILED]
    waiting = [each for each in left if each.state is not State.FAILED and _is_put_off(app, each)]
    record: Json = {
        "started": [rotation.id for rotation in began.started],
        "not_started": [
            {"connection": name, "code": error.code, "message": error.message} for name, error in began.failed
        ],
        "carried": [records.rotation(rotation, now) for rotation in carried],
        "waiting": [records.rotation(rotation, now) for rotation in waiting],
        "parked": [records.rotation(rotation, now) for rotation in parked],
    }
    told = ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "nothing to carry"
    waits = f"{len(waiting)} put off; " if waiting else ""
    session.out.show(
        record,
        "\n".join(rotation.id for rotation in carried),
        [("", f"{words.count(len(began.started), 'rotation')} started; {told}; {waits}{len(parked)} parked.")],
    )
    worst = [session.fail(error) for _, error in began.failed]
    worst += [session.fail_rotation(rotation, Exit.ATTENTION) for rotation in parked]
    worst += [carrying.unfinished(session, app, rotation) for rotation in waiting]
    return Exit.INTERRUPTED if interrupted else max(worst, default=Exit.FINE)


def _is_put_off(app: App, rotation: Rotation) -> bool:
    """Whether it waits for trouble to pass, or for a person; being held off for a while is no trouble."""
    return bool(rotation.waiting_for) and timeline.put_off(app.rotations.journal(rotation.id))[0] != HeldOff.code
