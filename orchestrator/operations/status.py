"""The status: what needs a person now, the most harmful first. Neither system is asked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from orchestrator.operations.approvals import Approvals
from orchestrator.operations.workers import Work, Worker, Workers
from persistence.store import Store
from states import expiry
from states.alert import Kind
from states.concern import Concern, Found, Harm, action_for, in_outage, minute, waiting
from states.connection import Connection, missing_conditions
from states.errors import SealBroken, Tampered, VaultLocked
from states.next_action import NextAction, Verb
from states.outage import Outage, outage_of, outage_on
from states.ports import Clock
from states.rotation import Rotation
from states.silence import Silence, covering
from states.summary import ConnectionSummary
from states.timing import ROTATE_EARLIEST, ROTATE_LATEST, UNATTENDED_AFTER

_Connection = Connection | ConnectionSummary
_COMING: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found, and how many things were looked at."""

    at: datetime
    """UTC."""
    concerns: list[Concern]
    """The most harmful first, of each kind the oldest first."""
    connections: int
    under_way: int
    """The open rotations that go on by themselves."""
    coming: Sequence[tuple[datetime, str]]
    """When the next automatic rotations begin (UTC), and of which connections; the first ten."""
    workers: Sequence[Worker]
    """The permanent workers that are alive, the one that started last first."""
    is_checked: bool
    """Whether changes made outside Keyturn would show: not without the key-encryption key."""
    silences: Sequence[Silence] = ()
    """Those that are active: what they cover needs a person all the same."""

    def silence_of(self, concern: Concern) -> Silence | None:
        """The silence that keeps people from being notified of ``concern``, or None."""
        return covering(self.silences, Kind[concern.harm.name], concern.connection)

    @property
    def next_due(self) -> tuple[datetime, str] | None:
        """When the next automatic rotation begins (UTC), and of which connection."""
        return self.coming[0] if self.coming else None


class Group(StrEnum):
    """The questions that people have about all connections. The names are stable codes."""

    NEEDS_PERSON = "needs-person"
    ROTATING = "rotating"
    """A rotation is under way, and not postponed."""
    POSTPONED = "postponed"
    """A step failed and is scheduled again."""
    DUE = "due"
    """Less than 14 days are left, or the automatic rotation begins within them, and no rotation is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A report on all connections, and which of them belong to each group."""

    report: Report
    rotations: Mapping[str, Rotation]
    """The open rotations, by connection."""
    groups: Mapping[Group, frozenset[str]]
    """The names of connections."""
    expiring: Mapping[str, Concern]
    """By connection, that its certificate ends and nothing renews it in time: also where the report has something more
    harmful of it."""
    steps: Mapping[str, int]
    """By connection, the last step of days before its certificate's end that is reached."""


class Status:
    """What people and monitors ask first."""

    def __init__(
        self, store: Store, workers: Workers, clock: Clock, approvals: Approvals, steps: Collection[int]
    ) -> None:
        """``steps`` are the days before its end at which a certificate needs a person, where nothing renews it."""
        self._steps = steps
        self._approvals = approvals
        self._store = store
        self._workers = workers
        self._clock = clock

    def outages(self, connection: str | None = None) -> list[Outage]:
        """Every outage that an open rotation leaves imports in, the longest first; of one connection or of all."""
        found = [outage_of(rotation) for rotation in self._open(connection)]
        return sorted((outage for outage in found if outage), key=lambda outage: outage.since)

    def report(self, connection: str | None = None) -> Report:
        """Look at every connection and its open rotation, or at those of one, and at the workers. Raises NotFound.

        Every connection is compared with its code, which takes as long as there are connections.
        """
        return self._look(connection, compares_all=True).report

    def overview(self, *, compares_all: bool = False) -> Overview:
        """Report on every connection, and sort them into groups.

        It is made again and again while someone looks: connections of which nothing is due and no rotation is open are
        not compared with their codes unless ``compares_all``. See `changed`.
        """
        return self._look(None, compares_all=compares_all)

    def changed(self, names: Collection[str]) -> Mapping[str, Concern]:
        """The concerns about those connections of these names that were changed outside Keyturn, by name.

        Empty without the key that shows it.
        """
        now = self._clock.now()
        changed = self.tampered(names) or {}
        return {name: concern for name in changed if (concern := _concern(name, None, None, now, changed))}

    def _look(self, connection: str | None, *, compares_all: bool = False) -> Overview:
        now = self._clock.now()
        chosen = self._chosen(connection, now)
        open_ones, is_checked = self.open_rotations(connection)
        rotations = {rotation.connection: rotation for rotation in self._approvals.all_seen(open_ones)}
        near = {name for name, each in chosen.items() if connection or _is_near(each, now)}
        expiring = {name: end for name, each in chosen.items() if (end := self._end(each, rotations.get(name), now))}
        compared = {*near, *expiring, *rotations} if connection or not compares_all else None
        changed = self.tampered(compared) or {}
        concerns = [
            concern
            for name in sorted({*chosen, *rotations, *changed})
            if (concern := _concern(name, chosen.get(name), rotations.get(name), now, changed) or expiring.get(name))
        ]
        if connection is None:
            number, coming = self._store.connections.count(), self._store.deadlines.coming(_COMING)
        else:
            number = len(chosen)
            coming = [(at, name) for name, each in chosen.items() if name not in rotations and (at := _begins(each))]
        due = {name for name, each in chosen.items() if name not in rotations and _is_near(each, now)}
        going = [rotation for rotation in rotations.values() if not (rotation.failure or rotation.awaits_person)]
        concerns += self._workers.concerns(_work(going, now, is_scheduled=bool(coming)), now)
        concerns.sort(key=lambda concern: (concern.harm, concern.since))
        report = Report(
            at=now,
            concerns=concerns,
            connections=number,
            under_way=len(going),
            coming=coming,
            workers=self._workers.alive(),
            is_checked=is_checked,
            silences=self._store.silences.active(now),
        )
        postponed = {each.connection for each in going if each.tries and each.available_at > now}
        groups = {
            Group.NEEDS_PERSON: {each.connection for each in concerns if each.connection},
            Group.ROTATING: {each.connection for each in going} - postponed,
            Group.POSTPONED: postponed,
            Group.DUE: due,
        }
        return Overview(
            report=report,
            rotations=rotations,
            groups={group: frozenset(names) for group, names in groups.items()},
            expiring=expiring,
            steps={name: step for name, each in chosen.items() if (step := self._step(each, now))},
        )

    def _chosen(self, connection: str | None, now: datetime) -> Mapping[str, _Connection]:
        """The connection, or all that can need a person by themselves: of the others nothing is due for long."""
        if connection is not None:
            return {connection: self._store.connections.get(connection)}
        by_hand = max(ROTATE_EARLIEST, timedelta(days=max(self._steps, default=0)))
        found = self._store.deadlines.until(now + ROTATE_EARLIEST, by_hand=now + by_hand)
        return {each.name: each for each in found}

    def _end(self, connection: _Connection, rotation: Rotation | None, now: datetime) -> Concern | None:
        return expiry.of_connection(connection, rotation, self._steps, now)

    def _step(self, connection: _Connection, now: datetime) -> int | None:
        return expiry.step_of(connection.current, self._steps, now) if connection.current else None

    def tampered(self, names: Collection[str] | None = None) -> Mapping[str, Tampered] | None:
        """The errors for those connections of these names, or of all, that were changed outside Keyturn, by name.

        None without the key that shows it.
        """
        try:
            return self._store.connections.changed(names)
        except (VaultLocked, SealBroken):
            return None

    def open_rotations(self, connection: str | None = None) -> tuple[list[Rotation], bool]:
        """The open rotations, and whether they say what was changed outside Keyturn: not without the key."""
        try:
            if connection is None:
                return self._store.rotations.all_open_checked(), True
            return [self._store.rotations.checked(each.id) for each in self._open(connection)], True
        except (VaultLocked, SealBroken):
            return self._open(connection), False

    def _open(self, connection: str | None) -> list[Rotation]:
        if connection is None:
            return self._store.rotations.all_open()
        rotation = self._store.rotations.open_for(connection)
        return [rotation] if rotation else []


def _begins(connection: _Connection) -> datetime | None:
    """When the schedule rotates the connection (UTC); None where it does not."""
    return connection.due_at if connection.is_automatic else None


def _is_near(connection: _Connection, now: datetime) -> bool:
    """Whether a connection without an open rotation gets one within the window, or should."""
    moments = [each for each in (connection.current and connection.current.not_after, _begins(connection)) if each]
    return bool(moments) and min(moments) - now < ROTATE_EARLIEST


def _work(going: list[Rotation], now: datetime, *, is_scheduled: bool) -> Work:
    """What a worker is needed for; ``going`` are the open rotations that go on by themselves."""
    waiting = [max(each.available_at, each.updated_at) for each in going if each.available_at <= now]
    return Work(claimable_since=min(waiting, default=None), is_under_way=bool(going), is_scheduled=is_scheduled)


def _concern(
    name: str,
    connection: _Connection | None,
    rotation: Rotation | None,
    now: datetime,
    changed: Mapping[str, Tampered],
) -> Concern | None:
    """What needs a person about the connection and its open ``rotation``: the most harmful of it.

    ``connection`` is None where nothing is due of it for long, so that only its rotation can need someone, or that it
    is among the ``changed``.
    """
    left_by_rotation = outage_of(rotation) if rotation else None
    outage = outage_on(connection, rotation, now) if connection else left_by_rotation
    found: Found | None = None
    tampered = changed.get(name)
    if outage:
        found = in_outage(outage, rotation, now, tampered.message if tampered else "")
    elif tampered:
        found = Harm.TAMPERED, now, tampered.message
    elif rotation:
        found = waiting(rotation, now)
    elif connection:
        found = _unrotated(connection, now)
    if found is None:
        return None
    harm, since, message = found
    if rotation:
        action = action_for(harm, rotation, now)
    elif harm is Harm.LEFT_ALONE:
        action = NextAction(Verb.WORKER)
    else:
        action = NextAction(Verb.ROTATE, {"connection": name})
    asked = rotation.circumstances.approval if rotation else None
    if asked and action.verb is asked.wanted.verb:
        message = f"{message} {asked.sentence}"
    if tampered:
        action = tampered.next_action  # nothing else is done for it before
    return Concern(
        harm=harm,
        connection=name,
        rotation=rotation.id if rotation else None,
        message=message,
        since=since,
        next_action=action,
        outage=outage,
    )


def _unrotated(connection: _Connection, now: datetime) -> Found | None:
    """Why a connection without an open rotation should have one; None where it need not."""
    current, due_at = connection.current, connection.due_at if connection.is_automatic else None
    if current and now > current.not_after - ROTATE_LATEST:
        message = f"The certificate expires on {minute(current.not_after)}, and no rotation is open."
        return Harm.OVERDUE, current.not_after - ROTATE_LATEST, message
    if due_at and now - due_at > UNATTENDED_AFTER:
        return Harm.LEFT_ALONE, due_at, f"A rotation is due since {minute(due_at)}, and no worker has started it."
    if current and not connection.is_automatic and now > current.not_after - ROTATE_EARLIEST:
        why = " ".join(missing_conditions(connection.options, connection.bundles))
        message = f"The certificate expires on {minute(current.not_after)}, and no schedule rotates it. {why}".strip()
        return Harm.DUE, current.not_after - ROTATE_EARLIEST, message
    return None
