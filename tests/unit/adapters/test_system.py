"""The clock and randomness of this computer."""

from datetime import timedelta

from orchestrator.adapters.system import SystemClock, SystemRandom


def test_now_is_utc() -> None:
    """The current time is in UTC."""
    assert timedelta(0) == SystemClock().now().utcoffset()


def test_negative_sleep_returns_at_once() -> None:
    """A negative number of seconds is no error."""
    SystemClock().sleep(-1.0)


def test_bytes() -> None:
    """Each call returns the requested number of bytes, and other ones than before."""
    random = SystemRandom()
    drawn = [random.bytes(32), random.bytes(32)]
    assert [32, 32] == [len(it) for it in drawn]
    assert drawn[0] != drawn[1]


def test_fraction() -> None:
    """Fractions lie between 0 and 1, and differ."""
    drawn = {SystemRandom().fraction() for _ in range(100)}
    assert all(0 <= it < 1 for it in drawn)
    assert len(drawn) > 1
