"""The room of the hints: rows of Procrastinate's queue, each of which names a rotation that may be claimable.

A hint decides nothing: the worker that receives it claims the rotation in the store, or finds that it cannot. So a hint
may be lost, doubled, or late. It is given after the commit that made the rotation claimable, in a transaction of its
own: Procrastinate's trigger notifies the workers, which takes a lock of the whole database until the commit is on disk,
and so would slow down every move (`announcements` has the figures). This one does not wait for the disk.

Hints are written by Procrastinate's own function, so that a command need not import Procrastinate to give one.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.exc import IntegrityError

from persistence import models, presence, queue_schema
from persistence.clock import UtcDateTime
from persistence.database import Database
from persistence.shared_commit import undo

QUEUE: Final = "keyturn"
CARRY: Final = "keyturn.carry"
"""The task of a hint. Its argument is the id of the rotation."""
URGENT: Final = 2
"""The priority of a hint for a rotation while imports may be refused. Every other hint has the priority 0."""
SCHEDULE: Final = 1
"""The priority of the job that starts what is due: between both."""
_AT_ONCE: Final = 100
"""How many hints a sweep gives at most; the next one gives the next ones."""

_ASYNCHRONOUS: Final = text("SET LOCAL synchronous_commit = off")
_GIVE: Final = f"""
SELECT procrastinate_defer_jobs_v1(array_agg(ROW('{QUEUE}', '{CARRY}', priority, NULL,
    priority || ' ' || id, jsonb_build_object('rotation_id', id), NULL)::procrastinate_job_to_defer_v1))
  FROM ({{rotations}}) AS claimable
  WHERE EXISTS (SELECT FROM procrastinate_workers WHERE last_heartbeat > now() - interval '1 minute')
    AND NOT EXISTS (SELECT FROM procrastinate_jobs AS job
      WHERE job.status = 'todo' AND job.queueing_lock = claimable.priority || ' ' || claimable.id)
  HAVING count(*) > 0
"""  # noqa: S608 - our own names
"""Without a worker of the queue, hints would pile up in it. A hint that waits is not given again, except that one is
given as urgent where a calm one waits."""
_ONE: Final = text(_GIVE.format(rotations="SELECT CAST(:id AS text) AS id, CAST(:priority AS integer) AS priority"))

_SWEEP: Final = text(
    _GIVE.format(
        rotations=f"SELECT id, CASE WHEN {models.CALM} THEN 0 ELSE {URGENT} END AS priority FROM rotations"  # noqa: S608
        f" WHERE {models.CLAIMABLE.text} AND available_at <= :now"
        " AND (lease_until IS NULL OR lease_until <= clock_timestamp())"
        f" ORDER BY {models.CALM}, available_at LIMIT {_AT_ONCE}"
    )
).bindparams(bindparam("now", type_=UtcDateTime()))
"""For what a worker could claim now, as ``Claims.claim`` has it."""


@dataclass(frozen=True, slots=True)
class QueueAccess:
    """How Procrastinate opens its own sessions. It does not share Keyturn's."""

    parameters: dict[str, Any] = field(repr=False)
    """Of psycopg's ``connect``, the password among them."""
    prepare: bytes
    """The statement that a session begins with, before anything else."""


class Hints:
    """Which rotations a worker should look at now."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def is_possible(self) -> bool:
        """Whether the database is one that can have a queue: PostgreSQL."""
        return not self._database.is_sqlite

    def version(self) -> str | None:
        """Return the version of Procrastinate that the queue's tables are of; None without them. Raises TryLater."""
        with self._database.glancing() as tx:
            return queue_schema.version(tx)

    def is_pooled(self, name: str) -> bool:
        """Whether the sessions are pooled, so that a worker would hear of no hint. ``name`` is this process's own."""
        return presence.is_pooled(self._database, f"{name} queue")

    def access(self) -> QueueAccess:
        """Return how Procrastinate opens its sessions."""
        return QueueAccess(*self._database.queue_access())

    def give(self, rotation_id: str, *, urgent: bool) -> None:
        """Give a hint for this rotation, where a worker listens. Safe to repeat. Raises TryLater, InvalidSettings."""
        with self._database.writing() as tx:
            _give(tx, _ONE, {"id": rotation_id, "priority": URGENT if urgent else 0})

    def sweep(self, now: datetime) -> None:
        """Give a hint for each rotation that is claimable by ``now`` and for which none waits, the urgent ones first.

        Safe to repeat, and on several machines at once. Raises TryLater.
        """
        with self._database.writing() as tx:
            _give(tx, _SWEEP, {"now": now})


def _give(tx: Transaction, statement: TextClause, values: dict[str, object]) -> None:
    tx.execute(queue_schema.AS_QUEUE)
    tx.execute(_ASYNCHRONOUS)
    try:
        given = tx.execute(statement, values).first()
    except IntegrityError:  # another process gave the same hint since the look
        given = None
    if given is None:
        undo(tx)
