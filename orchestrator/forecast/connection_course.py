"""One connection's certificates, played forward on a fake clock, through the rules of the schedule (states/due.py)."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.forecast.rotation_course import Carried, Downtime, Outcome, carry
from states import due
from states.certificate import Certificate
from states.connection import Connection, missing_conditions
from states.quiet import QuietTimes
from states.request import Request
from states.rotation import Cause, Rotation


@dataclass(frozen=True, slots=True)
class Term:
    """The time that is played, and what happens in it."""

    begins: datetime
    ends: datetime
    """Both UTC."""
    quiet: QuietTimes
    downtime: Downtime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A rotation that runs in the forecast."""

    connection: str
    begins: datetime | None
    """When it begins (UTC); None for one that is open already."""
    from_: datetime
    """When the forecast begins to carry it (UTC)."""
    carried: Carried
    margin: timedelta | None
    """How long the certificate that it replaced was still valid; negative after its expiry, None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A certificate that expires in use: OpenAir refuses imports from then on."""

    connection: str
    at: datetime
    """When it expires, or has expired (UTC)."""
    until: datetime | None
    """When it is replaced after all (UTC); None: not in the forecast."""
    because: str
    """Why it was not renewed in time, as a sentence."""


def play(connection: Connection, rotation: Rotation | None, term: Term) -> Iterator[Rotated | Expired]:
    """Play ``connection`` through ``term``, in order; ``rotation`` is its open one.

    Moments are drawn from the connection's name, so that no other connection changes them.
    """
    chance = random.Random(connection.name)  # noqa: S311 - repeatable chance is wanted
    is_new, because = False, ""
    if rotation:
        rotation = replace(rotation, available_at=max(rotation.available_at, term.begins))
    while True:
        if rotation is None:
            begins = _begins(connection, term)
            if begins is None or begins >= term.ends:
                break
            rotation, is_new = _request(connection, begins), True
        current, from_ = connection.current, rotation.available_at
        carried = carry(rotation, term.downtime)
        is_completed = carried.outcome is Outcome.COMPLETED
        yield Rotated(
            connection=connection.name,
            begins=from_ if is_new else None,
            from_=from_,
            carried=carried,
            margin=current.not_after - carried.at if current and is_completed else None,
        )
        if carried.outcome is Outcome.LEFT:
            because = _why_left(carried, is_new=is_new)
            break
        if is_completed and current and current.not_after < min(carried.at, term.ends):
            yield _expired(connection.name, current, carried.at, "It was rotated too late.")
        connection, rotation = _after(connection, carried, chance.random), None
    current = connection.current
    if current and current.not_after < term.ends:
        yield _expired(connection.name, current, None, because or _why_never(connection))


def _begins(connection: Connection, term: Term) -> datetime | None:
    """When the schedule begins the next rotation (UTC); None where it never does."""
    if not connection.is_automatic or connection.due_at is None:
        return None
    now = max(connection.due_at, term.begins)
    while until := due.postponed_until(connection.current, term.quiet.until(now), now):
        now = until
    return now


def _request(connection: Connection, at: datetime) -> Rotation:
    request = Request(id="", connection=connection.name, actor="schedule", at=at, cause=Cause.SCHEDULED)
    # Whether the first certificate's key was kept is not read: an earlier policy may have decided it.
    return request.rotation(connection, previous_key_kept=connection.policy.keep_key)


def _after(connection: Connection, carried: Carried, draw: Callable[[], float]) -> Connection:
    """The connection as the ended rotation leaves it; ``draw`` draws the fraction of a new certificate's window."""
    rotation = carried.rotation
    if carried.outcome is Outcome.COMPLETED:
        assert rotation.proofs.candidate
        current = rotation.proofs.candidate.certificate
        return replace(connection, current=current, due_at=due.draw_due_at(current, draw()))
    assert rotation.previous
    again = due.retry_at(rotation.previous, carried.at)
    return replace(connection, due_at=max(connection.due_at or again, again))


def _expired(name: str, current: Certificate, until: datetime | None, because: str) -> Expired:
    return Expired(connection=name, at=current.not_after, until=until, because=because)


def _why_left(carried: Carried, *, is_new: bool) -> str:
    rotation = carried.rotation
    if not is_new:
        return f"Rotation {rotation.id} waits for a person."
    if rotation.circumstances.by_hand:
        return "A person saves its certificate in OpenAir, and has to say when."
    return f"Its rotation gave up on {carried.at:%Y-%m-%d %H:%M} UTC: both systems were down."


def _why_never(connection: Connection) -> str:
    return " ".join(("No schedule rotates it.", *missing_conditions(connection.options, connection.bundles)))
