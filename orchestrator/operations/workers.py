"""The questions about the processes that carry rotations: which are alive, and what is wrong with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from persistence.store import Held, Role, Store, Worker
from states.concern import Concern, Harm
from states.durations import in_words
from states.next_action import NextAction, Verb, by_hand
from states.timing import SILENT_AFTER, UNATTENDED_AFTER

__all__ = ["Held", "Role", "Worker", "Workers"]

_RUNS_OF_A_SCHEDULE: Final = 2
"""How many runs of run-due after the last permanent worker make a schedule. A person may have made one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a worker is needed for."""

    claimable_since: datetime | None
    """Since when the first of the open rotations waits for a worker (UTC); None where none does."""
    is_under_way: bool
    """Whether an open rotation goes on by itself, now or later."""
    is_scheduled: bool
    """Whether a rotation will begin by itself."""

    @property
    def is_any(self) -> bool:
        """Whether a worker is needed, now or later."""
        return self.is_under_way or self.is_scheduled


class Condition(StrEnum):
    """How a process is. The names are stable codes."""

    ALIVE = "alive"
    """It noted lately that it lives."""
    SILENT = "silent"
    """It did not, and was not seen to end."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Process:
    """A process, how it is, and what it carries."""

    worker: Worker
    condition: Condition
    held: Sequence[Held]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Every process that was seen within a week, as of one moment."""

    at: datetime
    """By the database's clock (UTC)."""
    processes: Sequence[Process]
    """The one that started last first."""

    @property
    def alive(self) -> Sequence[Process]:
        """The permanent workers that are alive."""
        return [each for each in self._permanent if each.condition is Condition.ALIVE]

    @property
    def last_alive(self) -> datetime | None:
        """When the last permanent worker was seen (UTC); None where there was none."""
        return max((_seen(each.worker) for each in self._permanent), default=None)

    @property
    def _permanent(self) -> Sequence[Process]:
        return [each for each in self.processes if each.worker.role is Role.WORKER]


class Workers:
    """Which processes carry rotations, and when each was seen last."""

    def __init__(self, store: Store, version: str) -> None:
        """``version`` is this Keyturn's own."""
        self._store = store
        self.version = version

    def list(self) -> list[Worker]:
        """Every worker that was seen within a week, the one that started last first. Raises TryLater."""
        return self._store.workers.all()

    def seen(self) -> Seen:
        """Every worker that was seen within a week, with what it carries. Raises TryLater."""
        found, held, now = self.list(), self._store.workers.held(), self._store.now()
        return Seen(at=now, processes=[_process(each, held, now) for each in found])

    def alive(self) -> Sequence[Worker]:
        """Every permanent worker that noted lately that it lives, the one that started last first. Raises TryLater."""
        found, now = self.list(), self._store.now()
        return [each for each in found if each.role is Role.WORKER and is_alive(each, now)]

    def concerns(self, work: Work, now: datetime) -> Sequence[Concern]:
        """What needs a person about the workers; nothing about a lack of them where there is no ``work``.

        ``now`` is the caller's time (UTC). When a worker was seen is judged by the database's clock, which all share.
        Raises TryLater.
        """
        found, seen_now = self.list(), self._store.now()
        permanent = [each for each in found if each.role is Role.WORKER]
        alive = [each for each in permanent if is_alive(each, seen_now)]
        if not alive:
            return _missing(found, work, now, seen_now) if work.is_any else []
        return [
            *(_silent(each, seen_now) for each in permanent if each.is_present and not is_alive(each, seen_now)),
            *(_other_version(each, self.version) for each in alive if each.version != self.version),
        ]

    def summary(self) -> str:
        """Who carries rotations, as a sentence. Raises TryLater."""
        alive, now = self.alive(), self._store.now()
        if alive:
            return f"{len(alive)} alive: {', '.join(_described(each, now) for each in alive)}"
        runs = [each for each in self.list() if each.role is Role.RUN_DUE]
        if runs:
            return f"no permanent worker; the last run of the schedule was {_ago(runs[0], now)}"
        return "no permanent worker, and no run of a schedule within a week"


def is_alive(worker: Worker, now: datetime) -> bool:
    """Whether ``worker`` noted lately that it lives; ``now`` by the database's clock (UTC)."""
    return worker.ended_at is None and now - _seen(worker) <= SILENT_AFTER


def _process(worker: Worker, held: Sequence[Held], now: datetime) -> Process:
    if worker.ended_at is not None:
        condition = Condition.ENDED
    else:
        condition = Condition.ALIVE if is_alive(worker, now) else Condition.SILENT
    own = (worker.name, f"{worker.name}/")
    return Process(
        worker, condition, [each for each in held if each.worker == own[0] or each.worker.startswith(own[1])]
    )


def _missing(found: Sequence[Worker], work: Work, now: datetime, seen_now: datetime) -> list[Concern]:
    """No permanent worker is alive: what needs a person because of that. ``found`` has the newest first."""
    last = max((each for each in found if each.role is Role.WORKER), key=_seen, default=None)
    runs = [each for each in found if each.role is Role.RUN_DUE and not (last and _seen(each) < _seen(last))]
    if any(is_alive(each, seen_now) for each in runs):
        return []
    if runs and (last is None or len(runs) >= _RUNS_OF_A_SCHEDULE):
        return _late_run(max(runs, key=_seen), seen_now)
    if last:
        return _lost(last, seen_now)
    since = work.claimable_since
    if since is None or now - since <= SILENT_AFTER:
        return []
    return [_no_worker("No worker was ever seen, or not for a week.", since)]


def _late_run(run: Worker, now: datetime) -> list[Concern]:
    """The last ``run`` of a schedule."""
    ago = now - _seen(run)
    if ago <= UNATTENDED_AFTER:
        return []
    message = f"No run of the schedule for {in_words(ago)}, and no worker: the last run was on {run.host}."
    return [_no_worker(message, _seen(run))]


def _lost(last: Worker, now: datetime) -> list[Concern]:
    """The ``last`` permanent worker, which is not alive."""
    silence = now - _seen(last)
    if silence <= SILENT_AFTER:
        return []
    end = "ended" if last.ended_at else "has not said that it ended"
    return [_no_worker(f"No worker for {in_words(silence)}: the last one, {last.name}, {end}.", _seen(last))]


def _no_worker(message: str, since: datetime) -> Concern:
    because = "Rotations that are due, postponed or interrupted wait for a worker, or for a run of a schedule."
    return Concern(
        harm=Harm.NO_WORKER,
        connection=None,
        rotation=None,
        message=message,
        since=since,
        next_action=NextAction(Verb.WORKER, because=because),
    )


def _silent(worker: Worker, now: datetime) -> Concern:
    """A worker whose lock is held, and which is silent: the others take over when its leases end."""
    return Concern(
        harm=Harm.SILENT_WORKER,
        connection=None,
        rotation=None,
        message=f"Worker {worker.name} was last seen {_ago(worker, now)}: it hangs, was stopped, or is cut off.",
        since=_seen(worker),
        next_action=by_hand(f"Look at its process on {worker.host}, and end or continue it.", None),
    )


def _other_version(worker: Worker, version: str) -> Concern:
    return Concern(
        harm=Harm.OTHER_VERSION,
        connection=None,
        rotation=None,
        message=f"Worker {worker.name} runs Keyturn {worker.version}; this is {version}.",
        since=worker.started_at or _seen(worker),
        next_action=by_hand(f"Restart the worker on {worker.host} with the version that you want.", None),
    )


def _described(worker: Worker, now: datetime) -> str:
    threads = "1 thread" if worker.threads == 1 else f"{worker.threads} threads"
    return f"{worker.name} (Keyturn {worker.version}, {threads}, seen {_ago(worker, now)})"


def _ago(worker: Worker, now: datetime) -> str:
    return f"{in_words(now - _seen(worker))} ago"


def _seen(worker: Worker) -> datetime:
    assert worker.seen_at, "a stored worker was seen"
    return worker.seen_at
