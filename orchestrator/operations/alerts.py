"""Telling people: which alerts last, and sending the messages about them, in order, on every route."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final, Protocol

from orchestrator.events import AlertNotSent, AlertSent, Listener
from orchestrator.operations.alert_causes import AlertCauses
from persistence.alerts import Stored
from persistence.store import Store
from states.alert import Alert, Finding, Kind, Message, Phase, Severity
from states.errors import InternalError, KeyturnError, NotFound, TryLater, Unknown
from states.ids import new_id
from states.next_action import by_hand
from states.ports import Clock, Random
from states.shortage import shortage
from states.silence import Silence, covering

__all__ = ["Alerts", "Route", "Stored"]

_log = logging.getLogger("keyturn.alerts")

TURN: Final = 60.0
"""Seconds after which another process sends, where this one has stopped. Longer than one message takes."""
GIVE_UP_AFTER: Final = timedelta(days=3)
"""How long a message is tried. What lasts is reported again by a reminder."""
KEPT: Final = timedelta(days=90)
"""How long a message is kept that was sent, and a silence whose time is over."""
_BATCH: Final = 100
_FIRST_REST: Final = timedelta(seconds=10)
_LONGEST_REST: Final = timedelta(minutes=5)
"""How long a route rests after an error, the first time and at most."""


class Receiver(Protocol):
    """Who gets messages."""

    def send(self, message: Message) -> None:
        """Send ``message``, perhaps once more. Raises KeyturnError where it may not have arrived."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A receiver, and what it gets."""

    name: str
    receiver: Receiver
    connections: Sequence[str]
    """Names or patterns; none means everything."""
    least: Severity

    def wants(self, message: Message) -> bool:
        """Whether the receiver gets this."""
        name = message.finding.connection
        is_wanted = not self.connections or (name and any(fnmatchcase(name, each) for each in self.connections))
        return bool(is_wanted) and message.severity >= self.least


class Alerts:
    """What is reported, and to whom."""

    def __init__(
        self,
        store: Store,
        causes: AlertCauses,
        clock: Clock,
        random: Random,
        routes: Callable[[], Sequence[Route]],
        listener: Listener,
        *,
        holder: str,
    ) -> None:
        """``routes`` builds the routes when they are first needed; ``holder`` is this process's own name."""
        self._store = store
        self._causes = causes
        self._clock = clock
        self._random = random
        self._build = routes
        self._routes: Sequence[Route] | None = None
        self._publish = listener
        self._holder = holder
        self._rests: dict[tuple[str, str], tuple[datetime, timedelta]] = {}
        """Until when a route rests (UTC), and for how long: all of it, or for messages of one order."""

    @property
    def routes(self) -> Sequence[Route]:
        """The routes of the settings. Raises InvalidSettings."""
        if self._routes is None:
            self._routes = self._build()
        return self._routes

    def lasting(self) -> list[Alert]:
        """The alerts that last, the oldest first. Raises TryLater."""
        return self._store.alerts.lasting()

    def newest(self, limit: int) -> list[Stored]:
        """The newest messages, the newest first. Raises TryLater."""
        return self._store.alerts.newest(limit)

    def test(self, name: str | None, actor: str) -> list[tuple[str, KeyturnError | None]]:
        """Send a test to the receiver of one route, or of all, now; return what happened on each.

        Raises NotFound without such a route, InvalidSettings.
        """
        chosen = [route for route in self.routes if name in (None, route.name)]
        if not chosen:
            raise NotFound(
                f"There is no route {name}." if name else "The settings have no route for alerts.",
                next_action=by_hand("Add a table such as [alerts.routes.operators] to the settings."),
            )
        now = self._clock.now()
        finding = Finding(
            kind=Kind.TEST,
            connection=None,
            rotation=None,
            code=None,
            message=f"{actor} tries whether alerts arrive. Nothing is wrong.",
            since=now,
            next_action=by_hand("Nothing is left to do.", None),
        )
        message = Message(alert=new_id(now, self._random), seq=1, phase=Phase.HAPPENED, finding=finding, at=now)
        return [(route.name, self._send(route, message, given_up=True)) for route in chosen]

    def look(self) -> None:
        """Begin the alerts whose cause only time brings, repeat those that last, and end those that are over.

        What is silenced is not repeated; what lasts when its silence is over is repeated at once.
        Safe to repeat, and in several processes at once. Raises TryLater.
        """
        now = self._clock.now()
        wanted = self._causes.at(now)
        lasting = {each.subject: each for each in self._store.alerts.lasting()}
        silences = self._store.silences.active(now)
        for subject in sorted(wanted.keys() | lasting.keys()):
            kind, _, name = subject.partition(" ")
            new = new_id(now, self._random)
            if kind == "rotation":
                self._store.alerts.settle_rotation(name, new, now, silences)
            else:
                self._store.alerts.settle(subject, wanted.get(subject), new, now, silences)

    def send(self) -> bool:
        """Send what is still to be sent, in order, unless another process does; return whether anything is left.

        Safe to repeat. A receiver that is away delays no other. Raises TryLater, InvalidSettings.
        """
        if not self._store.alerts.has_unsent():
            return False
        routes = self.routes
        if routes and all(self._rests_now(route.name, "") for route in routes):
            return True
        if not self._store.alerts.take_turn(self._holder, lease=TURN):
            return True
        try:
            blocked: set[tuple[str, str]] = set()
            now = self._clock.now()
            silences = self._store.silences.active(now)
            for stored in self._store.alerts.unsent(_BATCH):
                if silence := self._silencing(stored.message, silences):
                    self._store.alerts.silence(stored.number, silence, now)
                elif not self._send_on_all(routes, stored, blocked):
                    return True
            self._store.alerts.forget(now - KEPT)
            self._store.silences.forget(now - KEPT)
        finally:
            self._store.alerts.end_turn(self._holder)
        return self._store.alerts.has_unsent()

    def _silencing(self, message: Message, silences: Sequence[Silence]) -> str | None:
        """The id of the silence that keeps ``message`` from being sent, or None.

        Who heard of an alert gets its all-clear, and no one else.
        """
        if message.phase is Phase.ENDED:
            return self._store.alerts.silencing_all_before(message)
        silence = covering(silences, message.finding.kind, message.finding.connection)
        return silence.id if silence else None

    def _send_on_all(self, routes: Sequence[Route], stored: Stored, blocked: set[tuple[str, str]]) -> bool:
        """Send a message on every route that still lacks it; return False where the turn was lost.

        ``blocked`` are the routes and alerts of which an earlier message waits: what came later must not overtake it.
        """
        message, delivered, error = stored.message, set(stored.delivered), stored.error
        is_over = self._clock.now() - message.at > GIVE_UP_AFTER
        left = False
        for route in routes:
            if route.name in delivered or not route.wants(message):
                continue
            key = (route.name, _order(message))
            if key in blocked or self._rests_now(route.name, "") or self._rests_now(*key):
                blocked.add(key)
                left = True
                continue
            if not self._store.alerts.take_turn(self._holder, lease=TURN):
                return False
            if (failed := self._send(route, message, given_up=is_over)) is None:
                delivered.add(route.name)
                self._rests.pop((route.name, ""), None)
                self._rests.pop(key, None)
                continue
            error, left = f"{route.name}: {failed.message}", True
            blocked.add(key)
            # A receiver that is away gets nothing for a while; one that refuses a message may take the next one.
            self._rest((route.name, "") if isinstance(failed, TryLater | Unknown) else key)
        if is_over:
            for route in routes:
                self._rests.pop((route.name, _order(message)), None)
        done_at = self._clock.now() if is_over or not left else None
        error = error if left else ""
        if (delivered, error, done_at) != (set(stored.delivered), stored.error, None):
            self._store.alerts.note(stored.number, delivered=delivered, error=error, done_at=done_at)
        return True

    def _send(self, route: Route, message: Message, *, given_up: bool) -> KeyturnError | None:
        """Send ``message``; return the error if it may not have arrived."""
        about = (message.id, route.name, message.finding.kind.value, message.phase.value, message.finding.connection)
        try:
            route.receiver.send(message)
        except Exception as error:  # noqa: BLE001 - what no one foresaw at one receiver must not hold up the others
            failed = error if isinstance(error, KeyturnError) else shortage(error)
            if failed is None:
                _log.exception("alert not sent", extra={"alert": message.id, "route": route.name})
                failed = InternalError(f"Keyturn itself failed ({type(error).__name__}).")
            self._publish(AlertNotSent(*about, failed.code, failed.message, given_up))
            return failed
        self._publish(AlertSent(*about))
        return None

    def _rests_now(self, route: str, order: str) -> bool:
        until, _ = self._rests.get((route, order), (None, None))
        return until is not None and self._clock.now() < until

    def _rest(self, key: tuple[str, str]) -> None:
        _, last = self._rests.get(key, (None, _FIRST_REST / 2))
        wait = min(last * 2, _LONGEST_REST)
        self._rests[key] = self._clock.now() + wait, wait


def _order(message: Message) -> str:
    """What keeps messages in order: those about one rotation, otherwise those about one alert."""
    return message.finding.rotation or message.alert
