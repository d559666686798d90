"""What a command that was asked to stop leaves between both sides: printed, or logged, with what continues it."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import exit_codes, formatting, next_actions
from orchestrator.cli.context import Context, problem
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.signals import stoppable
from orchestrator.stop_request import StopRequest
from states.next_action import NextAction, Verb
from states.rotation import Rotation

_log = logging.getLogger("keyturn.worker")


@contextmanager
def reporting(context: Context, keyturn: Keyturn, stop: StopRequest) -> Iterator[None]:
    """Let signals set ``stop``; print what is left between both sides where the process must end at once."""

    def leave() -> int:
        return tell_left(context, stop.left(), keyturn.rotations.now()) or Exit.INTERRUPTED

    with stoppable(stop, context.out.note, leave):
        yield


def tell_left(context: Context, left: Sequence[Rotation], now: datetime) -> int:
    """Print that each rotation was ``left`` between both sides ``now`` (UTC); return the exit code, 0 for none."""
    for rotation in left:
        message = f"Stopped in an outage: imports may be refused {_since(rotation, now)}."
        error = problem("INTERRUPTED", message, exit_codes.kept_by(rotation), _continue(rotation), Exit.ATTENTION)
        context.out.error({**error, "rotation": rotation.id, "connection": rotation.connection})
    return Exit.ATTENTION if left else Exit.FINE


def log_left(left: Sequence[Rotation]) -> int:
    """Log at error level that each rotation was ``left`` between both sides; return the exit code, 0 for none."""
    for rotation in left:
        _log.error(
            "stopped in an outage: imports may be refused",
            extra={
                "rotation": rotation.id,
                "connection": rotation.connection,
                "state": rotation.state.value,
                "since": _from(rotation),
                "command": next_actions.command(_continue(rotation)),
            },
        )
    return Exit.ATTENTION if left else Exit.FINE


def _continue(rotation: Rotation) -> NextAction:
    return NextAction(
        Verb.WORKER,
        because="A worker carries the rotation on, through the save.",
        alternatives=(NextAction(Verb.WATCH, {"rotation": rotation.id}),),
    )


def _from(rotation: Rotation) -> datetime | None:
    """The earliest moment from which imports may be refused (UTC)."""
    return rotation.skew_from or rotation.doubt.since or rotation.restoring_since


def _since(rotation: Rotation, now: datetime) -> str:
    began = _from(rotation)
    return f"since {formatting.moment(began)}, for {formatting.span(now - began)} so far" if began else "now"
