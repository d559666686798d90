"""A term and connections to play."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from support.factories import NOW, a_connection

from orchestrator.forecast.connection_course import Expired, Rotated, Term, play
from orchestrator.forecast.rotation_course import Downtime
from states.certificate import Certificate, validity
from states.connection import Connection
from states.quiet import QuietTimes
from states.rotation import Rotation

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ROTATION = timedelta(minutes=1)
"""How long a rotation takes in a forecast."""


def certificate(left: timedelta, days: int = 365) -> Certificate:
    """A certificate that is still valid for ``left``."""
    return Certificate("", "held", *validity(NOW + left - days * DAY, days * DAY))


def connection(left: timedelta | None, due_in: timedelta | None = None, **over: Any) -> Connection:
    """A connection whose certificate is still valid for ``left``, rotated a little more than 7 days before its end."""
    made = a_connection(**over)
    if left is None:
        return replace(made, due_at=NOW)
    held = certificate(left)
    due_at = NOW + due_in if due_in is not None else held.not_after - 8 * DAY
    return replace(made, current=held, due_at=due_at)


def term(days: int = 365, *, quiet: str = "", down: tuple[datetime, timedelta] | None = None) -> Term:
    """``days`` days from NOW; ``down`` is when both systems are down, and for how long."""
    downtime = Downtime(down[0], down[0] + down[1]) if down else None
    return Term(NOW, NOW + days * DAY, QuietTimes.parse(quiet), downtime)


def rotations(played: Connection, over: Term, opened: Rotation | None = None) -> list[Rotated]:
    """The rotations of a connection in a term."""
    return [each for each in play(played, opened, over) if isinstance(each, Rotated)]


def expiries(played: Connection, over: Term, opened: Rotation | None = None) -> list[Expired]:
    """The certificates of a connection that expire in use in a term."""
    return [each for each in play(played, opened, over) if isinstance(each, Expired)]
