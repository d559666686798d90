"""Threads that take their work from a queue in this process."""

import threading

import pytest

from orchestrator.dispatch import worker_threads
from orchestrator.dispatch.worker_threads import WorkerThreads
from orchestrator.shortage import start
from states.errors import Exhausted

NAMES = ["w/1", "w/2"]


def running() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("keyturn-worker-")]


def test_each_thread_works_under_a_name_of_its_own() -> None:
    """Two works that wait for each other are done at the same time, and their results are given back."""
    threads, both = WorkerThreads(NAMES), threading.Barrier(2)

    def work(name: str) -> str:
        both.wait(60)
        return name

    threads.start()
    results = [threads.submit(work) for _ in NAMES]
    assert set(NAMES) == {result.result(60) for result in results}
    threads.end()
    assert [] == running()


def test_work_that_was_cancelled_is_not_begun() -> None:
    """What waits behind other work can be taken back; what was begun is finished before the threads end."""
    threads, begun, goes_on = WorkerThreads(NAMES[:1]), threading.Event(), threading.Event()

    def work(_name: str) -> bool:
        begun.set()
        return goes_on.wait(60)

    threads.start()
    first, second = threads.submit(work), threads.submit(work)
    assert begun.wait(60)
    assert (False, True) == (first.cancel(), second.cancel())
    goes_on.set()
    threads.end()
    assert first.result(60)


def test_no_thread_is_left_where_not_all_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that lets Keyturn start one thread of two gets an error, and none of them."""
    started: list[threading.Thread] = []

    def start_one(thread: threading.Thread) -> None:
        if started:
            raise Exhausted("no more")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(worker_threads, "start", start_one)
    with pytest.raises(Exhausted):
        WorkerThreads(NAMES).start()
    assert [] == running()
