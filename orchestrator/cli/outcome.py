"""Carries one rotation in this process, for the commands that wait for its end, and tells what came of it."""

import threading
from typing import Final

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import exit_codes, formatting, live, records, timeline
from orchestrator.cli.context import Context, problem
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.live import Show
from orchestrator.cli.output import Rows
from orchestrator.cli.signals import stoppable
from persistence.store import Claim
from states.errors import AwaitingPerson, Stale
from states.next_action import NextAction, Verb
from states.preconditions import advise
from states.rotation import Rotation
from states.state import State
from states.timing import ATTENDED_WAIT

_LOOK_AGAIN: Final = 0.2
"""Seconds between two looks at a rotation that another worker holds."""


def carry(context: Context, keyturn: Keyturn, rotation: Rotation, claim: Claim | None) -> int:
    """Carry ``rotation`` on until it ends, is parked, or waits; tell it; return the exit code.

    ``claim`` is this process's hold on it, or None where it has yet to be claimed; where another worker has it, that
    one is watched. Being asked to stop lets the step in hand finish.
    """
    with live.showing(context.out, keyturn, result_only=True) as show, stoppable(context.out.note) as stop:
        show.moved(rotation)
        rotation = _carry(keyturn, rotation, claim, show, stop)
    return tell(context, keyturn, rotation, interrupted=stop.is_set())


def _carry(keyturn: Keyturn, rotation: Rotation, claim: Claim | None, show: Show, stop: threading.Event) -> Rotation:
    lease = keyturn.settings.worker.lease
    with keyturn.engine(stopping=stop.is_set) as engine:
        while claim or not stop.is_set():  # a claim in hand is run in any case, if only to be given back
            claim = claim or keyturn.store.claims.claim(
                keyturn.worker_name, lease=lease, now=keyturn.clock.now(), rotation_id=rotation.id
            )
            before = rotation.version
            try:
                rotation = engine.run(claim) if claim else keyturn.rotations.show(rotation.id)
            except Stale:
                rotation = keyturn.rotations.show(rotation.id)
            if claim is None and rotation.version != before:
                show.moved(rotation)
            claim = None
            wait = rotation.available_at - keyturn.clock.now()
            if rotation.state is State.FAILED or not rotation.is_open or wait > ATTENDED_WAIT:
                break
            stop.wait(max(wait.total_seconds(), _LOOK_AGAIN))
    return rotation


def tell(context: Context, keyturn: Keyturn, rotation: Rotation, *, interrupted: bool = False) -> int:
    """Print what came of ``rotation``; return the exit code."""
    now = keyturn.rotations.now()
    rows = [*result(keyturn, rotation)]
    if context.out.is_for_people:
        context.out.say()
        context.out.say(timeline.summary(rotation, now), style="green" if rotation.state is State.COMPLETED else "")
    context.out.show(records.rotation(rotation, now), rotation.id, rows if rotation.state is State.COMPLETED else [])
    if rotation.failure and rotation.is_open:
        return context.fail_rotation(rotation, now, exit_codes.of_rotation(rotation))
    if not rotation.is_open:
        return exit_codes.of_rotation(rotation)
    return unfinished(context, keyturn, rotation, interrupted=interrupted)


def result(keyturn: Keyturn, rotation: Rotation) -> Rows:
    """What a completed rotation put in place of what."""
    candidate, previous = rotation.proofs.candidate, rotation.previous
    if candidate is None:
        return []
    connection = keyturn.connections.show(rotation.connection)
    begins = formatting.moment(connection.due_at) if connection.is_automatic else "by hand only"
    return [
        ("fingerprint", candidate.fingerprint),
        ("valid until", formatting.moment(candidate.certificate.not_after)),
        ("replaced", previous.fingerprint if previous else "nothing: the initial set-up"),
        ("next rotation", begins),
        ("rotation", rotation.id),
    ]


def unfinished(context: Context, keyturn: Keyturn, rotation: Rotation, *, interrupted: bool = False) -> int:
    """Tell why an open rotation was left, and how it goes on."""
    code, message = timeline.put_off(keyturn.rotations.journal(rotation.id)) if rotation.waiting_for else ("", "")
    goes_on = NextAction(
        Verb.WORKER,
        because="A worker carries the rotation on.",
        alternatives=(NextAction(Verb.WATCH, {"rotation": rotation.id}),),
    )
    exit_code = exit_codes.of_rotation(rotation, code)
    if code == AwaitingPerson.code:
        goes_on = advise(rotation, keyturn.rotations.now())
    elif interrupted:
        code, message, exit_code = "INTERRUPTED", "Stopped after the step in hand.", Exit.INTERRUPTED
    else:
        message = f"{message} It is put off until {formatting.moment(rotation.available_at)}."
    error = problem(code, message, exit_codes.kept_by(rotation), goes_on, exit_code)
    context.out.error({**error, "rotation": rotation.id, "connection": rotation.connection})
    return exit_code
