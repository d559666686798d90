"""The machine's clock and randomness."""

from datetime import timedelta

from orchestrator.adapters.system import SystemClock, SystemRandom


def test_now_is_utc() -> None:
    """The present moment is aware, and in UTC."""
    assert timedelta(0) == SystemClock().now().utcoffset()


def test_sleep_takes_what_is_left() -> None:
    """A wait that is over already is no error."""
    SystemClock().sleep(-1.0)


def test_bytes() -> None:
    """As many bytes as were asked for, and other ones each time."""
    random = SystemRandom()
    drawn = [random.bytes(32), random.bytes(32)]
    assert [32, 32] == [len(it) for it in drawn]
    assert drawn[0] != drawn[1]


def test_fraction() -> None:
    """Fractions lie from 0 to 1, and differ."""
    drawn = {SystemRandom().fraction() for _ in range(100)}
    assert all(0 <= it < 1 for it in drawn)
    assert len(drawn) > 1
