"""Reports on many connections: several are asked at the same time, and the answers keep their order."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from support.polling import WAIT_LIMIT

from orchestrator.operations.health import AHEAD, AT_ONCE, HealthChecks
from states.errors import Exhausted
from states.health import Health

NAMES = [f"c{number}" for number in range(10 * AT_ONCE)]


class Recorded(HealthChecks):
    """Answers without asking; the first connections answer only when so many are asked at the same time."""

    def __init__(self, together: int) -> None:
        nothing: Any = None
        super().__init__(nothing, nothing)
        self.asked: list[str] = []
        self._together = threading.Barrier(together, timeout=WAIT_LIMIT)

    def report(self, name: str, *, within: timedelta | None = None) -> Health:
        assert within is None
        self.asked.append(name)
        if name in NAMES[: self._together.parties]:
            self._together.wait()
        return Health(shows=None, sentence=name, valid_until=None, problems=(), outage=None)


def test_several_connections_are_asked_at_once() -> None:
    """Each once, and the reports come in the order of the names."""
    checks = Recorded(together=AT_ONCE)
    assert [(name, name) for name in NAMES] == [(name, found.sentence) for name, found in checks.reports(NAMES)]
    assert sorted(NAMES) == sorted(checks.asked)


def test_no_more_are_asked_than_are_needed() -> None:
    """Who stops reading after the first report has asked some connections ahead, and not the whole fleet."""
    checks = Recorded(together=1)
    reports = checks.reports(NAMES)
    next(reports)
    reports.close()  # type: ignore[attr-defined]  # a generator
    assert len(checks.asked) <= AHEAD + 1


def test_a_machine_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a shortage with a code, no bug."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(Exhausted, match="no more threads"):
        list(Recorded(together=1).reports(NAMES))
