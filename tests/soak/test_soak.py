"""The soak itself: it runs, and it would notice."""

from pathlib import Path

from soak.history_watch import Watch
from soak.report import WARM, Report
from soak.soak import soak

from simulator.clock import Clock
from simulator.history import History


def test_without_faults(tmp_path: Path) -> None:
    """Without faults and kills, every connection is rotated, and there are no violations."""
    report = soak(tmp_path, minutes=0, seed=1, connections=3, others=1, say=lambda _line: None)
    assert [] == report.violations
    assert {"Completed"} == set(report.endings)
    assert "well" == report.lines()[-1]


def test_a_save_that_came_first_is_a_violation() -> None:
    """The history is judged while it grows, what was judged is forgotten, and what is under way is waited for."""
    history = History(Clock())
    watch = Watch(history)
    for account, effect in (("A", "signed"), ("A", "saved"), ("B", "saved")):
        call = history.begin("openair", account, "openair.api")
        call.effect(**{effect: "ab"})
        if account == "B":
            watch.look()
            assert [] == watch.violations
        call.end(200, "answered")
    watch.look()
    assert ["entry 3 saved ab before it was proved"] == watch.violations
    assert [] == history.entries()


def test_memory_that_grows_is_a_violation() -> None:
    """A warm worker may not grow by megabytes; while it warms up it may."""
    steady = [(second, 80_000 if second > WARM else 80 * second) for second in range(1, 1800)]
    growing = [(second, 80_000 + 10 * second) for second in range(1, 1800)]
    for memory, expected in ((steady, 0), (growing, 1)):
        report = Report(30, 1, 50, 5, memory=memory)
        report.judge_memory()
        assert expected == len(report.violations)
