"""`keyturn run-due`: start and carry rotations once, for cron."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace

from orchestrator import alert_sender
from orchestrator.bootstrap import Keyturn
from orchestrator.cli import live, outages, outcome, stopped
from orchestrator.cli.arguments import DryRun
from orchestrator.cli.context import Context, Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.streams import OutputLost, unheard
from orchestrator.events import Changed, Event
from orchestrator.operations.workers import Role
from orchestrator.schedule import Left, Pass
from orchestrator.stop_request import StopRequest
from orchestrator.views import formatting
from orchestrator.views.rotation import rotation_json
from orchestrator.views.values import Json, iso
from states.errors import KeyturnError, Unknown
from states.rotation import Rotation


def run_due(*, dry_run: DryRun = False, context: Given) -> int:
    """Start what is due, carry what is claimable, and return: for cron.

    It stays for up to ten minutes with a rotation in UploadedToNetSuite that is to be retried soon, since imports may
    be refused until then. Exits with 0 when all is well, 3 when a rotation is parked or waits for a person, 7 when one
    is postponed because a system is down, 1 when one could not be started. Each of them is reported, also when an
    earlier run left it so. With --dry-run it exits as the run would if every rotation that it carries is completed.

    ```
    keyturn run-due --dry-run
    */15 * * * *  keyturn run-due --quiet >/dev/null
    ```
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

        with suppress(OutputLost):  # a lost output stops no rotation
            outages.announce(context.out, keyturn.status.outages(), keyturn.rotations.now())
        stop = keyturn.stop_request()
        with stopped.reporting(context, keyturn, stop), keyturn.worker(stop, Role.RUN_DUE) as work:
            began = keyturn.schedule.start_all_due(actor=actor())
            with keyturn.events.listening(receive):
                work.drain()
            keyturn.sign_in_schedule.renew_due(actor=actor())  # no outage waits for it
            alert_sender.tell(keyturn.alerts)
        changed = _journal_changed(keyturn)  # before the summary, whose errors are the last lines
        exit_code = _summary(context, keyturn, began, list(carried.values()), stop)
        if changed:
            raise changed
        return exit_code


def _journal_changed(keyturn: Keyturn) -> KeyturnError | None:
    """Make the day's checkpoint of the journal; return the error where that shows that the journal was changed."""
    try:
        keyturn.journal.checkpoint_daily()
    except KeyturnError as error:
        return error
    return None


def _would(context: Context, keyturn: Keyturn) -> int:
    """Print what a run would do now; return the exit code that it would have."""
    now, due, left = keyturn.rotations.now(), keyturn.schedule.all_due(), keyturn.schedule.left()
    record: Json = {
        "dry_run": True,
        "due": due,
        **{
            name: [rotation_json(rotation, now) for rotation in rotations]
            for name, rotations in (("carried", left.claimable), ("waiting", left.waiting), ("parked", left.parked))
        },
    }
    rows = [("would start", f"a rotation of {name}") for name in due]
    rows += [
        ("would carry", f"{rotation.id} of {rotation.connection}, {rotation.state}") for rotation in left.claimable
    ]
    rows = rows or [("", "Nothing would be started or carried.")]
    outages.announce(context.out, keyturn.status.outages(), now)
    context.out.show(record, "\n".join([*due, *(rotation.id for rotation in left.claimable)]), rows)
    exit_code = _report(context, keyturn, left)
    context.note_unchanged()
    return exit_code


def _summary(context: Context, keyturn: Keyturn, began: Pass, carried: list[Rotation], stop: StopRequest) -> int:
    """Print what the run did, and every rotation that waits; return the worst exit code."""
    now, left = keyturn.rotations.now(), keyturn.schedule.left()
    parked = {rotation.id for rotation in left.parked}
    still_left = keyturn.carry.still_left(stop) if stop.is_set() else []
    between = [rotation for rotation in still_left if rotation.id not in parked]
    known = {rotation.id for rotation in between}
    left = replace(left, waiting=[rotation for rotation in left.waiting if rotation.id not in known])
    states = Counter(rotation.state.value for rotation in carried)
    record: Json = {
        "started": [rotation.id for rotation in began.started],
        "not_started": [
            {"connection": name, "code": error.code, "message": error.message} for name, error in began.failed
        ],
        "quiet": [{"connection": name, "until": iso(until)} for name, until in began.postponed],
        "carried": [rotation_json(rotation, now) for rotation in carried],
        "waiting": [rotation_json(rotation, now) for rotation in left.waiting],
        "parked": [rotation_json(rotation, now) for rotation in left.parked],
    }
    ended = ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "nothing to carry"
    waits = f"{len(left.waiting)} postponed; " if left.waiting else ""
    quiet = f"{len(began.postponed)} due after a quiet time; " if began.postponed else ""
    done = (
        f"{formatting.count(len(began.started), 'rotation')} started; {ended}; {quiet}{waits}{len(left.parked)} parked."
    )
    with unheard():
        context.out.show(record, "\n".join(rotation.id for rotation in carried), [("", done)])
    worst = [context.fail(error, connection=name, kept=_not_begun(error)) for name, error in began.failed]
    worst.append(_report(context, keyturn, left))
    if stop.is_set():
        return stopped.tell_left(context, between, now) or Exit.INTERRUPTED
    return max(worst)


def _not_begun(error: KeyturnError) -> str:
    """What is kept of a rotation that could not be begun: its request is one transaction."""
    return "" if isinstance(error, Unknown) else "No rotation was begun for this connection."


def _report(context: Context, keyturn: Keyturn, left: Left) -> int:
    """Print every rotation that waits; return the worst exit code."""
    now = keyturn.rotations.now()
    worst = [context.fail_rotation(rotation, now, Exit.ATTENTION) for rotation in left.parked]
    worst += [outcome.unfinished(context, keyturn, rotation) for rotation in left.waiting]
    return max(worst, default=Exit.FINE)
