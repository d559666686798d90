"""Worker threads on several machines, with Procrastinate's queue between them: a hint wakes an idle worker at once.

A job of the queue is a hint: it names a rotation, which the worker claims in the store, or finds that it cannot. So
nothing depends on a job. A hint that is lost is given again by a sweep, and a job that a dead worker leaves harms
nothing, because no job has a lock and none is ever retried. The store's leases and fencing tokens keep all workers off
each other's rotations, those of the embedded dispatcher too.

Procrastinate runs on asyncio, in a thread of its own here; rotations run in threads of ours, since asyncio's default
executor has as many as the machine has processors and four more, however many jobs may run. A connection that is lost
ends Procrastinate's worker, not ours: another one begins, and the threads go on with what they carry meanwhile.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import DeleteJobCondition, Status
from psycopg import AsyncConnection
from psycopg.errors import Error as DriverError

from orchestrator.dispatch.claim_runner import ClaimRunner
from orchestrator.dispatch.queue_hints import QueueHints
from orchestrator.dispatch.worker_threads import WorkerThreads
from orchestrator.shortage import start
from orchestrator.stop_request import StopRequest
from persistence.hints import CARRY, QUEUE, SCHEDULE, Hints
from states.errors import TryLater
from states.ports import Clock

VERSION: Final = "3.10.0"
"""Of the tables that this Procrastinate works with."""
SWEEP_EVERY: Final = 0.5
"""Seconds between two looks for what no hint names: a rotation that was postponed until now, or whose hint was lost."""
_FETCH_EVERY: Final = 0.5
"""Seconds between two looks into the queue for a job that no notification named: Procrastinate forgets a notification
that comes while it fetches, and hears none before it listens."""
_LET_GO: Final = 1.0
"""Seconds for which Procrastinate waits for its jobs at its end. The threads finish what they carry in any case."""
_EVERY_MINUTE: Final = "* * * * *"
"""As often as the embedded dispatcher passes over the schedule (states.timing.SCHEDULE_EVERY)."""
_SESSIONS: Final = 4
"""The most that Procrastinate opens for statements; one more listens."""


class Procrastinate:
    """The dispatcher (dispatcher.Dispatcher) of several machines on one PostgreSQL database."""

    def __init__(
        self,
        runner: ClaimRunner,
        hints: Hints,
        clock: Clock,
        *,
        poll: float,
        start_due: Callable[[], bool],
        stop: StopRequest,
    ) -> None:
        """``poll`` is in seconds: how long a thread rests after an error, so that it does not repeat it at once.

        ``start_due`` starts what is due, and returns whether more may be due; ``stop`` ends the worker once what it
        carries may be released.
        """
        self._runner = runner
        self._hints = hints
        self._queue_hints = QueueHints(hints)
        self._clock = clock
        self._poll = poll
        self._start_due = start_due
        self._stop = stop
        self._lock = threading.Lock()
        self._session: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None

    def run(self, threads: int) -> None:
        """Carry rotations until ``stop`` is set.

        Raises Exhausted where not all of the threads can start; none of them is left running then.
        """
        pool = WorkerThreads([self._runner.worker(number) for number in range(1, threads + 1)])
        pool.start()
        queue = threading.Thread(target=self._serve, name="keyturn-queue", args=(pool, threads))
        try:
            start(queue)
            while not self._stop.is_set():
                self._runner.safely(lambda: self._hints.sweep(self._clock.now()))
                self._stop.wait(SWEEP_EVERY)
        finally:
            self._stop.set()
            self._leave_queue()
            if queue.is_alive():
                queue.join()
            pool.end()

    def drain(self) -> None:
        """Carry everything that is claimable now, in this thread, and return, as ``ClaimRunner.drain`` does."""
        self._runner.drain()

    def wake(self, rotation_id: str, *, urgent: bool) -> None:
        """Give a hint to whichever worker is idle, on any machine. One that cannot be given costs half a second."""
        self._queue_hints.wake(rotation_id, urgent=urgent)

    # --- the queue's thread

    def _serve(self, pool: WorkerThreads, threads: int) -> None:
        """Take jobs from the queue, and begin again whenever its connections are lost."""
        while not self._stop.is_set():
            self._runner.safely(lambda: asyncio.run(self._take_jobs(pool, threads)))
            self._stop.wait(self._poll)

    async def _take_jobs(self, pool: WorkerThreads, threads: int) -> None:
        """Take jobs until ``stop`` is set, or Procrastinate's worker ends by itself. Raises TryLater."""
        task = asyncio.current_task()
        assert task
        with self._lock:
            self._session = asyncio.get_running_loop(), task
        if self._stop.is_set():  # set after the look of `_serve`, and before this task could be cancelled
            return
        app = self._app(pool)
        try:
            async with app.open_async():
                await app.run_worker_async(
                    queues=[QUEUE],
                    name=self._runner.name,
                    concurrency=threads,
                    fetch_job_polling_interval=_FETCH_EVERY,
                    shutdown_graceful_timeout=_LET_GO,
                    delete_jobs=DeleteJobCondition.ALWAYS,
                    install_signal_handlers=False,
                )
        except asyncio.CancelledError:
            return
        except (ProcrastinateException, DriverError) as error:
            reason, _, _ = str(error).partition("\n")
            raise TryLater(f"The queue is not available: {reason}") from error
        raise TryLater("The queue's connection was lost.")

    def _leave_queue(self) -> None:
        """Let Procrastinate's worker end; ``stop`` is set, so that no other one begins."""
        with self._lock:
            session = self._session
        if session:
            loop, task = session
            with suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(task.cancel)

    def _app(self, pool: WorkerThreads) -> App:
        access = self._hints.access()

        async def prepare(session: AsyncConnection[Any]) -> None:
            is_listener = session.autocommit  # the one that listens commits each statement: others hear nothing
            await session.set_autocommit(True)
            await session.execute(access.prepare)
            await session.set_autocommit(is_listener)

        app = App(
            connector=PsycopgConnector(kwargs=access.parameters, configure=prepare, min_size=1, max_size=_SESSIONS)
        )

        @app.task(name=CARRY, queue=QUEUE)
        async def carry(rotation_id: object) -> None:  # of any type: who can write the database can write jobs
            await asyncio.wrap_future(pool.submit(lambda worker: self._carry(worker, str(rotation_id))))

        @app.periodic(cron=_EVERY_MINUTE)
        @app.task(name="keyturn.schedule", queue=QUEUE, queueing_lock="schedule", priority=SCHEDULE)
        async def schedule(timestamp: int) -> None:
            del timestamp
            await asyncio.wrap_future(pool.submit(self._pass_over_schedule))
            await _bury(app)

        return app

    # --- the worker threads

    def _carry(self, worker: str, rotation_id: str) -> None:
        if not self._stop.is_set() and self._runner.safely(lambda: self._runner.run(worker, rotation_id)) is None:
            self._stop.wait(self._poll)  # the next hint may fail likewise

    def _pass_over_schedule(self, _worker: str) -> None:
        while not self._stop.is_set() and self._runner.safely(self._start_due):
            pass


async def _bury(app: App) -> None:
    """Delete the jobs that dead workers left. What they carried is hinted again, by presence or by a sweep."""
    for job in await app.job_manager.get_stalled_jobs(queue=QUEUE):
        await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)
