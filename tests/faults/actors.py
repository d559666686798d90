"""Workers and operators, each with a Keyturn of its own on one database, that run one step at a time."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from support.polling import WAIT_LIMIT

from orchestrator.bootstrap import Keyturn
from persistence.store import Claim, Claims, Rotations, Store
from states.errors import KeyturnError
from states.state import State
from tests.faults.summary import COUNTS
from tests.faults.virtual_time import VirtualTime

SAVES_WITHIN = timedelta(seconds=60)
"""How long a worker may take from its check to its save: it is assumed not to pause for longer."""


class Killed(BaseException):
    """The process ends here: nothing catches it, nothing more is written."""


_acting = threading.local()


def pause_at(place: str) -> None:
    """Pause here, if the caller is an actor."""
    actor: Actor | None = getattr(_acting, "actor", None)
    if actor:
        actor.pause_at(place)


class Actor:
    """Does one action at a time in a thread of its own, and pauses before each request and each answer."""

    def __init__(self, name: str, app: Keyturn, virtual_time: VirtualTime) -> None:
        self.name = name
        self.app = app
        self.virtual_time = virtual_time
        self.place = ""
        """Where it has paused; empty when it has nothing to do."""
        self.killed = False
        self.may_save_since: datetime | None = None
        """Since when it may save in OpenAir, by its last check."""
        self._outcome: BaseException | None = None
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        app.store = watched(app.store, self)
        virtual_time.rule(app.store)

    def begin(self, action: Callable[[], object]) -> None:
        """Do ``action``, up to the first place."""
        assert not self.place
        threading.Thread(target=self._do, args=(action,), name=self.name, daemon=True).start()
        self._wait_until_paused()

    def go_on(self, places: int = 1) -> None:
        """Go on for so many places, if there are so many."""
        for _ in range(places):
            if self.place:
                self._go.release()
                self._wait_until_paused()

    def finish(self) -> None:
        """Go on to the end."""
        while self.place:
            self.go_on()

    def kill(self) -> None:
        """End it where it has paused. It does nothing from now on."""
        self.killed = True
        self.go_on()
        self.app.close()

    def hasten(self, moment: datetime) -> None:
        """Before the time moves to ``moment``, let an actor that may save do so."""
        while (
            self.place
            and getattr(_acting, "actor", None) is not self
            and self.may_save_since
            and self.may_save_since + SAVES_WITHIN < moment
        ):
            self.go_on()

    # --- in its own thread

    def pause_at(self, place: str) -> None:
        """Pause until `go_on`."""
        self.place = place
        self._paused.release()
        self._go.acquire()
        if self.killed:
            raise Killed

    def _do(self, action: Callable[[], object]) -> None:
        _acting.actor = self
        try:
            action()
        except (Killed, KeyturnError):
            pass  # an error that a person sees, or a worker that was overtaken
        except BaseException as error:  # noqa: BLE001 - reported by the thread that waits for this one
            self._outcome = error
        self.place = ""
        self.may_save_since = None
        self._paused.release()

    def _wait_until_paused(self) -> None:
        assert self._paused.acquire(timeout=WAIT_LIMIT), f"{self.name} hangs, after {self.place}"
        if self._outcome:
            raise AssertionError(f"{self.name} broke") from self._outcome


class WatchedClaims(Claims):
    """The real claims of one actor. They note when the actor may save, and are gone for one that was killed."""

    def __init__(self, claims: Claims, actor: Actor) -> None:
        super().__init__(claims._database, claims._vault)
        self._actor = actor

    def ensure_held(self, claim: Claim) -> None:
        super().ensure_held(claim)
        if claim.rotation.position is not State.KEY_GENERATED:
            self._actor.may_save_since = self._actor.virtual_time.time

    def release(self, claim: Claim) -> None:
        if self._actor.killed:
            raise Killed
        super().release(claim)


class WatchedRotations(Rotations):
    """The real rotations of one actor: what it stores ends the time in which it may save."""

    def __init__(self, rotations: Rotations, actor: Actor) -> None:
        super().__init__(rotations._database, rotations._vault)
        self._actor = actor

    def advance(self, *args: object, **options: object) -> Claim:
        self._actor.may_save_since = None
        return super().advance(*args, **options)  # type: ignore[arg-type]


def watched(store: Store, actor: Actor) -> Store:
    """``store``, with the rooms that note what ``actor`` does."""
    store.claims = WatchedClaims(store.claims, actor)
    store.rotations = WatchedRotations(store.rotations, actor)
    return store


def operate(app: Keyturn, verb: str, identifier: str) -> None:
    """Do ``verb``, with its options, as an operator does."""
    COUNTS[f"operator: {verb}"] += 1
    match verb.split():
        case ["resume", *leave]:
            create, overwrite = "create" in leave, "overwrite" in leave
            app.rotations.resume(identifier, actor="ada", create_record=create, overwrite=overwrite)
        case ["abandon"]:
            app.recovery.abandon(identifier, actor="ada")
        case ["park"]:
            app.rotations.park(identifier, actor="ada")
        case ["adopt"]:
            app.recovery.adopt(identifier, actor="ada")
        case ["restore", *leave]:
            app.recovery.restore(identifier, actor="ada", overwrite="overwrite" in leave)
