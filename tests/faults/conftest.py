"""Tells at the end what happened in all cases and schedules."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.faults.summary import ATTACKED, COUNTS, SEED, SLICE


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one slice of the matrix's cases, where a slice is wanted."""
    cases = [item for item in items if item.path.name == "test_matrix.py" and hasattr(item, "callspec")]
    if SLICE and cases:
        chosen = cases[SEED % SLICE :: SLICE]
        config.hook.pytest_deselected(items=[case for case in cases if case not in chosen])
        items[:] = [item for item in items if item in chosen or item not in cases]


@pytest.fixture(autouse=True)
def counts(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Count what happens in this test; its process may do several."""
    COUNTS.clear()
    yield
    record_property("counts", dict(COUNTS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    total: Counter[str] = Counter()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        for name, value in getattr(report, "user_properties", ()):
            if name == "counts":
                total.update(value)
    if not total:
        return
    terminalreporter.section("faults")
    for what in sorted(total):
        terminalreporter.write_line(f"{total[what]:7} {what}")
    lost = "" if terminalreporter.stats.keys() & {"failed", "error"} else ", none lost"
    schedules = f"{total['schedules']} schedules, {total[ATTACKED]} of them with a writer of the database"
    terminalreporter.write_line(f"seed {SEED}: {total['cases']} cases, {schedules}{lost}")
