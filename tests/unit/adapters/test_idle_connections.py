"""Sessions without a call are closed: the longest idle beyond a number, and each after a while."""

import threading
from typing import Any

import pytest
from support.polling import until

from orchestrator.adapters.idle_connections import IdleConnections


class Session:
    """Counts how often it was closed."""

    closed = 0
    is_dropped = False

    def close(self) -> None:
        self.closed += 1


def sessions(number: int) -> list[Any]:
    return [Session() for _ in range(number)]


def use(idle: IdleConnections, *used: Any) -> None:
    for session in used:
        with idle.in_use(session):
            pass


def test_the_longest_idle_is_closed_beyond_the_limit() -> None:
    """A session that is used again becomes the last to be closed."""
    idle, (one, two, three) = IdleConnections(most=2, seconds=60), sessions(3)
    use(idle, one, two, one, three)
    assert [0, 1, 0] == [session.closed for session in (one, two, three)]


def test_a_session_in_use_is_not_closed() -> None:
    """A call keeps its session open, also when another call of the same session ends first."""
    idle, (one, two) = IdleConnections(most=0, seconds=60), sessions(2)
    with idle.in_use(one):
        use(idle, one, two)
        assert [0, 1] == [one.closed, two.closed]
    assert 1 == one.closed


def test_an_idle_session_is_closed_after_a_while() -> None:
    """It needs no further call, and the thread that waits for it ends."""
    idle, used = IdleConnections(most=9, seconds=0.01, look=0.01), sessions(3)
    use(idle, *used)
    until(lambda: [1, 1, 1] == [session.closed for session in used])
    until(lambda: idle._closer is None)
    use(idle, used[0])
    until(lambda: used[0].closed == 2)


def test_a_session_is_closed_when_the_other_side_closed_it() -> None:
    """Long before its time; the others stay open."""
    idle, (one, two) = IdleConnections(most=9, seconds=3600, look=0.01), sessions(2)
    use(idle, one, two)
    one.is_dropped = True
    until(lambda: one.closed == 1)
    assert 0 == two.closed
    two.is_dropped = True
    until(lambda: idle._closer is None)


def test_the_limit_grows_with_the_threads() -> None:
    """Each thread has its sessions; fewer threads take none away."""
    idle, used = IdleConnections(), sessions(10)
    idle.serve(2)
    idle.serve(1)
    use(idle, *used)
    assert [1, 1, 1, 1, 0, 0, 0, 0, 0, 0] == [session.closed for session in used]


def test_without_a_thread_the_limit_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that lets no more threads start is no reason for a call to fail."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    idle, used = IdleConnections(most=1, seconds=0), sessions(3)
    use(idle, *used)
    assert [1, 1, 0] == [session.closed for session in used]
