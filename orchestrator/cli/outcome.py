"""Shows a rotation while it is carried in this process, and prints its outcome."""

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import exit_codes, live, stopped
from orchestrator.cli.context import Context, about, problem
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Rows
from orchestrator.cli.streams import unheard
from orchestrator.operations.carry import Claim
from orchestrator.stop_request import is_between_sides
from orchestrator.views import formatting, timeline
from orchestrator.views.journal import last_postponement, warnings_in
from orchestrator.views.rotation import rotation_json
from states.errors import AwaitingPerson
from states.next_action import NextAction, Verb
from states.preconditions import advise
from states.rotation import Rotation
from states.state import State


def carry(
    context: Context, keyturn: Keyturn, rotation: Rotation, claim: Claim | None = None, *, at_once: bool = False
) -> int:
    """Carry ``rotation`` while showing it; print the outcome; return the exit code.

    ``claim`` is this process's hold on it, or None where it has yet to be claimed. ``at_once`` carries
    it though it is postponed. SIGINT and SIGTERM let the current
    step finish, and the save where the rotation is between both sides.
    """
    stop = keyturn.stop_request()
    with live.showing(context.out, keyturn, result_only=True) as show, stopped.reporting(context, keyturn, stop):
        show.moved(rotation)
        rotation = keyturn.carry.run(rotation, claim, stop, show.moved, at_once=at_once)
    return tell(context, keyturn, rotation, interrupted=stop.is_set())


def tell(context: Context, keyturn: Keyturn, rotation: Rotation, *, interrupted: bool = False) -> int:
    """Print the outcome of ``rotation``; return the exit code."""
    now = keyturn.rotations.now()
    rows = [*result(keyturn, rotation)]
    with unheard():
        if context.out.is_for_people:
            context.out.say()
            context.out.say(timeline.summary(rotation, now), style="green" if rotation.state is State.COMPLETED else "")
        context.out.show(rotation_json(rotation, now), rotation.id, rows if rotation.state is State.COMPLETED else [])
    for warning in warnings_in(keyturn.rotations.journal(rotation.id)):
        context.out.note(f"NetSuite warned: {warning}")
    if rotation.failure and rotation.is_open:
        return context.fail_rotation(rotation, now, exit_codes.of_rotation(rotation))
    if not rotation.is_open:
        return exit_codes.of_rotation(rotation)
    return unfinished(context, keyturn, rotation, interrupted=interrupted)


def result(keyturn: Keyturn, rotation: Rotation) -> Rows:
    """What a completed rotation replaced, and with what."""
    candidate, previous = rotation.proofs.candidate, rotation.previous
    if candidate is None:
        return []
    connection = keyturn.connections.show(rotation.connection)
    begins = formatting.upcoming(connection, keyturn.rotations.now())
    return [
        ("fingerprint", candidate.fingerprint),
        ("valid until", formatting.moment(candidate.certificate.not_after)),
        ("replaced", previous.fingerprint if previous else "nothing: the initial set-up"),
        ("next rotation", begins),
        ("rotation", rotation.id),
    ]


def unfinished(context: Context, keyturn: Keyturn, rotation: Rotation, *, interrupted: bool = False) -> int:
    """Print why an open rotation was left, and how it continues; return the exit code."""
    now = keyturn.rotations.now()
    code, message = last_postponement(keyturn.rotations.journal(rotation.id)) if rotation.waiting_for else ("", "")
    continues = NextAction(
        Verb.WORKER,
        because="A worker carries the rotation on.",
        alternatives=(NextAction(Verb.WATCH, {"rotation": rotation.id}),),
    )
    exit_code = exit_codes.of_rotation(rotation, code)
    if code == AwaitingPerson.code:
        continues = advise(rotation, now)
    elif interrupted and is_between_sides(rotation):
        return stopped.tell_left(context, [rotation], now)
    elif interrupted:
        code, message, exit_code = "INTERRUPTED", "Stopped after the current step.", Exit.INTERRUPTED
    else:
        again = formatting.moment(rotation.available_at) if rotation.available_at > now else ""
        message += f" It is postponed until {again}." if again else " A worker can try again now."
    error = problem(code, message, exit_codes.kept_by(rotation), continues, exit_code)
    context.out.error({**error, **about(rotation, now)})
    return exit_code
