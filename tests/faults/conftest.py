"""Tells at the end what happened in all cases and schedules."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.faults.summary import SEED, TALLY


@pytest.fixture(autouse=True)
def tally(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Count what happens in this test; its process may do several."""
    TALLY.clear()
    yield
    record_property("tally", dict(TALLY))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    total: Counter[str] = Counter()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        for name, value in getattr(report, "user_properties", ()):
            if name == "tally":
                total.update(value)
    if not total:
        return
    terminalreporter.section("faults")
    for what in sorted(total):
        terminalreporter.write_line(f"{total[what]:7} {what}")
    lost = "" if terminalreporter.stats.keys() & {"failed", "error"} else ", none lost"
    terminalreporter.write_line(f"seed {SEED}: {total['cases']} cases, {total['schedules']} schedules{lost}")
