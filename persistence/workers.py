"""The room of the workers: which processes carry rotations, and which of them died.

A worker that is present holds a lock while its process lives: on PostgreSQL a session's advisory lock, on
SQLite a lock on a file next to the database. The system releases either at once when the process dies, however it died.
Another worker that finds the lock free ends the dead one's leases, so that its rotations are claimed without waiting
for them to run out. Presence is about speed only: a worker that is stopped or cut off keeps its lock or loses it, and
in both cases the leases and the fencing tokens decide.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Text, bindparam, delete, func, insert, or_, select, update

from persistence import models, presence
from persistence.clock import database_now, database_now_plus, seconds
from persistence.database import Database
from persistence.presence import Lock
from states.errors import KeyturnError
from states.state import State
from states.timing import WORKERS_KEPT

_w: Final = models.workers
_r: Final = models.rotations

_ADD: Final = insert(_w).values(started_at=database_now(), seen_at=database_now())
_PRUNE: Final = delete(_w).where(_w.c.seen_at < database_now_plus(seconds("kept")))
_OTHERS: Final = select(_w.c.name, _w.c.lock_key).where(
    _w.c.ended_at.is_(None), _w.c.lock_key.is_not(None), _w.c.name != bindparam("own")
)
_BEAT: Final = (
    update(_w)
    .where(_w.c.name == bindparam("own"))
    .values(seen_at=database_now(), ended_at=None, lock_key=bindparam("key"))
)
_END: Final = (
    update(_w)
    .where(_w.c.name == bindparam("own"), _w.c.ended_at.is_(None))
    .values(seen_at=database_now(), ended_at=database_now(), lock_key=None)
)
_END_DEAD: Final = (
    update(_w)
    .where(_w.c.name == bindparam("dead"), _w.c.lock_key == bindparam("key"))
    .values(ended_at=database_now(), lock_key=None)
)
"""Nothing, where the worker has taken another lock since the look: it is alive."""
_dead: Final = bindparam("dead", type_=Text())
_END_LEASES: Final = (
    update(_r)
    .where(
        models.OPEN,
        _r.c.lease_until > database_now(),
        or_(
            _r.c.worker == _dead,
            func.substr(_r.c.worker, 1, func.length(_dead) + 1) == _dead + "/",
        ),
    )
    .values(lease_until=database_now())
    .returning(_r.c.id)
)
"""Of the process, and of its threads, whose names begin with the process's name. The holder stays: the next claim takes
over from it, in doubt."""


_HELD: Final = (
    select(_r.c.worker, _r.c.id, _r.c.connection, _r.c.state)
    .where(models.OPEN, _r.c.worker.is_not(None), _r.c.lease_until > database_now())
    .order_by(_r.c.id)
)


class Role(StrEnum):
    """What kind of process carries rotations."""

    WORKER = "worker"
    """Permanently."""
    RUN_DUE = "run-due"
    """From time to time, for cron."""
    COMMAND = "command"
    """One rotation, while a person waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process that carries rotations, or did."""

    name: str
    """Unique for each start of a process."""
    role: Role
    host: str
    version: str
    """Of Keyturn."""
    threads: int
    started_at: datetime | None = None
    """By the database's clock (UTC); None before it is stored."""
    seen_at: datetime | None = None
    """When it was last known to be alive, by the database's clock (UTC)."""
    ended_at: datetime | None = None
    """When it ended, or was found dead (UTC). None also for one that died and was not found yet."""
    is_present: bool = False
    """Whether its death is noticed at once; otherwise only its silence shows."""


@dataclass(frozen=True, slots=True)
class Held:
    """A rotation that a worker holds now."""

    worker: str
    """The process's name, or that of one of its threads, which begins with it and a slash."""
    rotation: str
    connection: str
    state: State


class Presence:
    """This process, as the other workers see it. Used by one thread at a time."""

    def __init__(self, database: Database, worker: Worker, lock: Lock | None) -> None:
        self._database = database
        self._worker = worker
        self._lock = lock
        self._takes = 0
        """Counts the locks that were lost: each one has a key of its own."""

    @property
    def is_trusted(self) -> bool:
        """Whether the death of this process is noticed at once."""
        return self._lock is not None

    def beat(self) -> None:
        """Note that this process is alive; take another lock where the first one was lost. Raises TryLater."""
        lost = self._lock if self._lock and not self._lock.is_held() else None
        if lost:
            self._takes += 1
            self._lock = presence.take(self._database, self._worker.name, self._takes)
        with self._database.writing() as tx:
            values = _values(self._worker, self._lock)
            if not tx.execute(_BEAT, {"own": self._worker.name, "key": values["lock_key"]}).rowcount:
                tx.execute(_ADD, values)  # it was removed after a long silence
        if lost:
            lost.release()

    def end(self) -> None:
        """Say that this process carries nothing any more. Never raises: its silence says the same, later."""
        with suppress(KeyturnError), self._database.writing() as tx:
            tx.execute(_END, {"own": self._worker.name})
        if self._lock:  # after the row: a row with a free lock is a dead worker's
            self._lock.release()


class Workers:
    """The processes that carry rotations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, worker: Worker) -> Presence:
        """Take this process's lock and store that it is here. Raises TryLater.

        The lock comes first, so that no other process sees this one without it. Where locks cannot be trusted, or there
        can be none, the process is stored without one, and its leases bound its death as before.
        """
        lock = None
        if self._database.is_sqlite or not presence.is_pooled(self._database, worker.name):
            lock = presence.take(self._database, worker.name, 0)
        try:
            with self._database.writing() as tx:
                tx.execute(_PRUNE, {"kept": -WORKERS_KEPT.total_seconds()})
                tx.execute(_ADD, _values(worker, lock))
        except BaseException:
            if lock:
                lock.release()
            raise
        return Presence(self._database, worker, lock)

    def end_dead(self, own: str) -> dict[str, list[str]]:
        """End the leases of the workers that died; return the ids of the rotations that each held, by its name.

        ``own`` is the caller's own name. Each dead worker's lock is held meanwhile, so that of two callers one does it.
        Safe to repeat, and on several machines at once. Raises TryLater.
        """
        with self._database.glancing() as tx:
            others = {row.name: int(row.lock_key) for row in tx.execute(_OTHERS, {"own": own})}
        ended: dict[str, list[str]] = {}
        if not others:
            return ended
        with presence.locking(self._database, others) as (tx, dead):
            for name in dead:
                if tx.execute(_END_DEAD, {"dead": name, "key": others[name]}).rowcount:
                    ended[name] = list(tx.execute(_END_LEASES, {"dead": name}).scalars())
        return ended

    def held(self) -> list[Held]:
        """Every rotation that a worker holds by the database's clock."""
        with self._database.reading() as tx:
            return [Held(row.worker, row.id, row.connection, State(row.state)) for row in tx.execute(_HELD)]

    def all(self) -> list[Worker]:
        """Every worker that was seen lately, the one that started last first."""
        with self._database.reading() as tx:
            rows = tx.execute(select(_w).order_by(_w.c.started_at.desc(), _w.c.name)).mappings()
            return [
                Worker(
                    **{name: value for name, value in row.items() if name not in ("lock_key", "role")},
                    role=Role(row["role"]),
                    is_present=row["lock_key"] is not None,
                )
                for row in rows
            ]


def _values(worker: Worker, lock: Lock | None) -> dict[str, object]:
    return {
        "name": worker.name,
        "role": worker.role,
        "host": worker.host,
        "version": worker.version,
        "threads": worker.threads,
        "lock_key": lock.key if lock else None,
    }
