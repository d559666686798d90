"""What a command that was asked to stop leaves between both sides: printed, or logged, with what continues it."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import exit_codes
from orchestrator.cli.context import Context, about, problem
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.signals import stoppable
from orchestrator.log import OUTAGE
from orchestrator.stop_request import StopRequest
from orchestrator.views import next_actions
from states.next_action import NextAction, Verb
from states.outage import outage_of
from states.preconditions import advise, why_not
from states.rotation import Rotation

_log = logging.getLogger("keyturn.worker")


@contextmanager
def reporting(context: Context, keyturn: Keyturn, stop: StopRequest) -> Iterator[None]:
    """Let signals set ``stop``; print what is left between both sides where the process must end at once."""

    def leave() -> int:
        return tell_left(context, stop.left(), keyturn.rotations.now()) or Exit.INTERRUPTED

    with stoppable(stop, context.out.note, leave):
        yield


@contextmanager
def finishing(context: Context, keyturn: Keyturn, rotation: Rotation) -> Iterator[None]:
    """Finish what the block does with ``rotation`` when signals ask this process to stop, within the bounded time."""
    stop = keyturn.stop_request()
    with reporting(context, keyturn, stop), keyturn.events.listening(stop.receive), stop.carrying(rotation):
        yield


def tell_left(context: Context, left: Sequence[Rotation], now: datetime) -> int:
    """Print that each rotation was ``left`` between both sides ``now`` (UTC); return the exit code, 0 for none."""
    for rotation in left:
        error = problem(
            "INTERRUPTED",
            "Stopped in an outage.",
            exit_codes.kept_by(rotation),
            _continue(rotation, now),
            Exit.ATTENTION,
        )
        context.out.error({**error, **about(rotation, now)})
    return Exit.ATTENTION if left else Exit.FINE


def log_left(left: Sequence[Rotation]) -> int:
    """Log at error level that each rotation was ``left`` between both sides; return the exit code, 0 for none."""
    now = datetime.now(UTC)
    for rotation in left:
        outage = outage_of(rotation)
        assert outage, "what is left between both sides is an outage"
        _log.error(
            "stopped in an outage",
            extra={
                OUTAGE: outage.sentence(now),
                "rotation": rotation.id,
                "connection": rotation.connection,
                "state": rotation.state.value,
                "since": outage.since,
                "command": next_actions.command(_continue(rotation, now)),
            },
        )
    return Exit.ATTENTION if left else Exit.FINE


def _continue(rotation: Rotation, now: datetime) -> NextAction:
    if why_not(Verb.CARRY, rotation, now):
        return advise(rotation, now)
    return NextAction(
        Verb.CARRY,
        {"rotation": rotation.id},
        because="Carry it on through the save.",
        alternatives=(NextAction(Verb.WORKER, because="A worker does so by itself."),),
    )
